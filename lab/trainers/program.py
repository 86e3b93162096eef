"""Steps as a program on the device, which a GPU can repeat by itself: what changes from step to step lies there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.backend import Array
from lab.data.batches import Batches
from lab.networks import Network
from lab.trainers.history import Progress

if TYPE_CHECKING:
    from lab.data.dataset import Split
    from lab.trainers.base import Trainer


class StepProgram:
    """The steps of a trainer, each begun by one call; the counters, the rate and the sums of figures are on the device.

    A step is the trainer's own (`_step`), given a counter instead of a number and an array instead of a rate. There is
    one program for each number of rows, so that a short last batch needs no padding and its update is what it was.

    """

    def __init__(self, trainer: Trainer) -> None:
        self._trainer, ops = trainer, trainer.ops
        self._batch, self._update = ops.zeros((), np.int64, "workspace"), ops.zeros((), np.int64, "workspace")
        self.rate = ops.zeros((), kind="workspace")
        self._totals: dict[str, Array] = {}
        self._by_rows: dict[int, Callable[[], None]] = {}
        self._told: list[str] = []  # of each program that was asked for twice: "" where the device repeats it

    def begin(self, batches: Batches, rate: float, progress: Progress) -> None:
        """Go on with the epoch of `batches`, where `progress` stands; its arrays are those of the epoch before."""
        self._batches, self._before = batches, progress.sums
        self._batch[...], self._update[...], self.rate[...] = progress.batch, progress.step, rate
        for name, total in self._totals.items():
            total[...] = progress.sums.get(name, 0.0)
        progress.sums = self._totals

    def step(self, n: int) -> None:
        """Make the next step, of n images."""
        if n not in self._by_rows:
            self._by_rows[n] = self._trainer.ops.repeated(partial(self._work, n), self._told.append)
        self._by_rows[n]()

    def told(self) -> dict[str, Any]:
        """As `Trainer.graphs`."""
        reasons = dict.fromkeys(reason for reason in self._told if reason)
        if not self._told:
            reasons["no step came twice"] = None
        return {"used": "" in self._told, "reason": "; ".join(reasons) or None}

    def _work(self, n: int) -> None:
        trainer = self._trainer
        images, target, index = self._batches.take(self._batch, n)
        seen = trainer._step(images, target, index, self._batch, self.rate, trainer._ctx(self._update))
        for name, value in seen.items():
            if name not in self._totals:  # in the first step, which is never a repeated one
                self._totals[name] = trainer.ops.zeros((), getattr(value, "dtype", None), "workspace")
                self._totals[name] += self._before.get(name, 0.0)
            self._totals[name] += value * float(n)
        self._batch += 1
        self._update += 1


def why_one_by_one(trainer: Trainer, train: Split) -> str:
    """Why a device that can repeat steps by itself is not asked to over these rows; "" where it is, and on a CPU."""
    if trainer.ops.repeats is None:
        return ""
    if not trainer.ops.repeats:
        return f"kernels={trainer.ops.kernels} are the reference operations, which are not recorded"
    if train.augment is not None:
        return "rows are changed by draws of the host (augment)"
    if train.alphabet:
        return "rows are text, whose codes are written out batch by batch"
    return trainer._unrepeatable()


def of_others(trainer: Trainer, family: type[Trainer], *parts: object) -> str:
    """What of the trainer (a `family` and not a kind of one), its network, optimizer and `parts` is not the lab's.

    As a reason why steps are made one by one: what others add may ask the host for something. "" where all are.
    """
    asked = (trainer._description, trainer.optimizer, *(part for part in parts if part is not None))
    others = [type(each).__name__ for each in asked if not type(each).__module__.startswith("lab.")]
    if type(trainer) is not family:
        others.insert(0, type(trainer).__name__)
    if isinstance(trainer._description, Network):
        others.append("a network made by hand")
    return f"not known to need nothing of the host: {', '.join(others)}" if others else ""
