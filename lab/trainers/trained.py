"""TrainedNetwork: one network with its weights, as a trainer holds it. How it is made, answers, is described and saved.

A subclass says how a trained network answers; nothing here knows a method, nor how it is trained (lab.trainers.base).
"""

from __future__ import annotations

import copy
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from pathlib import Path
from time import perf_counter
from typing import Any, Self

import numpy as np
from threadpoolctl import ThreadpoolController

from lab.backend import Array, Backend, Kernels, Shape
from lab.data.batches import read_rows
from lab.data.dataset import Split
from lab.errors import UsageError
from lab.networks import Defaults, Network, NetworkSpec
from lab.optimizers import Optimizer
from lab.registry import part
from lab.schema import convert
from lab.trainers import state as states
from lab.trainers.history import Progress
from lab.trainers.stopping import BEST

EVALUATION_ROWS = 1000  # rows at a time outside training: enough for full GEMM speed, small beside the training set


class TrainedNetwork(ABC):
    """One network in the hands of a method: what `Trainer` is without its training loop, and takes its options from.

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

    @abstractmethod
    def _labelled(self) -> bool:
        """Whether the network's input carries a label."""

    def _head_outputs(self) -> int:
        """How many outputs the network's head is to have."""
        return self.n_outputs

    def _check_task(self) -> None:  # noqa: B027 - most trainers can do either task
        """Raise UsageError where the trainer or its objective cannot do `self.task`."""

    @abstractmethod
    def _start(self) -> None:
        """Make the optimizer's and objectives' state for the network that was built."""

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

    @abstractmethod
    def _evaluate(self, split: Split) -> dict[str, Any]:
        """{"n", "loss", ...} of a split that has been looked over; see `evaluate`."""

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

    @abstractmethod
    def _answer(self, images: Array) -> Array:
        """Probabilities or outputs for one chunk of images, on the host."""

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

    def _wait(self) -> None:
        """Let the device finish what the steps gave it to do, which is training time too."""
        began = perf_counter()
        self.ops.synchronize()
        self.progress.seconds += perf_counter() - began

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

    @abstractmethod
    def cost(self) -> dict[str, Any]:
        """What a step and an answer cost in passes and floating-point operations; see each trainer."""

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
