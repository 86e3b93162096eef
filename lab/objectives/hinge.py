"""Hinge loss: the true class is to beat every other one by a margin."""

from __future__ import annotations

from dataclasses import dataclass

from lab.backend import Array, Backend
from lab.errors import UsageError
from lab.layers import Ctx, Softmax
from lab.objectives.base import require_labels
from lab.registry import register
from lab.schema import check


@register("objective", "hinge")
@dataclass(frozen=True)
class Hinge:
    """L = (1/N) sum_n v_n with v = max(0, margin + max_{j != y} o_j - o_y) for outputs o (N, K), labels y (N,).

    The multi-class form of Crammer and Singer (JMLR 2, 2001): only the strongest rival r counts, and dL/do is 1/N at r
    and -1/N at y where v > 0, else 0. With `squared` each v is squared, and its gradient 2v times as large. With a
    linear network and optimizer.l2 this is the linear support vector machine. The outputs are scores and no log odds:
    their softmax, given as probabilities, has the right order and is not calibrated.
    """

    margin: float = 1.0
    squared: bool = False

    def __post_init__(self) -> None:
        check(self)
        if not self.margin > 0:
            raise UsageError(f"hinge needs margin > 0, got margin={self.margin}")

    def outputs(self, task: str, n: int) -> int:
        return require_labels("hinge", task, n)

    def __call__(self, output: Array, target: Array, ops: Backend) -> tuple[Array, Array]:
        xp, n, rows = ops.xp, max(1, len(output)), ops.xp.arange(len(output))
        d = ops.empty(output.shape)
        d[...] = output
        d[rows, target] = -xp.inf
        rival = d.argmax(axis=1)
        v = xp.maximum(0, self.margin + d[rows, rival] - output[rows, target])
        slope = 2 * v if self.squared else (v > 0).astype(ops.dtype)
        d[...] = 0
        d[rows, rival] = slope / n
        d[rows, target] = slope / -n
        return (v * v if self.squared else v).sum() / n, d

    def probabilities(self, output: Array, ops: Backend) -> Array:
        return Softmax().forward(output, Ctx(ops))[0]
