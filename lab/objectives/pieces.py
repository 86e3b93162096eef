"""Images in few numbers: the mean of equal pieces of each channel, as two small matrix products."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod

import numpy as np

from lab.backend import Array, Backend, Shape


@dataclass(frozen=True)
class Pieces:
    """Pieces of images (C, H, W): `high` by `wide` pixels, smaller at the end where these do not divide H or W.

    With U (H, pieces) and V (W, pieces), whose columns take the mean over one piece's rows and columns of pixels,
    pool(h) = U^T h V for each channel, and backward dh = U dy V^T.
    """

    shape: Shape
    high: int
    wide: int

    @classmethod
    def within(cls, shape: Shape, most: int) -> Pieces:
        """The smallest that leave at most `most` numbers: doubled in height, then in width, as long as it can be."""
        (C, H, W), high, wide = shape, 1, 1
        while C * ceil(H / high) * ceil(W / wide) > most and (high < H or wide < W):
            if high < H and (high <= wide or wide >= W):
                high *= 2
            else:
                wide *= 2
        return cls(tuple(shape), high, wide)

    @property
    def count(self) -> tuple[int, int, int]:
        """The shape of what is left."""
        C, H, W = self.shape
        return C, ceil(H / self.high), ceil(W / self.wide)

    def pool(self, h: Array, ops: Backend) -> Array:
        """The means, flat: (N, prod(count))."""
        if self.count == self.shape:
            return h.reshape(len(h), prod(self.shape))
        (C, H, W), (_, rows, columns) = self.shape, self.count
        along = ops.empty((len(h) * C * H, columns), kind="workspace")
        ops.matmul(h.reshape(len(h) * C * H, W), self._means(W, self.wide, ops), along)
        y = ops.empty((len(h) * C, rows, columns))
        ops.matmul(self._means(H, self.high, ops).T, along.reshape(len(h) * C, H, columns), y)
        return y.reshape(len(h), C * rows * columns)

    def spread(self, dy: Array, ops: Backend) -> Array:
        """The gradient of images (N, C, H, W) from that of their means."""
        if self.count == self.shape:
            return dy.reshape(len(dy), *self.shape)
        (C, H, W), (_, rows, columns) = self.shape, self.count
        along = ops.empty((len(dy) * C, H, columns), kind="workspace")
        ops.matmul(self._means(H, self.high, ops), dy.reshape(len(dy) * C, rows, columns), along)
        dh = ops.empty((len(dy) * C * H, W))
        ops.matmul(along.reshape(len(dy) * C * H, columns), self._means(W, self.wide, ops).T, dh)
        return dh.reshape(len(dy), C, H, W)

    def _means(self, size: int, step: int, ops: Backend) -> Array:
        found = (np.arange(size)[:, None] // step == np.arange(ceil(size / step))).astype(float)
        return ops.asarray(found / found.sum(axis=0), kind="workspace")
