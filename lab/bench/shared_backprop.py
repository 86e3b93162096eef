"""What the forms of backpropagation on several processes share: weights that all of them see, and a batch's rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from lab.backend import Array, NumpyBackend
from lab.bench.work import ENDLESS, Work
from lab.data import Split, epoch_permutation
from lab.data.batches import Batches
from lab.errors import UsageError
from lab.layers import Ctx
from lab.measure.environment import environment
from lab.parallel import SharedMemory
from lab.schedules import gain
from lab.trainers import BackpropTrainer


class SharedBackprop:
    """The lab's trainer with its weights in shared memory, and the rows; a subject subclasses it."""

    def __init__(self, work: Work, processes: int = 2) -> None:
        if work.batch_size % processes:
            raise UsageError(f"a batch of {work.batch_size} is not shared out evenly to {processes} processes")
        self.work, self.rows, self.processes = work, work.split(), processes
        trainer = work.trainer()
        assert isinstance(trainer, BackpropTrainer)
        assert isinstance(trainer.ops, NumpyBackend)
        self.trainer, self._ops, pool = trainer, trainer.ops, trainer.ops.pool
        pool.source = SharedMemory()
        trainer.build(self.rows.x.shape[1:], int(self.rows.y.max()) + 1, scale=self.rows.scale)
        pool.source = None
        pool.trim()  # no process may use as its own what all of them see

    def facts(self) -> dict[str, Any]:
        """Cost, network, and where this ran."""
        trainer = self.trainer
        return {
            "cost": trainer.cost(),
            "network": trainer.describe(),
            "environment": environment(threads=self.work.threads, kernels=trainer.ops.kernels),
        }

    def memory(self) -> dict[str, Any]:
        """Not counted."""
        return {}

    def take_share(self) -> None:
        """In each process: its share of the threads."""
        threads = max(1, self.work.threads // self.processes)
        self.trainer.threads = threads
        self._ops.threads = threads


def parts(trainer: BackpropTrainer, rows: Split, count: int) -> Iterator[Parts]:
    """For each step of an endless training its batch in `count` equal parts, (images, target, ctx), read when asked."""
    size, step = trainer.batch_size // count, 0
    x, y = trainer.ops.resident(rows.x), trainer.ops.resident(rows.y)
    for epoch in range(1, ENDLESS):
        order = epoch_permutation(len(rows), trainer.seed, epoch)
        batches = Batches(trainer.ops, x, y, order, size, rows.scale)
        for batch in range(len(rows) // trainer.batch_size):
            ctx = trainer._ctx(step)
            yield Parts(batches, batch * count, ctx, size)
            step += 1


class Parts:
    """A batch's parts, each gathered when it is indexed: who needs one of them does not pay for the others."""

    def __init__(self, batches: Batches, first: int, ctx: Ctx, size: int) -> None:
        self._batches, self._first, self._ctx, self._size = batches, first, ctx, size

    def __getitem__(self, i: int) -> tuple[Array, Array, Ctx]:
        images, target, _ = self._batches[self._first + i]
        return images, target, replace(self._ctx, noise=replace(self._ctx.noise, first_row=i * self._size))


def rate(trainer: BackpropTrainer) -> float:
    """What the learning rate is multiplied by while the bench lasts: the first epoch of an endless training."""
    return gain(trainer.optimizer.schedule, 1, ENDLESS)
