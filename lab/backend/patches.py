"""Patches: neighbouring fields of a locally connected layer taken together, so that products are large enough."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy.typing as npt

from lab.backend.windows import Windows

if TYPE_CHECKING:
    from lab.backend.base import Backend

Array: TypeAlias = npt.NDArray[Any]

# What a number of a patch costs beside the products it is in, in multiplications: it is copied, and read again. Of the
# fields of Hinton 2022 those with 3 channels and 11x11 pixels are taken 4x8 at a time, those with 128 and more alone.
HANDLING = 48
# A patch's matrix, which is made for every pass, may take so many times the memory of its fields' weights.
LARGEST = 4


@dataclass(frozen=True)
class Patches:
    """`merged` = (r, c): so many fields, high and wide, are read as one patch, and give r c O numbers in one product.

    windows   of the fields themselves; r and c divide their numbers
    channels  C of the images that are read, outputs: O of each field

    A patch sees C (s (r - 1) + k)^2 pixels, k and s being the fields' kernel and stride, so a matrix of all its fields
    has zeros where a field does not look. Those are multiplied too: with few channels, and ten rows or more, that costs
    less than copying each pixel once for each of the k^2 fields that see it.
    """

    windows: Windows
    channels: int
    outputs: int
    merged: tuple[int, int]

    @classmethod
    def fit(cls, windows: Windows, channels: int, outputs: int) -> Patches:
        """The patches for which multiplying and handling together are least, of those that are not too large."""
        high, wide = windows.out
        every = [cls(windows, channels, outputs, (r, c)) for r in _divisors(high) for c in _divisors(wide)]
        most = LARGEST * prod(every[0]._shape)  # the first is a field alone
        fitting = [patches for patches in every if prod(patches._shape) <= most]
        return min(fitting, key=lambda patches: (patches.cost, patches.merged))

    @cached_property
    def of(self) -> Windows:
        """Where patches lie on the image, as windows."""
        w = self.windows
        kernel = tuple(s * (n - 1) + k for s, n, k in zip(w.stride, self.merged, w.kernel, strict=True))
        stride = tuple(s * n for s, n in zip(w.stride, self.merged, strict=True))
        return Windows(w.size, (kernel[0], kernel[1]), (stride[0], stride[1]), w.padding)

    @property
    def width(self) -> int:
        """The numbers that a patch gives: r c O."""
        return prod(self.merged) * self.outputs

    @property
    def cost(self) -> int:
        """Multiplications of a row, and what handling its patches is worth."""
        return prod(self.of.out) * self.channels * prod(self.of.kernel) * (self.width + HANDLING)

    def widened(self, W: Array, ops: Backend) -> Array:
        """The fields' weights (Ho, Wo, C kh kw, O) as the patches': (Ho/r, Wo/c, inputs of a patch, r c O)."""
        if self.merged == (1, 1):
            return W
        wide = ops.zeros(self._shape, kind="workspace")
        self._places(wide, ops)[...] = self._split(W)
        return wide.reshape(*self.of.out, -1, self.width)

    def narrow(self, wide: Array, out: Array, ops: Backend) -> None:
        """The fields' gradient, into `out`, from the patches'; that of what has to stay zero is left out."""
        if wide is not out:
            self._split(out)[...] = self._places(wide.reshape(self._shape), ops)

    def laid_out(self, y: Array) -> Array:
        """A view of (N, O, some rows of fields, Wo) as products give it: (rows of patches, Wo/c, N, r, c, O)."""
        N, O, high, _ = y.shape
        r, c = self.merged
        return y.reshape(N, O, high // r, r, self.of.out[1], c).transpose(2, 4, 0, 3, 5, 1)

    @property
    def _shape(self) -> tuple[int, ...]:
        return (*self.of.out, self.channels, *self.of.kernel, *self.merged, self.outputs)

    def _split(self, W: Array) -> Array:
        """A view of the fields' weights: (Ho/r, Wo/c, r, c, C, kh, kw, O)."""
        (th, tw), (r, c) = self.of.out, self.merged
        return W.reshape(th, r, tw, c, self.channels, *self.windows.kernel, self.outputs).transpose(
            0, 2, 1, 3, 4, 5, 6, 7
        )

    def _places(self, wide: Array, ops: Backend) -> Array:
        """A view of where in the patches' weights those of the fields stand, as `_split` has them.

        That of field (p, q) at pixel (i, j) of its window stands at pixel (s p + i, s q + j) of the patch.
        """
        a, b, channel, i, j, p, q, o = wide.strides
        (sh, sw), (th, tw) = self.windows.stride, self.of.out
        strides = (a, b, p + sh * i, q + sw * j, channel, i, j, o)
        shape = (th, tw, *self.merged, self.channels, *self.windows.kernel, self.outputs)
        view: Array = ops.xp.lib.stride_tricks.as_strided(wide, shape, strides)
        return view


def _divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]
