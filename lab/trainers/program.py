"""Steps as a program on the device, which a GPU can repeat by itself: what changes from step to step lies there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lab.backend import Array
from lab.data.batches import Batches
from lab.trainers.history import Progress

if TYPE_CHECKING:
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
            self._by_rows[n] = self._trainer.ops.repeated(partial(self._work, n))
        self._by_rows[n]()

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
