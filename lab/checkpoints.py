"""How a run's checkpoints are written and gone on from: only with the same run, data and build, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import DataError, UsageError
from lab.measure.build import differences
from lab.record.generations import Generations
from lab.trainers import state as states

if TYPE_CHECKING:
    from lab.data import Dataset
    from lab.trainers import Trainer


class Checkpoints:
    """Those of one run. `changed` says, after `resume`, what is not as it was when the checkpoint was written.

    newest         the file that the newest one is kept in, others beside it; None keeps none
    run, data      what they belong to
    build          what bits depend on beside the config (see `lab.measure.build`)
    allow_change   go on under another build, although bits may then differ from those of an uninterrupted run
    anew           start anew under another build
    """

    def __init__(
        self,
        newest: Path | None,
        run: str,
        data: Dataset,
        build: Mapping[str, Any],
        allow_change: bool = False,
        anew: bool = False,
    ) -> None:
        self._kept = None if newest is None else Generations(newest)
        self._run, self._data, self._build = run, data, dict(build)
        self._allow_change, self._anew = allow_change, anew
        self.changed: list[str] = []

    def resume(self, make: Callable[[], Trainer], notes: list[str]) -> Trainer:
        """A trainer that stands where the newest usable checkpoint left it, or a new one; `notes` say what was found.

        A checkpoint that is damaged or of something else is set aside, and the one before it is used. Raises UsageError
        where a good one was written under another build.
        """
        for path in self._kept.there() if self._kept is not None else ():
            trainer = make()
            try:
                states.load(trainer, path, partial(self._check, self._outputs(trainer)))
            except (DataError, UsageError) as error:
                assert self._kept is not None
                notes.append(f"{error} (kept as {self._kept.set_aside(path).name})")
                continue
            if self.changed and not self._allow_change:
                raise UsageError(
                    f"{path} was written under another build ({'; '.join(self.changed)}) and would not go on bit for "
                    "bit; give allow_env_change=true to go on all the same, or rerun=stale to start anew"
                )
            done = trainer.progress
            notes.append(f"resumed after epoch {done.epoch}, step {done.step}, from {path.name}")
            if self.changed:
                notes.append(f"not bit for bit the same as an uninterrupted run: {'; '.join(self.changed)}")
            return trainer
        if notes:
            notes.append("started anew")
        data = self._data
        trainer = make()
        return trainer.build(data.shape, self._outputs(trainer), data.task, data.train.scale, data.train.alphabet)

    def write(self, trainer: Trainer, valid: Mapping[str, Any] | None = None) -> None:
        """Write one; `valid` is what the validation rows gave where an epoch has just ended."""
        if self._kept is None:
            return
        more = {"run": self._run, "build": self._build}
        self._kept.write(lambda path, keep: states.save(trainer, path, more, keep), valid)

    def _outputs(self, trainer: Trainer) -> int:
        return self._data.n_classes or trainer.outputs_for(self._data.train)

    def _check(self, outputs: int, header: Mapping[str, Any]) -> None:
        """Refuse what is of another run or data, before anything is made from the header's sizes."""
        data = self._data
        if header.get("run") != self._run:
            raise UsageError(f"the checkpoint is of run {header.get('run')!r}, not of {self._run}")
        wanted = [list(data.shape), outputs, data.task, data.train.scale, data.train.alphabet]
        if [header.get(name) for name in ("in_shape", "n_outputs", "task", "scale", "alphabet")] != wanted:
            raise UsageError(f"the checkpoint is of other data than {data.name}")
        build = header.get("build")
        self.changed = differences(build if isinstance(build, dict) else {}, self._build)
        if self.changed and self._anew:
            raise UsageError(f"the checkpoint was written under another build ({'; '.join(self.changed)})")
