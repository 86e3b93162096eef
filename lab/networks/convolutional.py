"""Convolutional networks: a stack of blocks, each a convolution with what belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from lab.backend import Shape
from lab.errors import UsageError
from lab.layers import (
    AvgPool2D,
    Center,
    Concat,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    Identity,
    LabelInput,
    Layer,
    MaxPool2D,
    Residual,
    Sequential,
    activation,
)
from lab.networks.block import Block
from lab.networks.network import Network
from lab.networks.spec import Defaults, Elementwise, Groups, Norms, count_of, one_each, read_by
from lab.registry import register
from lab.schema import check

RISING = ("relu", "leaky_relu", "sigmoid", "tanh", "identity")  # the largest of f(x) is f of the largest x


@register("model", "cnn")
@dataclass(frozen=True)
class CNN:
    """A block for each entry of `channels`: convolution, norm if inside, activation, pooling; and a linear head.

    channels     output channels of each block
    kernel, stride, padding  one for all blocks, or a list with one each; padding=same keeps the size at stride 1
    groups       of the convolutions, each of which sees its share of the channels alone: a number, or classes for one
                 for each class. The first block, which reads the image, is never grouped
    grouped      all | alternate: all further blocks, or every second one, from the second on (Papachristodoulou et
                 al. 2024), so that the others mix what groups found
    pool         max | avg | none, over windows of `pool_size`; of what the activation answered
    pool_blocks  all, or the blocks that pool, counted from 1
    residual     before the activation, what a block reads is added to what its convolution makes of it; where there are
                 to be more channels, the convolution makes the further ones and both stand side by side, in each of
                 `norm_groups` stretches by itself where these divide the channels. So there are no weights that skip a
                 block (Sun et al. 2025). The first block has none
    norm         length | batch | group | none | auto: as in mlp; group is over stretches of channels
    norm_groups  as in mlp
    where        row | position: the length that length divides out is that of the whole row, or of the channels at each
                 position; to be the same as what an objective sums over
    head         flatten | average: what the linear head reads of the last block
    init, dropout  as in mlp
    label        channels | pattern | pixels | auto: as in LabelInput; auto is channels
    label_scale  what the numbers that stand for a label are multiplied by
    center       true: each image's mean is subtracted before all else; for photographs, which are mostly their mean
    """

    channels: tuple[int, ...] = (32, 64)
    kernel: int | tuple[int, ...] = 3
    stride: int | tuple[int, ...] = 1
    padding: int | Literal["same"] | tuple[int, ...] = "same"
    groups: Groups = 1
    grouped: Literal["all", "alternate"] = "all"
    pool: Literal["max", "avg", "none"] = "max"
    pool_size: int = 2
    pool_blocks: Literal["all"] | tuple[int, ...] = "all"
    residual: bool = False
    activation: Elementwise = "relu"
    norm: Literal["auto", "length", "batch", "group", "none"] = "auto"
    norm_groups: Groups = "classes"
    where: Literal["row", "position"] = "row"
    head: Literal["flatten", "average"] = "flatten"
    init: Literal["auto", "lecun", "he", "glorot"] = "auto"
    dropout: float = 0.0
    label: Literal["auto", "channels", "pattern", "pixels"] = "auto"
    label_scale: float = 1.0
    center: bool = False

    def __post_init__(self) -> None:
        check(self)
        if not self.channels or min(self.channels) < 1:
            raise UsageError(f"cnn needs blocks of at least 1 channel, got channels={list(self.channels)}")
        if self.pool_size < 1:
            raise UsageError(f"cnn needs windows of at least 1 pixel, got pool_size={self.pool_size}")
        depth = len(self.channels)
        for name in ("kernel", "stride", "padding"):
            one_each(getattr(self, name), depth, name)
        if self.pool_blocks != "all" and not all(1 <= block <= depth for block in self.pool_blocks):
            raise UsageError(f"pool_blocks={list(self.pool_blocks)} does not fit {depth} blocks; use 1 to {depth}")
        if self.residual and (max(one_each(self.stride, depth, "stride")[1:], default=1) > 1 or falls(self.channels)):
            raise UsageError(
                f"residual=true adds a block's input, which fits neither stride={self.stride} nor fewer channels "
                f"(channels={list(self.channels)}); use stride 1 behind the first block, and channels that do not fall"
            )
        activation(self.activation)
        Dropout(self.dropout)

    def make(self, in_shape: Shape, n_outputs: int, defaults: Defaults) -> Network:
        """The network for images of `in_shape` (C, H, W) and `n_outputs` classes or targets."""
        require_images("cnn", in_shape)
        norm = defaults.norm if self.norm == "auto" else self.norm
        axes = None if self.where == "row" else (1,)
        norms = Norms(norm, count_of(self.norm_groups, n_outputs), axes)
        blocks, seen = [], 0  # channels that the next block sees
        for i, channels in enumerate(self.channels):
            before = [Dropout(self.dropout)] if self.dropout and i else []
            shared = seen if self.residual and i and channels > seen else 0
            found = [self._convolution(i, channels - shared, n_outputs, defaults, norms), *norms.inside()]
            if shared:
                stretches = norms.groups if shared % norms.groups == channels % norms.groups == 0 else 1
                found = [Concat([Sequential(found), Identity()], groups=stretches)]
            elif self.residual and i:
                found = [Residual(found)]
            body, last = self._answered([*before, *found], i)
            blocks.append(Block(f"block{i + 1}", Sequential(body), last, norms.passed_on(), read_by(i)))
            seen = channels
        reading: list[Layer] = [GlobalAvgPool() if self.head == "average" else Flatten()]
        if self.dropout:
            reading.append(Dropout(self.dropout))
        return Network(
            blocks,
            Sequential([*reading, Dense(n_outputs)]),
            input_norm=norms.of_input(),
            center=Center() if self.center else None,
            label_input=LabelInput("channels" if self.label == "auto" else self.label, scale=self.label_scale),
            name="cnn",
            label="cnn " + "-".join(map(str, self.channels)),
        )

    def _convolution(self, i: int, channels: int, n_outputs: int, defaults: Defaults, norms: Norms) -> Layer:
        depth = len(self.channels)
        return Conv2D(
            channels,
            one_each(self.kernel, depth, "kernel")[i],
            stride=one_each(self.stride, depth, "stride")[i],
            padding=one_each(self.padding, depth, "padding")[i],
            groups=self._groups(i, n_outputs),
            init=defaults.init if self.init == "auto" else self.init,
            bias=norms.bias,
        )

    def _answered(self, body: list[Layer], i: int) -> tuple[list[Layer], Layer]:
        """The body of block i with its pooling, and its last activation.

        The largest of a window is looked for before an activation that rises, which then has fewer numbers to work on;
        the block is the same. A mean is taken of what the activation answered, which thus is inside.
        """
        last = activation(self.activation)
        if self.pool == "none" or (self.pool_blocks != "all" and i + 1 not in self.pool_blocks):
            return body, last
        if self.pool == "max" and self.activation in RISING:
            return [*body, MaxPool2D(self.pool_size)], last
        pool = MaxPool2D(self.pool_size) if self.pool == "max" else AvgPool2D(self.pool_size)
        return [*body, last, pool], Identity()

    def _groups(self, i: int, n_outputs: int) -> int:
        if i == 0 or (self.grouped == "alternate" and i % 2 == 0):
            return 1
        return count_of(self.groups, n_outputs)


def falls(sizes: tuple[int, ...]) -> bool:
    """Whether one of them is smaller than the one before it."""
    return any(after < before for before, after in pairwise(sizes))


def require_images(name: str, in_shape: Shape) -> None:
    """Raise UsageError unless rows are images."""
    if len(in_shape) != 3:
        raise UsageError(f"{name} takes images (C, H, W), but rows have shape {in_shape}; use an mlp, or such data")


cnn = CNN
