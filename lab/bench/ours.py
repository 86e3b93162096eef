"""The lab's own trainers as a subject of a comparison: through their public face, as a user would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.bench.work import ENDLESS, Work
from lab.data import Split
from lab.measure.environment import environment
from lab.trainers import LayerParallelTrainer, Trainer


class Ours:
    """`fit` with a look at the clock after every step: batches, permutations and the record's figures included."""

    trainer: Trainer

    def __init__(self, work: Work) -> None:
        self.work, self.rows = work, work.split()
        self.trainer = built(work, self.rows)

    def train(self, tick: Callable[[], None]) -> None:
        """Steps of an endless training."""
        for _ in self.trainer.fit(self.rows, epochs=ENDLESS, on_step=lambda trainer: tick()):
            pass

    def facts(self) -> dict[str, Any]:
        """Cost, network, and where this ran."""
        trainer = self.trainer
        return {
            "cost": trainer.cost(),
            "network": trainer.describe(),
            "environment": environment(threads=self.work.threads, kernels=trainer.ops.kernels),
        }

    def memory(self) -> dict[str, Any]:
        """See `counted`."""
        return counted(self.work, self.rows)


class LayerParallel(Ours):
    """The same work by the layer-parallel trainer, whose workers share the threads."""

    def __init__(self, work: Work, workers: int = 2) -> None:
        self.work, self.rows = work, work.split()
        trainer = LayerParallelTrainer(
            work.description(), workers=workers, seed=work.seed, batch_size=work.batch_size, dtype=work.dtype,
            threads=work.threads, **work.options,
        )  # fmt: skip
        self.trainer = trainer.build(self.rows.x.shape[1:], int(self.rows.y.max()) + 1, scale=self.rows.scale)
        self.workers = workers

    def memory(self) -> dict[str, Any]:
        """What the trainer says of all its processes after two steps."""
        few = Split(self.rows.x[: 2 * self.work.batch_size], self.rows.y[: 2 * self.work.batch_size], self.rows.scale)
        trainer = type(self)(self.work, self.workers).trainer
        for _ in trainer.fit(few, epochs=1):
            pass
        return {"kinds": trainer.memory()}


def built(work: Work, rows: Split) -> Trainer:
    """The lab's trainer, built for the rows."""
    return work.trainer().build(rows.x.shape[1:], int(rows.y.max()) + 1, scale=rows.scale)


def counted(work: Work, rows: Split) -> dict[str, Any]:
    """Bytes of a steady step by the trainer's own account, from an epoch of two steps.

    kinds      what `memory()` of the trainer says
    resident   alive between two steps: weights, optimizer, readout weights
    transient  what a step needs above that at its worst moment
    """
    trainer, alive = built(work, rows), []
    few = Split(rows.x[: 2 * work.batch_size], rows.y[: 2 * work.batch_size], rows.scale, rows.name)
    for _ in trainer.fit(few, epochs=1, on_step=lambda t: alive.append(t.ops.usage.total)):
        pass
    kinds = trainer.memory()
    return {
        "kinds": kinds,
        "resident": alive[-1],
        "transient": kinds["peak"] - alive[-1],
        "activations": kinds["activations"],
        "readout": kinds["readout"],
    }
