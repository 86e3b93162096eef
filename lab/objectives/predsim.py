"""Predsim: a block predicts the label, and is to find images of one class alike and of two classes unlike."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.errors import UsageError
from lab.layers import Ctx
from lab.layers.initializers import draw
from lab.objectives.base import ClassObjective, Rows, Signal
from lab.objectives.losses import CrossEntropy
from lab.objectives.similarity import matching
from lab.registry import register
from lab.schema import check


@register("objective", "predsim")
@dataclass(frozen=True)
class PredSim(ClassObjective):
    """Prediction loss and similarity matching loss (Noekland and Eidnes, ICML 2019, arXiv 1901.06656).

        L = (1 - beta) CE(h D + d, y) + beta mean over pairs of (S(f P + p) - S(onehot(y)))^2

    S is the matrix of cosines between centred rows (lab.objectives.similarity). D, which starts at 0, and P (n x n) are
    the block's own. Of rows (F,), and of steps taken flat, f = h. Of images (C, H, W) f is the standard deviation of
    each channel over its positions, n = C, and D reads each channel's mean. There the published networks have a
    convolution in the place of P, before the deviation is taken, and pool coarser pieces than the whole for D.

    Their blocks are linear, BatchNorm, leaky relu, then dropout: a description with norm=auto has the norm there under
    this objective, and dropout stands at the input of the next block, behind what the objective is asked of.
    """

    norm: ClassVar = "batch"

    beta: float = 0.99

    def __post_init__(self) -> None:
        check(self)
        if not 0 <= self.beta <= 1:
            raise UsageError(f"predsim needs 0 <= beta <= 1, got beta={self.beta}")

    def check(self, shape: Shape, n_classes: int) -> None:
        if n_classes < 2:
            raise UsageError(f"predsim needs at least 2 classes to tell apart, got {n_classes}")
        if _deviates(shape) and shape[0] < 2:
            raise UsageError(
                f"predsim compares channels, but a block's activities have shape {shape}; give it 2 or more"
            )

    def parameters(self, shape: Shape, n_classes: int, ops: Backend, rng: np.random.Generator) -> dict[str, Array]:
        n = shape[0] if _deviates(shape) else prod(shape)
        return {
            "D": ops.zeros((n, n_classes), kind="weights"),
            "d": ops.zeros((n_classes,), kind="weights"),
            "P": ops.asarray(draw("lecun", (n, n), n, n, rng), kind="weights"),
            "p": ops.zeros((n,), kind="weights"),
        }

    def __call__(self, h: Array, rows: Rows, state: dict[str, Array], ctx: Ctx) -> Signal:
        assert rows.target is not None
        ops = ctx.ops
        read, f = self._features(h, ops)
        scores = ops.affine(read, state["D"], state["d"])
        predicted, d = CrossEntropy()(scores, rows.target, ops)
        d *= 1 - self.beta
        dread, dD, dd = ops.affine_backward(read, state["D"], d, bias=True, need_dx=True)
        matched, dz = matching(ops.affine(f, state["P"], state["p"]), rows.target, rows.n_classes, ops)
        dz *= self.beta
        df, dP, dp = ops.affine_backward(f, state["P"], dz, bias=True, need_dx=True)
        assert dread is not None
        assert df is not None
        assert dd is not None
        assert dp is not None
        loss = predicted * (1 - self.beta) + matched * self.beta
        right = (scores.argmax(axis=1) == rows.target).mean() if len(h) else loss * 0
        seen = {"accuracy": right, "prediction": predicted, "similarity": matched}
        return Signal(loss, self._back(h, f, dread, df, ops), grads={"D": dD, "d": dd, "P": dP, "p": dp}, seen=seen)

    def evidence(self, h: Array, n_classes: int, state: dict[str, Array], ctx: Ctx) -> Array:
        read = h.mean(axis=(2, 3)) if _deviates(h.shape[1:]) else h.reshape(len(h), prod(h.shape[1:]))
        return ctx.ops.affine(read, state["D"], state["d"])

    def _features(self, h: Array, ops: Backend) -> tuple[Array, Array]:
        """What D reads, and f."""
        if not _deviates(h.shape[1:]):
            flat = h.reshape(len(h), prod(h.shape[1:]))
            return flat, flat
        mean = h.mean(axis=(2, 3))
        x = h.reshape(*h.shape[:2], prod(h.shape[2:]))
        centred = ops.empty(x.shape)
        ops.xp.subtract(x, mean[:, :, None], out=centred)
        return mean, ops.xp.sqrt(ops.xp.einsum("ncp,ncp->nc", centred, centred) / (x.shape[2] - 1))

    def _back(self, h: Array, f: Array, dread: Array, df: Array, ops: Backend) -> Array:
        """dh: the sum of both ways; df/dh = (h - mean) / ((positions - 1) f) for a channel of an image."""
        if not _deviates(h.shape[1:]):
            dread += df
            return dread.reshape(h.shape)
        size = prod(h.shape[2:])
        slope = ops.xp.where(f > 0, df / ops.xp.where(f > 0, f, 1), 0) / (size - 1)
        dh = ops.empty(h.shape)
        ops.xp.subtract(h, h.mean(axis=(2, 3), keepdims=True), out=dh)
        dh *= slope[:, :, None, None]
        dh += (dread / size)[:, :, None, None]
        return dh


def _deviates(shape: Shape) -> bool:
    """Whether channels have positions to deviate over."""
    return len(shape) == 3 and prod(shape[1:]) > 1
