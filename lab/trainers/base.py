"""Trainer: what all trainers share beside the network itself (lab.trainers.trained): the one training loop.

A subclass says how one step is made; nothing here knows a method.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any, Self

from lab.backend import Array
from lab.data.batches import Batches, epoch_permutation
from lab.data.dataset import Split
from lab.errors import Diverged, UsageError
from lab.layers import Ctx, Noise
from lab.schedules import check_schedule, gain
from lab.trainers.history import EpochRecord
from lab.trainers.program import StepProgram, why_one_by_one
from lab.trainers.stopping import EarlyStop
from lab.trainers.trained import TrainedNetwork


class Trainer(TrainedNetwork):
    """Trains one network. `fit` yields a record an epoch; afterwards `evaluate`, `predict`, `predict_proba`, `save`.

    network     a description (lab.mlp(...)) or a Network of one's own
    optimizer   see lab.optimizers; each trainer has its default
    seed        of initial weights, order of the data, negatives and noise: equal seeds are paired between trainers
    batch_size  images a step
    backend     "numpy" or "cupy"; dtype "float32" or "float64"
    threads     BLAS threads while training and answering; None leaves the libraries' own choice
    kernels     on the CPU "auto", "numba" or "numpy": compiled loops where numba is installed, always, or never; on a
                GPU "auto", "cupy" or "tf32", see lab.backend.CupyBackend
    """

    _program: StepProgram | None = None
    _held_up = ""  # why steps are made one by one

    # -- training ------------------------------------------------------------------------------------------------
    def fit(
        self,
        train: Split,
        valid: Split | None = None,
        *,
        epochs: int,
        on_step: Callable[[Self], None] | None = None,
        stop: EarlyStop | None = None,
    ) -> Iterator[EpochRecord]:
        """Train until `epochs` epochs are done in all, yielding a record after each; nothing runs until it is iterated.

        A loaded trainer goes on where its checkpoint stopped, in the middle of an epoch too, and ends with the very
        bits of an uninterrupted run. `valid` is evaluated after every epoch. `on_step(trainer)` is called after every
        step; `trainer.save` may be called there. `stop` ends training early, by what `valid` says. Raises UsageError
        for what cannot be trained on, before any work, and Diverged when a loss stops being finite: on the CPU before
        that block's update, on a GPU, where reading a loss means waiting for it, at the end of the epoch.
        """
        if epochs < 1:
            raise UsageError(f"epochs must be at least 1, got {epochs}")
        if self.progress.epoch >= epochs:
            raise UsageError(
                f"this trainer has done {self.progress.epoch} of {epochs} epochs; ask for more, or make a new trainer"
            )
        if not len(train):
            raise UsageError("there are no rows to train on; give a training split that is not empty")
        if not self.n_outputs:
            task = "regression" if train.y.dtype.kind == "f" else "classification"
            self.build(train.shape, self.outputs_for(train), task, train.scale, train.alphabet)
        for split in (train, valid):
            if split is not None:
                self._check_split(split)
        check_schedule(self.optimizer.schedule, epochs)
        self._check_epochs(epochs)
        self._meet(train)
        if stop is not None:
            stop.begin(self, valid)
        else:
            self.progress.stop, self.best = None, {}
        if self.progress.batch and (self.progress.rows, self.progress.augment) != (len(train), repr(train.augment)):
            raise UsageError(
                f"training stopped in the middle of an epoch over {self.progress.rows} rows, augment="
                f"{self.progress.augment}, and cannot go on with {len(train)}, augment={train.augment}; "
                "give it the same training split"
            )
        self.progress.rows, self.progress.augment = len(train), repr(train.augment)
        return self._epochs(train, valid, epochs, on_step, stop)

    def _epochs(
        self,
        train: Split,
        valid: Split | None,
        epochs: int,
        on_step: Callable[[Self], None] | None,
        stop: EarlyStop | None,
    ) -> Iterator[EpochRecord]:
        ops, progress = self.ops, self.progress
        ops.warm_up()  # before any clock starts
        x, y = ops.resident(train.x), ops.resident(self.targets(train.y))
        order: Array | None = None
        self._held_up = why_one_by_one(self, train)
        self._program = StepProgram(self) if ops.repeats and not self._held_up else None
        while progress.epoch < epochs:
            epoch = progress.epoch + 1
            order = ops.renewed(order, epoch_permutation(len(train), self.seed, epoch))
            batches = Batches(
                ops, x, y, order, self.batch_size, train.scale, train.alphabet, self._augmenting(train, epoch)
            )
            rate = gain(self.optimizer.schedule, epoch, epochs)
            self._start_epoch(epoch, epochs, len(train))
            ops.usage.reset_peak()
            with self._limited():
                self._train_epoch(batches, rate, on_step)
            self._wait()
            self.note_memory()
            began = perf_counter()
            found = self.evaluate(valid) if valid is not None and len(valid) else {}
            evaluating = perf_counter() - began
            record = progress.close_epoch(
                rate * self.optimizer.learning_rate, found, len(train), evaluating, self._epoch_figures()
            )
            self._check_finite(record.train_loss, "the epoch")
            ends = stop is not None and stop.look(self, record, last=epoch == epochs)
            yield record
            if ends:
                return

    def outputs_for(self, train: Split) -> int:
        """How many outputs a network for these rows has: of one class each, or one for a target that is a number."""
        return 1 if train.y.dtype.kind == "f" else train.alphabet or max(2, int(train.y.max()) + 1)

    def _meet(self, train: Split) -> None:
        """What a subclass learns of the rows as a whole before it trains on them, the same at every start."""

    def targets(self, y: Array) -> Array:
        """What a step is given for labels or numbers y (N,), on the host."""
        return y

    def _augmenting(self, train: Split, epoch: int) -> Callable[[Array, int], Array] | None:
        """What changes the rows of a batch of this epoch, given its number."""
        augment, seed, ops = train.augment, self.seed, self.ops
        return None if augment is None else lambda rows, step: augment(rows, seed, epoch, step, ops)

    def _train_epoch(self, batches: Batches, rate: float, on_step: Callable[[Self], None] | None) -> None:
        """All steps of the epoch under way that are not made yet; `rate` multiplies learning rates."""
        progress = self.progress
        if self._program is not None:
            self._program.begin(batches, rate, progress)
            self._follow(self._program.rate)
        for step in range(progress.batch, len(batches)):
            began = perf_counter()
            if self._program is not None:
                self._program.step(batches.rows(step))
                progress.count(batches.rows(step))
            else:
                images, target, index = batches[step]
                seen = self._step(images, target, index, step, rate, self._ctx(progress.step))
                progress.add(seen, len(images))
                del images, target, index
            progress.seconds += perf_counter() - began
            if on_step is not None:
                on_step(self)

    def _unrepeatable(self) -> str:
        """Why a GPU cannot repeat `_step` by itself (lab.trainers.program), or "": it can where a step takes its number
        and rate from the device, asks the host for nothing that changes between steps, and changes its state in place.

        What others add may do otherwise, and is not asked: a trainer of their own has to say so itself.
        """
        return f"{type(self).__name__} does not say that its steps need nothing of the host"

    def graphs(self) -> dict[str, Any] | None:
        """How a GPU made the last steps: {"used": whether as CUDA graphs, "reason": why not all of them, or None}.

        None where there are no graphs: on a CPU, and before training.
        """
        if self._program is not None:
            return self._program.told()
        return {"used": False, "reason": self._held_up} if self._held_up else None

    def _follow(self, rate: Array) -> None:
        """Take learning rates that are not `_step`'s argument from `rate`, on the device, from now on."""

    def _ctx(self, step: int | Array) -> Ctx:
        """How the passes of an update run: `step` counts updates since the start and names their noise."""
        return Ctx(self.ops, Noise(self.seed, step), train=True, keep=True)

    def _check_epochs(self, epochs: int) -> None:
        """Raise UsageError where so many epochs cannot be made."""

    def check_early_end(self) -> None:
        """Raise UsageError where training must go through all its epochs."""

    def _start_epoch(self, epoch: int, epochs: int, n: int) -> None:
        """What a subclass draws or decides once an epoch."""

    def _epoch_figures(self) -> list[dict[str, Any]]:
        """What a subclass records of each block at an epoch's end."""
        return []

    @abstractmethod
    def _step(
        self, images: Array, target: Array, index: Array, step: int | Array, rate: float | Array, ctx: Ctx
    ) -> dict[str, Array | float]:
        """One update from a batch; `rate` multiplies learning rates. Returns figures to average, "loss" among them."""

    def _check_finite(self, loss: Array | float, block: str) -> None:
        """Raise Diverged unless the loss is finite. Reading it waits for a GPU, where it is done once an epoch."""
        if not math.isfinite(value := float(loss)):
            raise Diverged(self.progress.step + 1, block, value)
