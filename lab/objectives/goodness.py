"""Goodness: how much activity a block has, and the logistic objective that asks for more of it on positive rows."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

from lab.backend import Array, Backend, Shape
from lab.errors import UsageError
from lab.layers import Ctx
from lab.objectives.base import PairObjective, Rows, Signal
from lab.objectives.cells import Cells, Where, check_groups, check_where
from lab.registry import register
from lab.schema import check


@register("objective", "goodness")
@dataclass(frozen=True)
class Goodness(PairObjective):
    """Positive rows are to have more goodness g than a threshold, negative rows less (Hinton 2022).

        g = sum_j h_j^2   (of = squares) or sum_j h_j (of = activity), divided by the width n where reduce = mean
        p = sigmoid(s (g - theta) / T)         s = 1 for aim = maximise, -1 for minimise
        L = (T/2N) (sum over positive rows of -log p + sum over negative rows of -log(1 - p)),   N images
        dL/dg = -s (1 - p) / 2N on positive rows, s p / 2N on negative ones; dg/dh = 2h or 1, over n where mean

    so that with squares, sum and maximise the gradient is -(1 - p) h / N on positive rows and p h / N on negative ones.

    where        row: g of all units of the row together; position, step: of the channels at each pixel (C, H, W), of
                 the units at each step (T, F), where L is the mean over them; last: of the last step alone. Steps that
                 do not exist do not count. n is the number of units summed over
    groups       the channels or units fall into so many equal groups in order, each with a g and a loss of its own,
                 whose mean is L
    theta        "auto" is n (sum) or 1 (mean): unit mean square; half of that for activity, which is smaller
    temperature  T, in the units of g
    peer         strength of peer normalisation: peer (mean_j(m_j) - m_j) / N is added to the ascent direction of every
                 positive row's pre-activation, not gated by the activation; m_j is a running mean of unit j's activity
                 over positive rows, m <- peer_momentum m + (1 - peer_momentum) batch mean, from 0.5, updated before
                 use. It keeps units from dying and from being always on (Hinton 2022; the form
                 is that of the author's program). It is a direction, not the gradient of a loss, and not in L.
    """

    of: Literal["squares", "activity"] = "squares"
    reduce: Literal["sum", "mean"] = "sum"
    aim: Literal["maximise", "minimise"] = "maximise"
    where: Where = "row"
    groups: int = 1
    theta: float | Literal["auto"] = "auto"
    temperature: float = 1.0
    peer: float = 0.03
    peer_momentum: float = 0.9

    def __post_init__(self) -> None:
        check(self)
        if not self.temperature > 0:
            raise UsageError(f"goodness needs temperature > 0, got temperature={self.temperature}")
        if self.groups < 1:
            raise UsageError(f"goodness needs groups >= 1, got groups={self.groups}")
        if not 0 <= self.peer_momentum < 1:
            raise UsageError(f"goodness needs 0 <= peer_momentum < 1, got peer_momentum={self.peer_momentum}")

    def check(self, shape: Shape, n_classes: int) -> None:
        check_where("goodness", self.where, shape)
        check_groups("goodness", self.groups, shape, "groups")

    def start(self, shape: Shape, ops: Backend) -> dict[str, Array]:
        if not self.peer:
            return {}
        mean = ops.empty((prod(shape),), kind="optimizer")
        mean[...] = 0.5
        return {"mean_activity": mean}

    def __call__(self, h: Array, rows: Rows, state: dict[str, Array], ctx: Ctx) -> Signal:
        ops, n = ctx.ops, max(1, rows.n)
        cells, g = self._goodness(h, ctx)
        # the loss of each cell with T = 1, and s (tanh - 1), which is four times dL/dg where N = 1
        losses, slope = ops.logistic_loss(g, self.threshold(cells.size), self._sign / self.temperature, rows.negative)
        loss = (losses * cells.share).sum() * (self.temperature / 2 / n)
        slope *= cells.share * (self._sign * (2 if self.of == "squares" else 1) / (4 * n))
        if self.reduce == "mean":
            slope /= cells.size
        dh = cells.over(h, slope, self.of == "squares", ops)
        seen = {}
        if rows.n:
            of_row = cells.by_row(g)
            seen = {
                f"goodness_{name}": of_row[part].mean()
                for name, part in (("positive", rows.positive), ("negative", rows.negative))
                if part.stop > part.start
            }
        return Signal(loss, dh, self._peers(h, rows, state), seen=seen)

    def evidence(self, h: Array, state: dict[str, Array], ctx: Ctx) -> Array:
        """s g for each row of h, the mean over its cells: the more, the more it looks like a positive row."""
        cells, g = self._goodness(h, ctx)
        return cells.by_row(g) * self._sign

    def probability(self, h: Array, state: dict[str, Array], ctx: Ctx) -> Array:
        """p for each row of h, the mean over its cells: how likely the block holds it to be a positive one."""
        cells, g = self._goodness(h, ctx)
        u = (g - self.threshold(cells.size)) * (self._sign / self.temperature)
        return cells.by_row((1 + ctx.ops.xp.tanh(u / 2)) / 2)

    def _goodness(self, h: Array, ctx: Ctx) -> tuple[Cells, Array]:
        """The cells, and g of each: (N, groups, places)."""
        cells = Cells.of(h, self.where, self.groups, ctx.mask, ctx.ops)
        g = cells.squares(ctx.ops) if self.of == "squares" else cells.activity()
        return cells, g / cells.size if self.reduce == "mean" else g

    def threshold(self, size: Array | int) -> Array | float:
        """theta for cells of `size` units."""
        if self.theta != "auto":
            return float(self.theta)
        return (size if self.reduce == "sum" else 1.0) * (1.0 if self.of == "squares" else 0.5)

    @property
    def _sign(self) -> float:
        return 1.0 if self.aim == "maximise" else -1.0

    def _peers(self, h: Array, rows: Rows, state: dict[str, Array]) -> tuple[slice, Array] | None:
        positive = h[rows.positive]
        if not self.peer or not len(positive):
            return None
        mean = state["mean_activity"]
        mean *= self.peer_momentum
        mean += positive.reshape(len(positive), prod(h.shape[1:])).mean(axis=0) * (1 - self.peer_momentum)
        return rows.positive, ((mean - mean.mean()) * (self.peer / max(1, rows.n))).reshape(h.shape[1:])
