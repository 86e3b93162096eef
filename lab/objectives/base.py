"""What an objective is: a loss of a network's output, or of one block's activities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol

import numpy as np

from lab.backend import Array, Backend, ScaledRows, Shape
from lab.errors import UsageError
from lab.layers import Ctx


class Loss(Protocol):
    """A loss of the network's output, for trainers that send one error through all blocks."""

    def outputs(self, task: str, n: int) -> int:
        """How many outputs K a network needs for `n` classes, or target columns where `task` is "regression".

        Raises UsageError where the loss cannot do that task.
        """
        ...

    def __call__(self, output: Array, target: Array, ops: Backend) -> tuple[Array, Array]:
        """The mean loss over rows (0-d), and its gradient with respect to `output` (N, K); 0 for no rows."""
        ...

    def probabilities(self, output: Array, ops: Backend) -> Array:
        """Class probabilities (N, K) for outputs (N, K)."""
        ...


def require_labels(name: str, task: str, n: int) -> int:
    """`n`, an output for each class; raises UsageError where the objective `name` is given numbers to predict."""
    if task != "classification":
        raise UsageError(f"objective={name} needs class labels, but y holds numbers; use squared_error")
    return n


@dataclass(frozen=True)
class Rows:
    """Which rows of a block's activities are what: `n` images, each seen once or as a positive and a negative row.

    target     the images' labels (n,), of `n_classes`; None where the objective is not to know them
    """

    n: int
    positive: slice = field(default_factory=lambda: slice(0, 0))
    negative: slice = field(default_factory=lambda: slice(0, 0))
    target: Array | None = None
    n_classes: int = 0


@dataclass(frozen=True)
class Signal:
    """What a local objective says to its block.

    loss   0-d, the mean over images; dh the gradient with respect to the activities h, ScaledRows where it is a number
           for each row times h.
    dz     (rows, value), added to the gradient behind the block's last activation, which does not gate it.
    grads  the gradient of each of the objective's own parameters, by name.
    seen   0-d figures worth recording, e.g. the mean goodness of positive rows.
    """

    loss: Array
    dh: Array | ScaledRows
    dz: tuple[slice, Array] | None = None
    grads: dict[str, Array] = field(default_factory=dict)
    seen: dict[str, Array] = field(default_factory=dict)


class LocalObjective(ABC):
    """A loss of one block's activities, asked block by block. Its subclasses below say which rows it is to be shown.

    family  what a record calls the method
    norm    how blocks hand on their activities where a network's description leaves that to the trainer, and None
            where the objective does not mind
    """

    family: ClassVar[str]
    norm: ClassVar[Literal["length", "batch", "group", "none"] | None] = None

    def check(self, shape: Shape, n_classes: int) -> None:  # noqa: B027 - most losses are defined everywhere
        """Raise UsageError where the loss is not defined for a block's activities of `shape`, or so many classes."""

    def parameters(self, shape: Shape, n_classes: int, ops: Backend, rng: np.random.Generator) -> dict[str, Array]:
        """The objective's own parameters for such a block, which the block's optimizer trains with the block's."""
        return {}

    def start(self, shape: Shape, ops: Backend) -> dict[str, Array]:
        """The objective's state for such a block: what it remembers between steps beside its parameters."""
        return {}

    def flops(self, shape: Shape, own: dict[str, Array]) -> int:
        """Floating-point operations of one row forward through its own parameters."""
        return 2 * sum(int(p.size) for p in own.values() if p.ndim > 1)

    @abstractmethod
    def __call__(self, h: Array, rows: Rows, state: dict[str, Array], ctx: Ctx) -> Signal:
        """Loss and gradients for activities h (rows, *shape); `state` holds the parameters too, and may be updated."""


class PairObjective(LocalObjective):
    """Asked of images that carry a label: positive rows their own, negative rows a wrong one.

    paired  whether each positive row is compared with its image's negative one, so that both must be in one pass
    """

    family = "forward_forward"
    paired: ClassVar[bool] = False

    @abstractmethod
    def evidence(self, h: Array, state: dict[str, Array], ctx: Ctx) -> Array:
        """How much each row of h looks like a positive one, (rows,): what a readout compares between labels."""


class ClassObjective(LocalObjective):
    """Asked of images as they are, with their labels as targets."""

    family = "local_supervised"

    @abstractmethod
    def evidence(self, h: Array, n_classes: int, state: dict[str, Array], ctx: Ctx) -> Array:
        """How much each row of h looks like each of the K classes, (rows, K), in one pass."""


class ContrastObjective(LocalObjective):
    """Asked of images and other images, without labels: positive rows [x, x], negative rows [x, x']."""

    family = "self_supervised"
