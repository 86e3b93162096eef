"""Networks by name: descriptions that fit any data set, made into a Network when a trainer meets one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal, Protocol

from lab.backend import Shape
from lab.errors import UsageError
from lab.layers import ActivationName, Dense, Dropout, Flatten, Init, LabelInput, LengthNorm, Sequential, activation
from lab.networks.block import Block, Source
from lab.networks.network import Network
from lab.registry import register
from lab.schema import check


@dataclass(frozen=True)
class Defaults:
    """What a trainer puts where a description says "auto"."""

    norm: Literal["length", "none"]
    init: Init


class NetworkSpec(Protocol):
    """Anything that makes a Network for inputs of a shape; "auto" options are the trainer's to fill."""

    def make(self, in_shape: Shape, n_outputs: int, defaults: Defaults) -> Network: ...


@register("model", "mlp")
@dataclass(frozen=True)
class MLP:
    """`depth` hidden layers of `width` units, fully connected, one block each, and a linear head.

    norm     length | none | auto: rows to unit mean square at the input and between blocks
    init     lecun | he | glorot | auto: the hidden layers' weights (the head's: lecun; biases start at 0)
    dropout  rate at every block's input but the first
    label    pixels | features | auto: where a label goes if a trainer writes one into the input; auto is pixels for
             images that have room for it and features for flat rows
    """

    depth: int = 3
    width: int = 500
    activation: ActivationName = "relu"
    norm: Literal["auto", "length", "none"] = "auto"
    init: Literal["auto", "lecun", "he", "glorot"] = "auto"
    dropout: float = 0.0
    label: Literal["auto", "pixels", "features"] = "auto"

    def __post_init__(self) -> None:
        check(self)
        if self.depth < 1 or self.width < 1:
            raise UsageError(f"mlp needs depth and width of at least 1, got depth={self.depth} width={self.width}")
        activation(self.activation)
        Dropout(self.dropout)

    def make(self, in_shape: Shape, n_outputs: int, defaults: Defaults) -> Network:
        """The network for rows of `in_shape` and `n_outputs` classes or targets."""
        return stack(
            (self.width,) * self.depth,
            n_outputs,
            act=self.activation,
            normed=(defaults.norm if self.norm == "auto" else self.norm) == "length",
            init=defaults.init if self.init == "auto" else self.init,
            dropout=self.dropout,
            label_input=LabelInput(_label_mode(self.label, in_shape, n_outputs)),
            label=f"mlp {self.depth}x{self.width}",
        )


def stack(
    widths: Sequence[int],
    n_outputs: int,
    *,
    act: ActivationName,
    normed: bool,
    init: Init,
    dropout: float,
    label_input: LabelInput,
    label: str,
) -> Network:
    """Fully connected blocks of `widths` units, each reading the one before it, and a linear head."""
    blocks = []
    for i, width in enumerate(widths):
        body = [Dropout(dropout)] if dropout and i else []
        source = Source("input" if i == 0 else f"block{i}")
        blocks.append(
            Block(
                f"block{i + 1}",
                Sequential([*body, *([Flatten()] if i == 0 else []), Dense(width, init=init)]),
                activation(act),
                LengthNorm() if normed else None,
                (source,),
            )
        )
    return Network(
        blocks,
        Sequential([*([Dropout(dropout)] if dropout else []), Dense(n_outputs)]),
        input_norm=LengthNorm() if normed else None,
        label_input=label_input,
        name="mlp",
        label=label,
    )


@register("model", "linear")
@dataclass(frozen=True)
class Linear:
    """One linear map from input to outputs: linear regression under squared error, logistic under cross-entropy."""

    def make(self, in_shape: Shape, n_outputs: int, defaults: Defaults) -> Network:
        """The network for rows of `in_shape` and `n_outputs` classes or targets."""
        return Network([], Sequential([Flatten(), Dense(n_outputs, init="zeros")]), name="linear", label="linear")


def _label_mode(label: str, in_shape: Shape, n_outputs: int) -> Literal["pixels", "features"]:
    if label == "auto":
        return "pixels" if len(in_shape) > 1 and prod(in_shape) >= 4 * n_outputs else "features"
    return "pixels" if label == "pixels" else "features"


mlp = MLP
linear = Linear
