"""The sweep's report kept up to date: drawn anew whenever a run has ended, and loaded anew by whoever looks at it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab.report import make_report
from lab.sweep.plan import Plan
from lab.watch.look import Seen


class Page:
    """The page in the sweep's own folder of reports, where the sweep's end will write the same one."""

    def __init__(self, plan: Plan, every: float) -> None:
        self._plan, self._every = plan, every
        self._drawn: tuple[tuple[str, str], ...] | None = None
        self.path = Path(plan.folder, "report", "index.html")

    def update(self, seen: Sequence[Seen]) -> bool:
        """Draws it where something has ended since the last time; returns whether it did.

        While runs are missing the page loads itself anew every so many seconds; the last one stays still.
        Raises StorageError where it cannot be written.
        """
        state = tuple((run.run_id, run.status) for run in seen)
        if state == self._drawn:
            return False
        whole = all(run.state == "ended" for run in seen)
        make_report(
            self._plan.runs_folder,
            self.path.parent,
            expected=self._plan.expected(),
            reload=None if whole else self._every,
        )
        self._drawn = state
        return True
