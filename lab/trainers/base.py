"""Trainer: what all trainers share. The one training loop, batches, evaluation, state, save and load.

A subclass says how one step is made and how a trained network answers; nothing here knows a method.
"""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from pathlib import Path
from time import perf_counter
from typing import Any, Self

import numpy as np
from threadpoolctl import ThreadpoolController

from lab.backend import Array, Backend, Kernels, Shape
from lab.data.batches import Batches, epoch_permutation, read_rows
from lab.data.dataset import Split
from lab.errors import Diverged, UsageError
from lab.layers import Ctx, Noise
from lab.networks import Defaults, Network, NetworkSpec
from lab.optimizers import Optimizer, gain
from lab.registry import part
from lab.schema import convert
from lab.trainers import state as states
from lab.trainers.history import EpochRecord, Progress
from lab.trainers.program import StepProgram, why_one_by_one
from lab.trainers.stopping import BEST, EarlyStop

EVALUATION_ROWS = 1000  # rows at a time outside training: enough for full GEMM speed, small beside the training set


class Trainer:
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

    family: str  # of methods, for the record
    defaults: Defaults  # what it puts where a description says "auto"
    iterates = False  # whether it goes over a network more than once a step, as delayed sources need it

    network: Network
    optimizer: Optimizer
    _program: StepProgram | None = None
    _held_up = ""  # why steps are made one by one
    _made_with: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **options: Any) -> Self:
        trainer = super().__new__(cls)
        trainer._made_with = args, options
        return trainer

    def __init__(
        self,
        network: NetworkSpec | Network,
        *,
        optimizer: Optimizer,
        seed: int = 0,
        batch_size: int = 100,
        backend: str = "numpy",
        dtype: str = "float32",
        threads: int | None = None,
        kernels: Kernels = "auto",
    ) -> None:
        batch_size = convert(batch_size, int, "batch_size")
        if batch_size < 1:
            raise UsageError(f"batch_size must be at least 1, got {batch_size}")
        if dtype not in ("float32", "float64"):
            raise UsageError(f"unknown dtype {dtype!r}; valid: float32, float64")
        if threads is not None and threads < 1:
            raise UsageError(f"threads must be at least 1, got {threads}")
        self._description = network
        self.optimizer, self.seed, self.batch_size, self.threads = optimizer, seed, batch_size, threads
        self.ops: Backend = part("backend", backend)(dtype, kernels=kernels, threads=threads)
        self.progress = Progress()
        self.best: dict[str, Array] = {}  # of the best epoch, on the host, while early stopping may go back to it
        self.n_outputs = 0  # 0: not built yet
        self.task = ""

    # -- building ------------------------------------------------------------------------------------------------
    def build(
        self, in_shape: Shape, n_outputs: int, task: str = "classification", scale: float = 1.0, alphabet: int = 0
    ) -> Self:
        """Make the parameters for rows of `in_shape`, read times `scale`, and `n_outputs` classes (or target columns).

        `alphabet`: rows are text, as in a Split, and `in_shape` is that of their one-hot form. `fit` and `load` do this
        by themselves. Raises UsageError where the network does not fit.
        """
        self.in_shape, self.n_outputs, self.task = tuple(in_shape), n_outputs, task
        self.scale, self.alphabet = scale, alphabet
        self._check_task()
        description = self._description
        if isinstance(description, Network):
            self.network = description
        else:
            self.network = description.make(self.in_shape, self._head_outputs(), self.defaults)
        if self.network.delayed and not self.iterates:
            raise UsageError(
                f"{self.network.label} reads what blocks did an iteration before, but this trainer goes over a network "
                "once a step; use top_down=false, or trainer=recurrent"
            )
        with self.ops.usage.during("set-up", "weights"):
            self.network.build(self._shown(self.in_shape), n_outputs, self.ops, self.seed, labelled=self._labelled())
            self._start()
        return self

    def _shown(self, in_shape: Shape) -> Shape:
        """The shape of what the network is shown of a row of `in_shape`, a label in it aside."""
        return in_shape

    def _labelled(self) -> bool:
        """Whether the network's input carries a label."""
        raise NotImplementedError

    def _head_outputs(self) -> int:
        """How many outputs the network's head is to have."""
        return self.n_outputs

    def _check_task(self) -> None:
        """Raise UsageError where the trainer or its objective cannot do `self.task`."""

    def _start(self) -> None:
        """Make the optimizer's and objectives' state for the network that was built."""
        raise NotImplementedError

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

    def _wait(self) -> None:
        """Let the device finish what the steps gave it to do, which is training time too."""
        began = perf_counter()
        self.ops.synchronize()
        self.progress.seconds += perf_counter() - began

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

    def _step(
        self, images: Array, target: Array, index: Array, step: int | Array, rate: float | Array, ctx: Ctx
    ) -> dict[str, Array | float]:
        """One update from a batch; `rate` multiplies learning rates. Returns figures to average, "loss" among them."""
        raise NotImplementedError

    def _check_finite(self, loss: Array | float, block: str) -> None:
        """Raise Diverged unless the loss is finite. Reading it waits for a GPU, where it is done once an epoch."""
        if not math.isfinite(value := float(loss)):
            raise Diverged(self.progress.step + 1, block, value)

    # -- answering -----------------------------------------------------------------------------------------------
    def evaluate(self, split: Split) -> dict[str, Any]:
        """How well the network answers on `split`: {"n", "loss", "accuracy", "error", ...}, fractions between 0 and 1.

        For regression {"n", "loss", "r2", "rmse"}, and of a text also "bits_per_character". More keys where a trainer
        has several readouts.
        """
        self._check_built()
        self._check_split(split)
        with self._limited(), self.ops.usage.during("evaluation", "readout", every=True):
            return self._evaluate(split)

    def _evaluate(self, split: Split) -> dict[str, Any]:
        raise NotImplementedError

    def predict(self, x: Array) -> Array:
        """Class labels (N,) int64, or targets (N,) float64, for rows x (N, *shape) in the training rows' units."""
        scores = self.predict_proba(x) if self.task == "classification" else self._outputs(x)
        return scores.argmax(axis=1) if self.task == "classification" else scores[:, 0].astype(np.float64)

    def predict_proba(self, x: Array) -> Array:
        """Class probabilities (N, K) for rows x (N, *shape) in the units of the training rows."""
        return self._outputs(x)

    def _outputs(self, x: Array, answer: Callable[[Array], Array] | None = None) -> Array:
        self._check_built()
        answer = answer or self._answer
        x = np.asarray(x)
        expected = self.in_shape[:-1] if self.alphabet else self.in_shape
        if x.shape[1:] != expected:
            raise UsageError(f"rows have shape {x.shape[1:]}, but the network was built for {expected}")
        if self.alphabet and (x.dtype.kind not in "ui" or not (x < self.alphabet).all() or not (x >= 0).all()):
            raise UsageError(
                f"rows are text and must hold codes from 0 to {self.alphabet - 1}; encode them as in training"
            )
        if x.dtype.kind not in "fiub" or not np.isfinite(x).all():
            raise UsageError(f"rows of dtype {x.dtype} hold what is no finite number; clean them first")
        with self._limited(), self.ops.usage.during("prediction", "readout", every=True):
            parts = [answer(images) for _, images in self._chunks(x, self.scale)]
        return np.concatenate(parts) if parts else np.zeros((0, self.n_outputs), self.ops.dtype)

    def _answer(self, images: Array) -> Array:
        """Probabilities or outputs for one chunk of images, on the host."""
        raise NotImplementedError

    def _chunks(self, x: Array, scale: float) -> Iterator[tuple[slice, Array]]:
        """The rows in pieces of EVALUATION_ROWS: which they are, and the rows as the network reads them."""
        for start in range(0, len(x), EVALUATION_ROWS):
            part = slice(start, min(len(x), start + EVALUATION_ROWS))
            rows = self.ops.resident(x[part])
            yield part, read_rows(self.ops, rows, self.ops.xp.arange(len(rows)), scale, self.alphabet)

    # -- state ---------------------------------------------------------------------------------------------------
    def state(self) -> dict[str, Array]:
        """Every array that training changes, by name, on the host and not copied: weights, optimizer, objectives.

        Where early stopping may go back to a better epoch, its arrays as well, as "best/...".
        """
        self._check_built()
        now = {name: self.ops.to_host(array) for name, array in self._arrays().items()}
        return now | {BEST + name: array for name, array in self.best.items()}

    def _arrays(self) -> dict[str, Array]:
        weights = {f"weights/{name}": p for name, p in self.network.parameters().items()}
        return weights | {f"statistics/{name}": s for name, s in self.network.statistics().items()}

    def options(self) -> dict[str, str]:
        """What training depends on beside the arrays, in words: a checkpoint goes on only with the same."""
        return {"batch_size": str(self.batch_size), "optimizer": repr(self.optimizer)}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint atomically: all state, so that `load` and `fit` end as an uninterrupted run would."""
        self._check_built()
        if self.progress.batch:
            self._wait()  # or the steps' work on a GPU would count as the writing's
        states.save(self, Path(path))

    def load(self, path: str | os.PathLike[str]) -> Self:
        """Take a checkpoint's state over. Raises DataError when it is damaged, UsageError when it is of another net."""
        states.load(self, Path(path))
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """A pickle or copy: a trainer made with the same arguments takes the state over, in buffers of its own."""
        args, options = copy.deepcopy(self._made_with)  # a Network of the user's own must not be shared
        return partial(type(self), *args, **options), (), states.pack(self)

    def __setstate__(self, packed: dict[str, Any]) -> None:
        states.unpack(self, packed)

    # -- figures for the record ----------------------------------------------------------------------------------
    def describe(self) -> dict[str, Any]:
        """The network's names, shapes and sizes."""
        self._check_built()
        return self.network.describe()

    def note_memory(self) -> None:
        """Keep the largest peaks of the epoch so far."""
        self.progress.note_memory(self.ops.usage)

    def memory(self) -> dict[str, Any]:
        """Peak bytes of a training step by kind, each kind's own maximum, and the peak of their sum with its place.

        What data sets and evaluation take is not in it.
        """
        return dict(self.progress.memory)

    def cost(self) -> dict[str, Any]:
        """What a step and an answer cost in passes and floating-point operations; see each trainer."""
        raise NotImplementedError

    # -- checks --------------------------------------------------------------------------------------------------
    def _check_built(self) -> None:
        if not self.n_outputs:
            raise UsageError("this trainer has no network yet; call fit, load or build first")

    def _check_split(self, split: Split) -> None:
        if split.shape != self.in_shape or split.alphabet != self.alphabet:
            raise UsageError(f"{split.name} has rows of shape {split.shape}, the network takes {self.in_shape}")
        if (split.y.dtype.kind == "f") != (self.task == "regression"):
            raise UsageError(f"{split.name} has y of dtype {split.y.dtype}, which does not fit the task {self.task}")
        if self.task == "classification" and len(split) and (high := int(split.y.max())) >= self.n_outputs:
            raise UsageError(f"{split.name} has label {high}, but the network knows 0 to {self.n_outputs - 1}")

    def _limited(self) -> AbstractContextManager[object]:
        """`threads` BLAS threads while inside, the number from before afterwards."""
        return nullcontext() if self.threads is None else _blas().limit(limits=self.threads)


@cache
def _blas() -> ThreadpoolController:
    """The BLAS libraries of this process; finding them takes milliseconds, so it is done once."""
    return ThreadpoolController()
