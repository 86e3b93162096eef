"""LabelInput: a distribution over the classes written into a network's input."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Literal

from lab.backend import Array, Backend, Shape
from lab.backend.labelled import Base, LabelledRows
from lab.errors import UsageError

LabelMode = Literal["pixels", "features"]


class LabelInput:
    """Writes a label distribution d (N, K), one-hot for a definite label, 1/K each for the neutral one, into rows x.

    pixels    the first K numbers of the row become scale d: a black border has room for it (Hinton 2022)
    features  K numbers, scale d, are appended to the row, which is flattened: nothing of x is overwritten
    """

    def __init__(self, mode: LabelMode = "pixels", *, scale: float = 1.0) -> None:
        if mode not in ("pixels", "features"):
            raise UsageError(f"label mode {mode!r} is unknown; valid: pixels, features")
        self.mode, self.scale = mode, scale

    def build(self, in_shape: Shape, n_classes: int) -> Shape:
        """The shape of a row with its label. Raises UsageError where the label does not fit."""
        self.n_classes = n_classes
        size = prod(in_shape)
        if self.mode == "pixels" and n_classes >= size:
            raise UsageError(
                f"a label of {n_classes} classes does not fit the {size} numbers of a row; "
                "use label=features, which appends it"
            )
        return in_shape if self.mode == "pixels" else (size + n_classes,)

    def unwritten(self, x: Array, labels: Sequence[Array], ops: Backend, base: Base | None = None) -> LabelledRows:
        """The rows that `embed` writes, as rows that share x; `base` is that of an earlier call with the same x."""
        place = slice(0, self.n_classes) if self.mode == "pixels" else slice(prod(x.shape[1:]), None)
        if base is None:
            bare = self.embed(x, [ops.zeros((len(x), self.n_classes))], ops)
            base = Base(bare.reshape(len(x), prod(bare.shape[1:])), place)
        scaled = labels if self.scale == 1 else [label * self.scale for label in labels]
        shape = x.shape[1:] if self.mode == "pixels" else base.rows.shape[1:]
        return LabelledRows(base, scaled, shape)

    def embed(self, x: Array, labels: Sequence[Array], ops: Backend) -> Array:
        """The rows of x once for each distribution in `labels`: (len(labels) N, *shape), in that order."""
        n, size, k = len(x), prod(x.shape[1:]), self.n_classes
        flat = x.reshape(n, size)
        width = size if self.mode == "pixels" else size + k
        out = ops.empty((len(labels) * n, width))
        for i, label in enumerate(labels):
            rows = out[i * n : (i + 1) * n]
            if self.mode == "pixels":
                rows[:, k:] = flat[:, k:]
                ops.xp.multiply(label, self.scale, out=rows[:, :k])
            else:
                rows[:, :size] = flat
                ops.xp.multiply(label, self.scale, out=rows[:, size:])
        return out.reshape(len(out), *x.shape[1:]) if self.mode == "pixels" else out

    def one_hot(self, y: Array, ops: Backend) -> Array:
        """The definite distribution of integer labels y (N,): (N, K)."""
        out = ops.zeros((len(y), self.n_classes), kind="data")
        out[ops.xp.arange(len(y)), y] = 1
        return out

    def neutral(self, n: int, ops: Backend) -> Array:
        """The distribution that says nothing: 1/K everywhere, (n, K)."""
        out = ops.empty((n, self.n_classes), kind="data")
        out[...] = 1 / self.n_classes
        return out
