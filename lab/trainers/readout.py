"""How a network that was trained without an output layer answers: what is read of which blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from lab.errors import UsageError
from lab.networks import Block, Network
from lab.optimizers import SGD
from lab.registry import register
from lab.schema import check

Blocks: TypeAlias = tuple[int, ...] | Literal["auto", "all", "last"]
HeadMode: TypeAlias = Literal["stored", "recomputed", "per_block", "none"]


def counted(blocks: Blocks, network: Network) -> list[Block]:
    """The blocks that `blocks` names. Raises UsageError where one does not exist."""
    depth = len(network.blocks)
    if blocks == "auto":
        return network.blocks[1:] if depth > 1 and not network.delayed else network.blocks
    if blocks == "all":
        return network.blocks
    if blocks == "last":
        return network.blocks[-1:]
    wrong = [b for b in blocks if not 1 <= b <= depth]
    if wrong or not blocks:
        raise UsageError(f"readout.blocks={list(blocks)} does not fit {depth} blocks; use 1 to {depth}")
    return [network.blocks[b - 1] for b in sorted(set(blocks))]


@register("readout", "ff")
@dataclass(frozen=True)
class Readout:
    """How a forward-forward network answers; both readouts are evaluated, `answer` says which one predicts.

    answer  goodness: each label is put into the input in turn, and the one with most goodness wins: K passes
            softmax: the head's probabilities under the neutral label: one pass
            shortlist: goodness decides between the labels that the head finds most probable: 1 + shortlist passes
    shortlist  how many labels those are; 1 is softmax, as many as there are classes is goodness
    head    how the softmax head learns. stored: the neutral pass keeps the normalised activities; recomputed: it runs
            again, so that none are kept; per_block: every block has a softmax of its own, and their probabilities are
            averaged; none: no head, which leaves no hard negatives
    blocks  the blocks that both readouts count: auto (all but the first where there are several; all where labels come
            from above), all, last, or their numbers from 1
    learning_rate, momentum, weight_decay  of the head, whose gradient is averaged as in the recipe
    """

    answer: Literal["goodness", "softmax", "shortlist"] = "goodness"
    shortlist: int = 3
    head: HeadMode = "stored"
    blocks: Blocks = "auto"
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.003

    def __post_init__(self) -> None:
        check(self)
        if self.answer != "goodness" and self.head == "none":
            raise UsageError(f"answer={self.answer} needs a head; choose head=stored, recomputed or per_block")
        if self.shortlist < 1:
            raise UsageError(f"shortlist={self.shortlist} leaves no label to answer with; use 1 or more")
        SGD(self.learning_rate, self.momentum, self.momentum, self.weight_decay)

    def by(self, n_outputs: int) -> Literal["goodness", "softmax", "shortlist"]:
        """How K classes are told apart: a list of one is the head's answer, a list of all that of goodness."""
        if self.answer != "shortlist" or 1 < self.shortlist < n_outputs:
            return self.answer
        return "softmax" if self.shortlist == 1 else "goodness"

    def counted(self, network: Network) -> list[Block]:
        """The blocks that the readouts count. Raises UsageError where one does not exist."""
        return counted(self.blocks, network)


@register("readout", "evidence")
@dataclass(frozen=True)
class EvidenceReadout:
    """The class with most evidence wins, summed over blocks: one pass, nothing to train.

    blocks  those that count: all, last, auto (all but the first where there are several), or their numbers from 1
    """

    blocks: Blocks = "all"

    def __post_init__(self) -> None:
        check(self)

    def counted(self, network: Network) -> list[Block]:
        """The blocks that count. Raises UsageError where one does not exist."""
        return counted(self.blocks, network)


@register("readout", "linear")
@dataclass(frozen=True)
class LinearReadout:
    """A softmax on the normalised activities of blocks that know nothing of it, trained beside them: one pass.

    All options as in Readout.
    """

    head: Literal["stored", "recomputed", "per_block"] = "stored"
    blocks: Blocks = "all"
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.003

    def __post_init__(self) -> None:
        check(self)
        SGD(self.learning_rate, self.momentum, self.momentum, self.weight_decay)

    def counted(self, network: Network) -> list[Block]:
        """The blocks that are read. Raises UsageError where one does not exist."""
        return counted(self.blocks, network)
