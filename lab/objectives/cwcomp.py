"""CwComp: channel-wise competition of class groups, by their squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lab.objectives.class_groups import ClassGroups
from lab.registry import register


@register("objective", "cwcomp")
@dataclass(frozen=True)
class CwComp(ClassGroups):
    """Groups of channels compete for their class (Papachristodoulou et al., AAAI 2024, arXiv 2312.12668).

        g_k = mean of h^2 over group k and all positions,   L = cross-entropy(scale g, y)

    No negative rows, one pass to answer. The published networks standardise the channels of each block over the batch,
    which is what a description with norm=auto does under this objective.
    """

    squares: ClassVar[bool] = True
    norm: ClassVar = "batch"
