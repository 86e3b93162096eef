"""Local fields: like a convolutional network's, but every position of the image has weights of its own."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

from lab.backend import Shape
from lab.backend.windows import Windows
from lab.errors import UsageError
from lab.layers import (
    Center,
    Dense,
    Dropout,
    Flatten,
    Init,
    LabelInput,
    Layer,
    LocallyConnected2D,
    Sequential,
    Unflatten,
    activation,
)
from lab.networks.block import Block
from lab.networks.convolutional import require_images
from lab.networks.network import Network
from lab.networks.spec import (
    Defaults,
    Elementwise,
    Norms,
    check_top_down,
    clamped_label,
    one_each,
    read_above,
    read_by,
)
from lab.registry import register
from lab.schema import check

GEOMETRY = ("kernel", "stride", "padding")  # one for all blocks, or one each


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
    label_scale  what the numbers that stand for a label are multiplied by; a clamped one has unit mean square before
    center       whether the mean of each image is subtracted, as in mlp
    top_down     true, false, or auto, the trainer's: whether each block also reads, by fields of its own kernel, the
                 last state of the block above, and the last block, whole, the label, as in mlp. All maps must have the
                 image's height and width, so that a field lies at the same place above and below (Hinton 2022,
                 section 4: 3 channels of 32x32 under 11x11 fields)
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
    center: bool = False
    top_down: bool | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        check(self)
        if not self.channels or min(self.channels) < 1:
            raise UsageError(f"local_fields needs blocks of at least 1 channel, got channels={list(self.channels)}")
        for name in GEOMETRY:
            one_each(getattr(self, name), len(self.channels), name)
        activation(self.activation)
        Dropout(self.dropout)

    def make(self, in_shape: Shape, n_outputs: int, defaults: Defaults) -> Network:
        """The network for images of `in_shape` (C, H, W) and `n_outputs` classes or targets."""
        require_images("local_fields", in_shape)
        depth = len(self.channels)
        norm = defaults.norm if self.norm == "auto" else self.norm
        top_down = defaults.top_down if self.top_down == "auto" else self.top_down
        if top_down:
            check_top_down("local_fields", norm, self.label)
        norms = Norms(norm, axes=None if self.where == "row" else (1,))
        init = defaults.init if self.init == "auto" else self.init
        blocks = []
        for i in range(depth):
            bodies: list[Layer] = [self._below(i, init, norms), *([self._above(i, in_shape, init)] if top_down else [])]
            sources = (*read_by(i), *([read_above(i, depth)] if top_down else []))
            blocks.append(Block(f"block{i + 1}", bodies, activation(self.activation), norms.passed_on(), sources))
        written = LabelInput("pixels" if self.label == "auto" else self.label, scale=self.label_scale)
        return Network(
            blocks,
            Sequential([Flatten(), *([Dropout(self.dropout)] if self.dropout else []), Dense(n_outputs)]),
            input_norm=norms.of_input(),
            center=Center() if self.center else None,
            label_input=clamped_label(n_outputs, self.label_scale) if top_down else written,
            name="local_fields",
            label="local fields " + "-".join(map(str, self.channels)) + (" top-down" if top_down else ""),
        )

    def _geometry(self, i: int) -> tuple[int, int, int]:
        """Kernel, stride and padding of block i, counted from 0."""
        depth = len(self.channels)
        kernel, stride, padding = (one_each(getattr(self, name), depth, name)[i] for name in GEOMETRY)
        return kernel, stride, padding

    def _fields(self, i: int, init: Init, bias: bool) -> Layer:
        kernel, stride, padding = self._geometry(i)
        return LocallyConnected2D(self.channels[i], kernel, stride=stride, padding=padding, init=init, bias=bias)

    def _below(self, i: int, init: Init, norms: Norms) -> Layer:
        """How block i reads what lies below it."""
        before = [Dropout(self.dropout)] if self.dropout and i else []
        return Sequential([*before, self._fields(i, init, norms.bias), *norms.inside()])

    def _above(self, i: int, in_shape: Shape, init: Init) -> Layer:
        """How block i reads what lies above it. Raises UsageError where its map is not of the image's size."""
        size = Windows.fit("LocallyConnected2D", in_shape, *self._geometry(i)).out
        if size != in_shape[1:]:
            high, wide = in_shape[1:]
            raise UsageError(
                f"local_fields top_down=true needs maps of the image's {high}x{wide}, but block{i + 1} has "
                f"{size[0]}x{size[1]}; use odd kernels, stride=1 and padding=(kernel - 1)/2"
            )
        if i < len(self.channels) - 1:
            return self._fields(i, init, bias=False)
        shape = (self.channels[i], *size)
        return Sequential([Dense(prod(shape), init=init, bias=False), Unflatten(shape)])


local_fields = LocalFields
