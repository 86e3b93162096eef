"""Self-contrastive goodness: an image with itself against an image with another one, without labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from lab.backend import Array, Shape
from lab.errors import UsageError
from lab.layers import Ctx
from lab.objectives.base import ContrastObjective, Rows, Signal
from lab.objectives.cells import Cells, Where, check_where
from lab.registry import register
from lab.schema import check


@register("objective", "self_contrast")
@dataclass(frozen=True)
class SelfContrast(ContrastObjective):
    """Goodness is to be high for [x, x] and low for [x, x'] (Chen et al., Nature Communications 2025).

        g = mean of h^2 over the units of a cell
        L = (1/N) sum over positive rows of (softplus(theta_positive - g) + penalty |g|)
          + (1/N) sum over negative rows of softplus(g - theta_negative),   each the mean over a row's cells
        dL/dg = (penalty - sigmoid(theta_positive - g)) / N, or sigmoid(g - theta_negative) / N;   dg/dh = 2 h / units

    theta_positive, theta_negative  1 is the mean square of a normalised row; the paper chooses them for each network
    where  what a cell is, as in goodness: auto is each pixel of an image, each step of a sequence, or the row
    """

    norm: ClassVar = "length"

    theta_positive: float = 1.0
    theta_negative: float = 1.0
    penalty: float = 0.0
    where: Where | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        check(self)
        if self.penalty < 0:
            raise UsageError(f"self_contrast needs penalty >= 0, got penalty={self.penalty}")

    def check(self, shape: Shape, n_classes: int) -> None:
        check_where("self_contrast", self._where(shape), shape)

    def __call__(self, h: Array, rows: Rows, state: dict[str, Array], ctx: Ctx) -> Signal:
        xp, n = ctx.ops.xp, max(1, rows.n)
        cells = Cells.of(h, self._where(h.shape[1:]), 1, ctx.mask, ctx.ops)
        g = cells.squares(ctx.ops) / cells.size
        u = g - self.theta_negative  # every cell wants u small
        u[rows.positive] = self.theta_positive - g[rows.positive]
        terms = xp.logaddexp(0, u)
        terms[rows.positive] += self.penalty * g[rows.positive]
        slope = (1 + xp.tanh(u / 2)) / 2  # sigmoid(u), cannot overflow
        slope[rows.positive] = self.penalty - slope[rows.positive]
        loss = cells.by_row(terms).sum() / n
        slope *= 2 / n / cells.size
        slope *= cells.share
        of_row = cells.by_row(g)
        seen = {
            f"goodness_{name}": of_row[part].mean()
            for name, part in (("positive", rows.positive), ("negative", rows.negative))
            if part.stop > part.start
        }
        return Signal(loss, cells.over(h, slope, True, ctx.ops), seen=seen)

    def _where(self, shape: Shape) -> Where:
        if self.where != "auto":
            return self.where
        finest: dict[int, Where] = {3: "position", 2: "step"}
        return finest.get(len(shape), "row")
