"""LabelInput: a distribution over the classes written into a network's input."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Literal, get_args

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.backend.labelled import Base, LabelledRows
from lab.errors import UsageError
from lab.layers.reshape import image_rows, rows_shape
from lab.registry import unknown

LabelMode = Literal["pixels", "features", "channels", "pattern", "steps", "clamp"]


class LabelInput:
    """Writes a label distribution d (N, K), one-hot for a definite label, 1/K each for the neutral one, into rows x.

    pixels    the first K numbers of the row become scale d: a black border has room for it (Hinton 2022)
    features  K numbers, scale d, are appended to the row, which is flattened: nothing of x is overwritten
    channels  K channels are appended to an image, channel k the number scale d_k at every pixel: a small filter sees
              the label wherever it stands
    pattern   one channel is appended, scale times the sum of d_k P_k: each class has a wave P_k of its own over the
              image (`waves`; after Scodellaro et al. 2023)
    steps     K numbers, scale d, are appended to every step of a sequence (T, F), or to every row of an image, which
              becomes the sequence of its rows. They stand last: a mask in a step's first number stays
    clamp     nothing is written into the row: K numbers, scale d, are a value of their own beside it (`clamped`), which
              blocks read as the source "label"
    """

    def __init__(self, mode: LabelMode = "pixels", *, scale: float = 1.0) -> None:
        if mode not in get_args(LabelMode):
            raise UsageError(unknown("label mode", mode, get_args(LabelMode)))
        self.mode, self.scale = mode, scale

    @property
    def one_place(self) -> bool:
        """Whether the label is K numbers in one place of the flat row, so that rows may share all others."""
        return self.mode in ("pixels", "features")

    def build(self, in_shape: Shape, n_classes: int) -> Shape:
        """The shape of a row with its label. Raises UsageError where the label does not fit."""
        self.n_classes = K = n_classes
        size = prod(in_shape)
        if self.mode == "clamp":
            return in_shape
        if self.mode == "features":
            return (size + K,)
        if self.mode == "pixels":
            if size <= K:
                raise UsageError(
                    f"a label of {K} classes does not fit the {size} numbers of a row; "
                    "use label=features, which appends it"
                )
            return in_shape
        if self.mode == "steps":
            T, F = rows_shape("label=steps", in_shape)
            return T, F + K
        if len(in_shape) != 3:
            fitting = "steps" if len(in_shape) == 2 else "features"
            raise UsageError(
                f"label={self.mode} appends channels to images (C, H, W), but rows have shape {in_shape}; "
                f"use label={fitting}"
            )
        C, H, W = in_shape
        if self.mode == "channels":
            return C + K, H, W
        self._waves = waves(K, H, W)
        self._flat: Array | None = None
        return C + 1, H, W

    def unwritten(self, x: Array, labels: Sequence[Array], ops: Backend, base: Base | None = None) -> LabelledRows:
        """The rows that `embed` writes, as rows that share x; `base` is that of an earlier call with the same x."""
        assert self.one_place, "others are written out"
        place = slice(0, self.n_classes) if self.mode == "pixels" else slice(prod(x.shape[1:]), None)
        if base is None:
            bare = self.embed(x, [ops.zeros((len(x), self.n_classes))], ops)
            base = Base(bare.reshape(len(x), prod(bare.shape[1:])), place)
        scaled = labels if self.scale == 1 else [label * self.scale for label in labels]
        shape = x.shape[1:] if self.mode == "pixels" else base.rows.shape[1:]
        return LabelledRows(base, scaled, shape)

    def embed(self, x: Array, labels: Sequence[Array], ops: Backend) -> Array:
        """The rows of x once for each distribution in `labels`: (len(labels) N, *shape), in that order."""
        assert self.mode != "clamp", "such a label is not in the rows"
        n, K = len(x), self.n_classes
        if self.mode == "steps":
            x = image_rows(x)
        elif self.mode == "features":
            x = x.reshape(n, prod(x.shape[1:]))
        own = x.shape[1:]
        axis = {"steps": 2, "pixels": 0}.get(self.mode, 1)  # of what is appended to; 0: nothing is
        more = 1 if self.mode == "pattern" else K
        shape = tuple(size + more * (i + 1 == axis) for i, size in enumerate(own))
        out = ops.empty((len(labels) * n, *shape))
        for i, label in enumerate(labels):
            rows = out[i * n : (i + 1) * n]
            if self.mode == "pixels":
                rows[...] = x
                ops.xp.multiply(label, self.scale, out=rows.reshape(n, prod(own))[:, :K])
                continue
            ahead = (slice(None),) * axis
            rows[(*ahead, slice(own[axis - 1]))] = x
            rows[(*ahead, slice(own[axis - 1], None))] = self._appended(label * self.scale, ops)
        return out

    def clamped(self, label: Array, ops: Backend) -> Array:
        """The value of mode "clamp" for distributions (N, K): scale times these, (N, K)."""
        out = ops.empty(label.shape)
        ops.xp.multiply(label, self.scale, out=out)
        return out

    def one_hot(self, y: Array, ops: Backend) -> Array:
        """The definite distribution of integer labels y (N,): (N, K)."""
        return ops.one_hot(y, self.n_classes)

    def neutral(self, n: int, ops: Backend) -> Array:
        """The distribution that says nothing: 1/K everywhere, (n, K)."""
        out = ops.empty((n, self.n_classes), kind="data")
        out[...] = 1 / self.n_classes
        return out

    def _appended(self, d: Array, ops: Backend) -> Array:
        """What is appended for distributions d (N, K), in a shape that spreads over its place."""
        if self.mode == "channels":
            return d[:, :, None, None]
        if self.mode == "steps":
            return d[:, None]
        if self.mode == "features":
            return d
        if self._flat is None:  # uploaded once: a step that a GPU repeats cannot read the host
            self._flat = ops.xp.asarray(self._waves.reshape(len(self._waves), -1), dtype=ops.dtype)
        written: Array = (d @ self._flat).reshape(len(d), 1, *self._waves.shape[1:])
        return written


def waves(n: int, height: int, width: int) -> Array:
    """n plane waves (n, height, width) of unit mean square, each orthogonal to all others and to what is constant.

    P = sqrt(2) cos(2 pi (p u / height + q v / width) - phase) for pixel (u, v), of the n longest wavelengths (smallest
    p^2 + q^2), with phase 0 and pi/2 in turn: cosine and sine. Raises UsageError where the image is too small for n.
    """
    found: list[Array] = []
    u, v = np.arange(height)[:, None] / height, np.arange(width)[None] / width
    # one of each pair (p, q), (-p, -q), which are the same wave; half the size is where waves begin to repeat
    numbers = [(p, q) for p in range((height + 1) // 2) for q in range(-((width - 1) // 2), (width + 1) // 2)]
    numbers = [pair for pair in numbers if pair > (0, 0)]
    for p, q in sorted(numbers, key=lambda pair: (pair[0] ** 2 + pair[1] ** 2, pair)):
        angle = 2 * np.pi * (p * u + q * v)
        found += [np.sqrt(2) * np.cos(angle), np.sqrt(2) * np.sin(angle)]
    if len(found) < n:
        raise UsageError(
            f"label=pattern has {len(found)} waves for images of {height} x {width}, too few for {n} classes; "
            "use label=channels"
        )
    return np.stack(found[:n])
