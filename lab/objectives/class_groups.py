"""One group of units for each class: what objectives without negatives take goodness of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lab.backend import Array, Shape
from lab.errors import UsageError
from lab.layers import Ctx
from lab.objectives.base import ClassObjective, Rows, Signal
from lab.objectives.cells import Cells, check_groups
from lab.objectives.losses import CrossEntropy
from lab.schema import check


@dataclass(frozen=True)
class ClassGroups(ClassObjective):
    """L = cross-entropy(scale g, y): the group of an image's own class is to have most goodness.

    The K groups are neighbouring channels of images (C, H, W), or units of steps (T, F) and rows (F,). g_k is the mean,
    over the units of group k and all positions, or all steps that exist, of their squares or of the activities.
    dL/dg = scale (softmax(scale g) - onehot(y)) / N; dg_k/dh is 2 h / n or 1 / n for the n activities of group k.

    scale  what goodness is multiplied by before its softmax: 1 in the papers; more makes a softmax of goodnesses of the
           order of 1 sharp in fewer steps
    """

    family: ClassVar[str] = "forward_forward"
    squares: ClassVar[bool]

    scale: float = 1.0

    def __post_init__(self) -> None:
        check(self)
        if not self.scale > 0:
            raise UsageError(f"{self._name} needs scale > 0, got scale={self.scale}")

    def check(self, shape: Shape, n_classes: int) -> None:
        if n_classes < 2:
            raise UsageError(f"{self._name} needs at least 2 classes to tell apart, got {n_classes}")
        check_groups(self._name, n_classes, shape, "the number of classes")

    def __call__(self, h: Array, rows: Rows, state: dict[str, Array], ctx: Ctx) -> Signal:
        assert rows.target is not None
        cells, g = self._goodness(h, rows.n_classes, ctx)
        loss, d = CrossEntropy()(g, rows.target, ctx.ops)
        slope = d[:, :, None] * (self.scale * (2 if self.squares else 1)) / cells.size
        right = (g.argmax(axis=1) == rows.target).mean() if len(g) else loss * 0
        return Signal(loss, cells.over(h, slope, self.squares, ctx.ops), seen={"accuracy": right})

    def evidence(self, h: Array, n_classes: int, state: dict[str, Array], ctx: Ctx) -> Array:
        return self._goodness(h, n_classes, ctx)[1]

    def _goodness(self, h: Array, n_classes: int, ctx: Ctx) -> tuple[Cells, Array]:
        """The cells, one a group, and scale g: (N, K)."""
        cells = Cells.of(h, "row", n_classes, ctx.mask, ctx.ops)
        amount = cells.squares(ctx.ops) if self.squares else cells.activity()
        return cells, (amount / cells.size)[:, :, 0] * self.scale

    @property
    def _name(self) -> str:
        return type(self).__name__
