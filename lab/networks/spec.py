"""What a description of a network is, and what several of them share."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, Literal, Protocol, TypeAlias

from lab.backend import Shape
from lab.errors import UsageError
from lab.layers import BatchNorm, GroupNorm, Init, LabelInput, LabelMode, Layer, LengthNorm
from lab.networks.block import Source
from lab.networks.network import Network

Norm: TypeAlias = Literal["length", "batch", "group", "none"]
Groups: TypeAlias = int | Literal["classes"]
Elementwise: TypeAlias = Literal["relu", "leaky_relu", "sigmoid", "tanh", "swish", "identity"]  # activations of images


@dataclass(frozen=True)
class Defaults:
    """What a trainer puts where a description says "auto"."""

    norm: Norm
    init: Init
    top_down: bool = False


class NetworkSpec(Protocol):
    """Anything that makes a Network for inputs of a shape; "auto" options are the trainer's to fill."""

    def make(self, in_shape: Shape, n_outputs: int, defaults: Defaults) -> Network: ...


@dataclass(frozen=True)
class Norms:
    """The norms of a network, by the word in its description.

    length  LengthNorm of the input, over the whole row, and of what each block passes on, over `axes` (None: all)
    batch   BatchNorm before each block's activation, inside the block: its gamma and beta are the block's own
    group   GroupNorm without parameters of what each block passes on: mean and length of each of `groups` stretches of
            units or channels are taken out, so that other blocks see nothing of an objective asked of a stretch
    none    none
    """

    name: Norm
    groups: int = 1
    axes: tuple[int, ...] | None = None

    def of_input(self) -> Layer | None:
        """The norm of the network's input."""
        return LengthNorm() if self.name == "length" else None

    def inside(self) -> list[Layer]:
        """What stands between a block's linear layer and its activation."""
        return [BatchNorm()] if self.name == "batch" else []

    def passed_on(self, whole: bool = False) -> Layer | None:
        """A block's own norm; `whole`: over the whole row in spite of `axes`, where the block's rows have none."""
        if self.name == "length":
            return LengthNorm(None if whole else self.axes)
        return GroupNorm(self.groups, affine=False) if self.name == "group" else None

    @property
    def bias(self) -> bool:
        """Whether a linear layer has a bias: BatchNorm would subtract it again, and brings its own."""
        return self.name != "batch"


def read_by(i: int) -> tuple[Source, ...]:
    """What block i, counted from 0, of a stack reads: the block before it, or the input."""
    return (Source("input" if i == 0 else f"block{i}"),)


def read_above(i: int, depth: int) -> Source:
    """What block i, counted from 0, of a stack of `depth` reads from above: the next block, or the clamped label."""
    return Source("label" if i == depth - 1 else f"block{i + 2}", delay=1)


def clamped_label(n_outputs: int, scale: float) -> LabelInput:
    """The label clamped above the last block: `scale` times one of unit mean square, as what blocks pass on has."""
    return LabelInput("clamp", scale=scale * n_outputs**0.5)


def check_top_down(name: str, norm: str, label: str) -> None:
    """Raise UsageError where such options do not go with top-down connections."""
    if norm == "batch":
        raise UsageError(f"{name} top_down=true has no place for norm=batch, which is inside a pass; use norm=length")
    if label not in ("auto", "clamp"):
        raise UsageError(f"{name} top_down=true clamps the label above the blocks; use label=auto, got label={label}")


def count_of(groups: Groups, n_outputs: int) -> int:
    """How many groups: a number, or one for each class (or target)."""
    return n_outputs if groups == "classes" else groups


def one_each(value: Any, depth: int, name: str) -> list[Any]:
    """`value` for each of `depth` blocks, or its entries where it is a list. Raises UsageError on a misfit."""
    if not isinstance(value, list | tuple):
        return [value] * depth
    if len(value) != depth:
        raise UsageError(f"{name}={list(value)} has {len(value)} entries for {depth} blocks; give one, or {depth}")
    return list(value)


def flat_label(label: str, in_shape: Shape, n_outputs: int) -> LabelMode:
    """Where the label of a fully connected network goes, "auto" decided by the shape of its rows.

    Over the first pixels of an image (C, H, W), which has a border; a sequence (T, F) would lose its first step.
    """
    if label == "auto":
        return "pixels" if len(in_shape) == 3 and prod(in_shape) >= 4 * n_outputs else "features"
    return "pixels" if label == "pixels" else "features"
