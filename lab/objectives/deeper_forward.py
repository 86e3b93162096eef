"""DeeperForward: the mean activity of class groups, which a block does not pass on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lab.objectives.class_groups import ClassGroups
from lab.registry import register


@register("objective", "deeper_forward")
@dataclass(frozen=True)
class DeeperForward(ClassGroups):
    """Groups of units compete for their class by mean activity (Sun et al., ICLR 2025).

        g_k = mean of h over group k and all positions, h behind a relu;   L = cross-entropy(scale g, y)

    A description with norm=auto passes on GroupNorm(h; K groups) under this objective: the mean of each group, which is
    g, is taken out exactly, so that the next block has to find out for itself. A mean, unlike a sum of squares, has the
    same gradient for every active unit, and so many of them stay active.
    """

    squares: ClassVar[bool] = False
    norm: ClassVar = "group"
