"""The plan of a sweep: which runs belong to it, written before the first of them starts.

runs/sweeps/<name>-<8 digits>/sweep.json; the digits are taken from the runs' ids, so asking for the same sweep again
leads to the same folder, which then holds its report as well.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab.config import RunConfig, parse
from lab.errors import DataError, UsageError
from lab.record import storage
from lab.sweep.launch import name_run

SCHEMA = 1
LINES = "lines.json"  # what the screens of all jobs have in common
_ALWAYS_SHOWN = (
    "trainer", "model", "data", "seed", "trainer.name", "model.name", "data.name", "model.depth", "model.width",
)  # fmt: skip


@dataclass(frozen=True)
class Planned:
    """One run of a plan: its id, its config (what changes the result, and what does not), its overrides."""

    run_id: str
    config: dict[str, Any]
    how: dict[str, Any]
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """All runs of a sweep, in the order in which they are made."""

    name: str
    runs_folder: Path
    runs: tuple[Planned, ...] = ()
    place: Path | None = None  # where it was read from, or is kept though it grows

    @property
    def folder(self) -> Path:
        """Where the sweep keeps its plan and its report."""
        if self.place is not None:
            return self.place
        ids = "\n".join(run.run_id for run in self.runs)
        return self.runs_folder / "sweeps" / f"{self.name}-{hashlib.sha256(ids.encode()).hexdigest()[:8]}"

    def write(self) -> None:
        """Write it into its folder."""
        storage.make_folder(self.folder)
        runs = [asdict(run) for run in self.runs]
        storage.write_json_atomic(self.folder / "sweep.json", {"schema": SCHEMA, "name": self.name, "runs": runs})
        # Each job reads these few bytes; a plan of ten thousand runs, read ten thousand times, would be 150 GB.
        shared = sorted(self._shared())
        storage.write_json_atomic(self.folder / LINES, {"schema": SCHEMA, "count": len(self.runs), "shared": shared})

    def expected(self) -> list[dict[str, Any]]:
        """What a report is told to expect: each run once, though two jobs may ask for the same one."""
        return [{"run_id": run.run_id, "config": run.config} for run in {r.run_id: r for r in self.runs}.values()]

    def config(self, index: int, imports: Sequence[str] = (), **changes: Any) -> RunConfig:
        """The checked config of run `index`, with `changes` in what does not affect a result.

        imports: the modules of the user's own that may be run. Raises UsageError where the plan names others, or where
        something that the run's id is made from is not as it was when the sweep was planned.
        """
        run = self.runs[index]
        wanted = run.how.get("imports") or []
        if odd := [str(module) for module in wanted if module not in imports]:
            raise UsageError(f"the sweep runs modules of its own; list them with --imports {','.join(odd)}")
        config = parse({**run.config, **run.how, "runs": str(self.runs_folder), **changes})
        if name_run(config) != run.run_id:
            raise UsageError(f"the data or modules of run {run.run_id} changed since it was planned; ask for it again")
        return config

    def differences(self, index: int) -> str:
        """The overrides of run `index` that not all runs share and that a run's line does not show anyway."""
        return differences(self.runs[index].overrides, self._shared())

    def _shared(self) -> set[str]:
        return set.intersection(*(set(run.overrides) for run in self.runs)) if self.runs else set()


def differences(overrides: Iterable[str], shared: Collection[str]) -> str:
    """Of a run's overrides those that not all runs share and that its line does not show anyway."""
    own = [override for override in overrides if override not in shared]
    return " ".join(o for o in own if o.split("=")[0].lstrip("+") not in _ALWAYS_SHOWN)


def read_lines(folder: Path) -> tuple[int, list[str]] | None:
    """How many runs the sweep of a folder has, and the overrides that all share; None where there is no plan.

    Raises DataError where the file is damaged.
    """
    if not (folder / LINES).exists():
        return None
    found = storage.read_json(folder / LINES, limit=1 << 20)
    if not isinstance(found, dict) or type(found.get("count")) is not int or not isinstance(found.get("shared"), list):
        raise DataError(f"{folder / LINES} is damaged; ask for the sweep again")
    return found["count"], [str(override) for override in found["shared"]]


def make_plan(name: str, runs_folder: str, jobs: Sequence[tuple[RunConfig, Sequence[str]]]) -> Plan:
    """The plan for configs and the overrides that lead to each; a run's id needs its data, so that is looked at now.

    Raises UsageError and DataError where a config or its data is wrong: a sweep is refused before it starts.
    """
    odd = not name.isprintable() or name.startswith(".") or os.path.basename(name) != name or "\\" in name
    if not name or odd or len(os.fsencode(name)) > 200:
        raise UsageError(f"name={name[:60]!r} cannot name a folder; use at most 200 letters, digits, _ and -")
    runs = tuple(
        Planned(name_run(config), config.resolved(), config.how(), tuple(overrides)) for config, overrides in jobs
    )
    return Plan(name, Path(runs_folder), runs)


def find_plan(named: str, runs_folder: str = "runs") -> Plan:
    """The plan of a sweep named by its folder, by that folder's name, or by the name without its digits.

    Raises UsageError where there is no such sweep, or more than one.
    """
    if (Path(named) / "sweep.json").is_file():
        return read_plan(Path(named))
    home = Path(runs_folder, "sweeps")
    known = sorted(path.parent for path in home.glob("*/sweep.json"))
    found = [folder for folder in known if named in (folder.name, folder.name.rpartition("-")[0])]
    if len(found) != 1:
        names = ", ".join(folder.name for folder in found or known) or "none is there"
        how = "several sweeps are called" if found else f"under {home} there is no sweep"
        raise UsageError(f"{how} {named!r}; name one of: {names}")
    return read_plan(found[0])


def read_plan(folder: Path) -> Plan:
    """The plan in a sweep's folder. Raises DataError where it is damaged or of another version."""
    path = folder / "sweep.json"
    found = storage.read_json(path)
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise DataError(f"{path} is no plan that this version reads; ask for the sweep again")
    try:
        runs = tuple(_planned(run) for run in found["runs"])
        return Plan(str(found["name"]), folder.resolve().parent.parent, runs, folder)
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{path} is damaged; ask for the sweep again") from None


def _planned(run: Mapping[str, Any]) -> Planned:
    kinds = {"run_id": str, "config": dict, "how": dict, "overrides": list}
    if any(not isinstance(run[name], kind) for name, kind in kinds.items()):
        raise ValueError("of another form")
    return Planned(run["run_id"], run["config"], run["how"], tuple(map(str, run["overrides"])))
