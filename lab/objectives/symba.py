"""SymBa: the goodness of an image with its label against that of the same image with a wrong one, no threshold."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from lab.backend import Array, ScaledRows
from lab.errors import UsageError
from lab.layers import Ctx
from lab.objectives.base import PairObjective, Rows, Signal
from lab.registry import register
from lab.schema import check


@register("objective", "symba")
@dataclass(frozen=True)
class SymBa(PairObjective):
    """Each positive row is to have more goodness than its image's negative row (Lee and Song 2023, arXiv 2303.08418).

        g = mean_j h_j^2,   L = (1/N) sum_n softplus(-alpha (g+_n - g-_n))
        dL/dg+_n = -dL/dg-_n = -(alpha/N) sigmoid(-alpha (g+_n - g-_n)),   dg/dh = 2 h / width

    The two sides weigh alike whatever the level of goodness, and no threshold has to be chosen.
    """

    paired: ClassVar[bool] = True

    alpha: float = 4.0

    def __post_init__(self) -> None:
        check(self)
        if not self.alpha > 0:
            raise UsageError(f"symba needs alpha > 0, got alpha={self.alpha}")

    def __call__(self, h: Array, rows: Rows, state: dict[str, Array], ctx: Ctx) -> Signal:
        xp, n = ctx.ops.xp, max(1, rows.n)
        g = self.evidence(h, state, ctx)
        u = (g[rows.positive] - g[rows.negative]) * self.alpha
        loss = xp.logaddexp(0, -u).sum() / n
        pull = (xp.tanh(u / 2) - 1) * (self.alpha / n / max(1, prod(h.shape[1:])))  # -2 sigmoid(-u), cannot overflow
        slope = xp.empty_like(g)
        slope[rows.positive], slope[rows.negative] = pull, -pull
        if not rows.n:  # no rows have no mean
            return Signal(loss, ScaledRows(h, slope))
        seen = {"goodness_positive": g[rows.positive].mean(), "goodness_negative": g[rows.negative].mean()}
        return Signal(loss, ScaledRows(h, slope), seen=seen)

    def evidence(self, h: Array, state: dict[str, Array], ctx: Ctx) -> Array:
        """g for each row of h."""
        flat = h.reshape(len(h), prod(h.shape[1:]))
        found: Array = ctx.ops.row_squares(flat) / max(1, flat.shape[1])
        return found
