"""Hybrids: negative rows made of two images through a mask of large smooth regions, where there are no labels."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lab.backend import Array, Backend, Shape
from lab.layers import Noise

_KEY = zlib.crc32(b"hybrids")  # of the noise, beside the keys that layers draw


@dataclass(frozen=True)
class Hybrids:
    """x m + x' (1 - m), x' the next image of the batch and m a mask of zeros and ones (Hinton 2022, section 3.2).

        m = [M_H^k B M_W^k > 1/2],   B random bits, M the blur with [1/4, 1/2, 1/4] whose ends are repeated

    so that a hybrid has the short-range structure of images and not their long-range one. M^k is one matrix, and all
    masks of a batch are two matrix products. M is symmetric and its rows sum to 1: every pixel of a mask is as likely 0
    as 1, but for ties, which are 0 and which only one or two blurs leave. Images (C, H, W) have one mask for all
    channels; in sequences (T, F) it says which steps are whose, in rows (F,) which numbers are.

    grid   height and width of a mask; rows, columns  M_H^k and M_W^k on the device
    A batch comes in random order, so that the next image is any other; the last one's is the first.
    """

    grid: tuple[int, int]
    rows: Array
    columns: Array

    @classmethod
    def of(cls, shape: Shape, blurs: int, ops: Backend) -> Self:
        """For rows of `shape`, through masks that are blurred so many times."""
        height, width = {1: (1, shape[-1]), 2: (shape[0], 1), 3: shape[-2:]}[len(shape)]
        made = (ops.asarray(blur(n, blurs), kind="workspace") for n in (height, width))
        return cls((height, width), *made)

    def masks(self, n: int, noise: Noise, ops: Backend) -> Array:
        """n masks (n, H, W), bool: a pure function of the noise's seed and step."""
        (height, width), xp = self.grid, ops.xp
        bits = ops.empty((height, n * width), kind="workspace")
        # 1/2 is taken off, so that what is above the threshold is above zero
        bits[...] = ops.uniform((height, n * width), (noise.seed & 0xFFFFFFFF, _KEY), noise.step, 0) < 0.5
        bits -= 0.5
        down, across = ops.empty(bits.shape, kind="workspace"), ops.empty((height * n, width), kind="workspace")
        ops.matmul(self.rows, bits, down)
        ops.matmul(down.reshape(height * n, width), self.columns, across)
        smooth = xp.ascontiguousarray(across.reshape(height, n, width).swapaxes(0, 1))
        found: Array = smooth > 0
        return found

    def write(self, images: Array, out: Array, noise: Noise, ops: Backend) -> None:
        """A hybrid of each image with the next one, into `out` of the same shape."""
        n = len(images)
        mask = self.masks(n, noise, ops).reshape(self._spread(images.shape))
        for here, there in ((slice(0, n - 1), slice(1, n)), (slice(n - 1, n), slice(0, 1))):
            out[here] = ops.xp.where(mask[here], images[here], images[there])

    def _spread(self, shape: Shape) -> Shape:
        """A mask's shape beside images (N, *shape)."""
        n, (height, width) = shape[0], self.grid
        return {2: (n, width), 3: (n, height, 1), 4: (n, 1, height, width)}[len(shape)]


def blur(n: int, times: int) -> NDArray[np.float64]:
    """The matrix (n, n) that blurs n numbers `times` times with [1/4, 1/2, 1/4], the ends repeated outwards."""
    once = np.eye(n) / 2
    for i in range(n):
        once[i, max(0, i - 1)] += 1 / 4
        once[i, min(n - 1, i + 1)] += 1 / 4
    return np.linalg.matrix_power(once, times)
