"""Augmentation: training images moved and mirrored at random, another way in each epoch."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Literal

from lab.backend import Array, Backend, Shape
from lab.errors import UsageError
from lab.registry import register
from lab.schema import check

_KEY = zlib.crc32(b"augment")  # of the noise, beside the keys that layers draw


@register("augment", "images")
@dataclass(frozen=True)
class Augment:
    """Moves and mirrors each image (C, H, W) of a training batch, all of its channels alike.

    shift  rows and columns are moved by whole numbers of pixels, each evenly drawn from -shift to shift: the random
           crop of an image that was padded by `shift` pixels on each side
    fill   what comes in from outside. zeros; edge: the last pixel again; reflect: the image mirrored at that pixel
    flip   with this probability left and right change places

    What is drawn is a pure function of seed, epoch, batch and row, so a resumed run sees the images that it would have
    seen, and so do two trainers with one seed. Only batches of training are changed, never what is evaluated.
    """

    shift: int = 2
    fill: Literal["zeros", "edge", "reflect"] = "zeros"
    flip: float = 0.0

    def __post_init__(self) -> None:
        check(self)
        if self.shift < 0 or not 0 <= self.flip <= 1:
            raise UsageError(f"augment needs shift >= 0 and 0 <= flip <= 1, got shift={self.shift} flip={self.flip}")

    def check_shape(self, shape: Shape, name: str) -> None:
        """Raise UsageError where rows of `shape` are no images, or too small to be moved so far."""
        if len(shape) != 3:
            raise UsageError(f"augment moves images (C, H, W), but the rows of {name} have shape {shape}; leave it out")
        if self.shift >= min(shape[1:]):
            raise UsageError(f"augment.shift={self.shift} moves images of {shape} away; use less than {min(shape[1:])}")

    def __call__(self, images: Array, seed: int, epoch: int, step: int, ops: Backend) -> Array:
        """The images (N, C, H, W) of batch `step` of an epoch as they are trained on, in an array of their own."""
        xp, (n, channels, height, width), k = ops.xp, images.shape, self.shift
        drawn = ops.uniform((n, 3), (seed & 0xFFFFFFFF, _KEY), epoch << 32 | step, 0)
        moves = xp.minimum((drawn[:, :2] * (2 * k + 1)).astype(xp.int64), 2 * k) - k
        # what each row and column of the new image reads: (N, H) and (N, W)
        rows, columns = xp.arange(height) + moves[:, :1], xp.arange(width) + moves[:, 1:]
        columns = xp.where(drawn[:, 2:] < self.flip, width - 1 - columns, columns)
        within = ops.empty((n, 1, height, width), xp.int64, kind="workspace")
        row_starts = self._onto(rows, height, ops)[:, None, :, None] * width
        xp.add(row_starts, self._onto(columns, width, ops)[:, None, None, :], out=within)
        places = ops.empty(images.shape, xp.int64, kind="workspace")
        image_starts = xp.arange(n * channels).reshape(n, channels, 1, 1) * (height * width)
        xp.add(image_starts, within, out=places)
        moved = ops.pick(images.reshape(-1), places)
        if self.fill == "zeros":
            moved *= ((rows >= 0) & (rows < height))[:, None, :, None]
            moved *= ((columns >= 0) & (columns < width))[:, None, None, :]
        return moved

    def _onto(self, places: Array, length: int, ops: Backend) -> Array:
        """Places in 0 .. length - 1 for all that lie outside, by the rule of `fill` (zeros are put there later)."""
        if self.fill == "reflect":
            last = length - 1
            return last - abs(last - abs(places))
        clipped: Array = ops.xp.clip(places, 0, length - 1)
        return clipped
