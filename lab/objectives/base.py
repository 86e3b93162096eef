"""What an objective is: a loss of a network's output, or of one block's activities."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from lab.backend import Array, Backend, Shape
from lab.errors import UsageError


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
    """Which rows of a block's activities are what: `n` images, each seen with its own label and with another one."""

    n: int
    positive: slice
    negative: slice


@dataclass(frozen=True)
class Signal:
    """What a local objective says to its block.

    loss  0-d, the mean over images; dh the gradient with respect to the activities h.
    dz    (rows, value), added to the gradient behind the block's last activation, which does not gate it.
    seen  0-d figures worth recording, e.g. the mean goodness of positive rows.
    """

    loss: Array
    dh: Array
    dz: tuple[slice, Array] | None = None
    seen: dict[str, Array] = field(default_factory=dict)


class LocalObjective(Protocol):
    """A loss of one block's activities, asked block by block."""

    def start(self, shape: Shape, ops: Backend) -> dict[str, Array]:
        """The objective's state for a block whose activities have `shape`."""
        ...

    def __call__(self, h: Array, rows: Rows, state: dict[str, Array], ops: Backend) -> Signal:
        """Loss and gradient for activities h (rows, *shape); may update `state` in place."""
        ...

    def evidence(self, h: Array, ops: Backend) -> Array:
        """How much each row of h looks like a positive one, (rows,): what a readout compares between labels."""
        ...
