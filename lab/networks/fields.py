"""Local fields: like a convolutional network's, but every position of the image has weights of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lab.backend import Shape
from lab.errors import UsageError
from lab.layers import (
    Dense,
    Dropout,
    Flatten,
    LabelInput,
    LocallyConnected2D,
    Sequential,
    activation,
)
from lab.networks.block import Block
from lab.networks.convolutional import require_images
from lab.networks.network import Network
from lab.networks.spec import Defaults, Elementwise, Norms, one_each, read_by
from lab.registry import register
from lab.schema import check


@register("model", "local_fields")
@dataclass(frozen=True)
class LocalFields:
    """A block for each entry of `channels`: fields without shared weights, norm if inside, activation; a linear head.

    The defaults are those of Hinton 2022, section 3.2, for 28x28 images: a 4x4 grid of 10x10 fields with 128 channels,
    a 3x3 grid of 2x2 fields with 220, and a 2x2 grid of 2x2 fields with 512.

    channels     output channels at each position of each block
    kernel, stride, padding  one for all blocks, or a list with one each
    norm         length | batch | none | auto: as in mlp; batch is over rows and positions of a channel
    where        row | position: the length that length divides out is that of the whole row, or of the channels at each
                 position; to be the same as what an objective sums over
    init, dropout  as in mlp
    label        pixels | channels | pattern | auto: as in LabelInput; auto is pixels, which the fields at the upper
                 left alone see at once
    label_scale  what the numbers that stand for a label are multiplied by
    """

    channels: tuple[int, ...] = (128, 220, 512)
    kernel: int | tuple[int, ...] = (10, 2, 2)
    stride: int | tuple[int, ...] = (6, 1, 1)
    padding: int | tuple[int, ...] = 0
    activation: Elementwise = "relu"
    norm: Literal["auto", "length", "batch", "none"] = "auto"
    where: Literal["row", "position"] = "row"
    init: Literal["auto", "lecun", "he", "glorot"] = "auto"
    dropout: float = 0.0
    label: Literal["auto", "pixels", "channels", "pattern"] = "auto"
    label_scale: float = 1.0

    def __post_init__(self) -> None:
        check(self)
        if not self.channels or min(self.channels) < 1:
            raise UsageError(f"local_fields needs blocks of at least 1 channel, got channels={list(self.channels)}")
        for name in ("kernel", "stride", "padding"):
            one_each(getattr(self, name), len(self.channels), name)
        activation(self.activation)
        Dropout(self.dropout)

    def make(self, in_shape: Shape, n_outputs: int, defaults: Defaults) -> Network:
        """The network for images of `in_shape` (C, H, W) and `n_outputs` classes or targets."""
        require_images("local_fields", in_shape)
        depth = len(self.channels)
        norm = defaults.norm if self.norm == "auto" else self.norm
        norms = Norms(norm, axes=None if self.where == "row" else (1,))
        kernels = one_each(self.kernel, depth, "kernel")
        strides, paddings = one_each(self.stride, depth, "stride"), one_each(self.padding, depth, "padding")
        blocks = []
        for i, channels in enumerate(self.channels):
            fields = LocallyConnected2D(
                channels,
                kernels[i],
                stride=strides[i],
                padding=paddings[i],
                init=defaults.init if self.init == "auto" else self.init,
                bias=norms.bias,
            )
            before = [Dropout(self.dropout)] if self.dropout and i else []
            body = Sequential([*before, fields, *norms.inside()])
            blocks.append(Block(f"block{i + 1}", body, activation(self.activation), norms.passed_on(), read_by(i)))
        return Network(
            blocks,
            Sequential([Flatten(), *([Dropout(self.dropout)] if self.dropout else []), Dense(n_outputs)]),
            input_norm=norms.of_input(),
            label_input=LabelInput("pixels" if self.label == "auto" else self.label, scale=self.label_scale),
            name="local_fields",
            label="local fields " + "-".join(map(str, self.channels)),
        )


local_fields = LocalFields
