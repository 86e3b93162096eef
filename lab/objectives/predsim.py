"""Predsim: a block predicts the label, and is to find images of one class alike and of two classes unlike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import ClassVar

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.backend.convolutions import Convolution
from lab.backend.windows import Windows
from lab.errors import UsageError
from lab.layers import Ctx
from lab.layers.initializers import draw
from lab.objectives.base import ClassObjective, Rows, Signal
from lab.objectives.losses import CrossEntropy
from lab.objectives.pieces import Pieces
from lab.objectives.similarity import deviation, deviation_backward, matching
from lab.registry import register
from lab.schema import check


@register("objective", "predsim")
@dataclass(frozen=True)
class PredSim(ClassObjective):
    """Prediction loss and similarity matching loss (Noekland and Eidnes, ICML 2019, arXiv 1901.06656).

        L = (1 - beta) CE(pool(h) D + d, y) + beta mean over pairs of (S(f) - S(onehot(y)))^2

    S is the matrix of cosines between centred rows (lab.objectives.similarity); D, which starts at 0, d and P are the
    block's own. Of rows (F,), and of steps taken flat, f = h P + p with P (n, n), and pool(h) = h. Of images (C, H, W)
    f is the standard deviation of each channel of P * h over its positions, P a convolution of C channels by C kernels
    of 3x3, which keeps the size and needs no bias; pool takes the mean of equal pieces of each channel, so large that
    at most `decoder` numbers are left for D, and reads them as they are where there are no more.

    Their blocks are linear, BatchNorm, leaky relu, then dropout: a description with norm=auto has the norm there under
    this objective, and dropout stands at the input of the next block, behind what the objective is asked of. Where
    pieces do not divide an image the published program pads the image; here the last piece is smaller.

    decoder  the most numbers that an image's labels are predicted from; published with 4096, and 1024 for VGG on MNIST
    """

    norm: ClassVar = "batch"

    beta: float = 0.99
    decoder: int = 4096

    def __post_init__(self) -> None:
        check(self)
        if not 0 <= self.beta <= 1:
            raise UsageError(f"predsim needs 0 <= beta <= 1, got beta={self.beta}")
        if self.decoder < 1:
            raise UsageError(f"predsim needs decoder >= 1, got decoder={self.decoder}")

    def check(self, shape: Shape, n_classes: int) -> None:
        if n_classes < 2:
            raise UsageError(f"predsim needs at least 2 classes to tell apart, got {n_classes}")
        if _deviates(shape) and shape[0] < 2:
            raise UsageError(
                f"predsim compares channels, but a block's activities have shape {shape}; give it 2 or more"
            )

    def parameters(self, shape: Shape, n_classes: int, ops: Backend, rng: np.random.Generator) -> dict[str, Array]:
        n = prod(Pieces.within(shape, self.decoder).count) if _deviates(shape) else prod(shape)
        own = {"D": ops.zeros((n, n_classes), kind="weights"), "d": ops.zeros((n_classes,), kind="weights")}
        if _deviates(shape):
            C, size = shape[0], 9 * shape[0]
            return {**own, "P": ops.asarray(draw("lecun", (C, C, 3, 3), size, size, rng), kind="weights")}
        P = ops.asarray(draw("lecun", (n, n), n, n, rng), kind="weights")
        return {**own, "P": P, "p": ops.zeros((n,), kind="weights")}

    def flops(self, shape: Shape, own: dict[str, Array]) -> int:
        positions = prod(shape[1:]) if _deviates(shape) else 1
        return 2 * (own["D"].size + own["P"].size * positions)

    def __call__(self, h: Array, rows: Rows, state: dict[str, Array], ctx: Ctx) -> Signal:
        assert rows.target is not None
        ops = ctx.ops
        read = self._read(h, ops)
        scores = ops.affine(read, state["D"], state["d"])
        predicted, d = CrossEntropy()(scores, rows.target, ops)
        d *= 1 - self.beta
        dread, dD, dd = ops.affine_backward(read, state["D"], d, bias=True, need_dx=True)
        assert dread is not None
        assert dd is not None
        matched, dh, grads = self._match(h, rows.target, rows.n_classes, state, ops)
        dh += self._spread(dread, h.shape[1:], ops)
        loss = predicted * (1 - self.beta) + matched * self.beta
        right = (scores.argmax(axis=1) == rows.target).mean() if len(h) else loss * 0
        seen = {"accuracy": right, "prediction": predicted, "similarity": matched}
        return Signal(loss, dh, grads={"D": dD, "d": dd, **grads}, seen=seen)

    def evidence(self, h: Array, n_classes: int, state: dict[str, Array], ctx: Ctx) -> Array:
        return ctx.ops.affine(self._read(h, ctx.ops), state["D"], state["d"])

    def _match(
        self, h: Array, target: Array, K: int, state: dict[str, Array], ops: Backend
    ) -> tuple[Array, Array, dict[str, Array]]:
        """The similarity loss, and beta times its gradient with respect to h and to P and p."""
        P = state["P"]
        if _deviates(h.shape[1:]):
            place = _projection(h.shape[1:])
            z = ops.convolve(h, P, None, place)
            f = deviation(z, ops)
            loss, df = matching(f, target, K, ops)
            df *= self.beta
            dz = deviation_backward(z, f, df, ops)
            dh, dP, _ = ops.convolve_backward(h, P, dz, place, False, True)
            assert dh is not None
            return loss, dh, {"P": dP}
        flat = h.reshape(len(h), prod(h.shape[1:]))
        loss, df = matching(ops.affine(flat, P, state["p"]), target, K, ops)
        df *= self.beta
        dflat, dP, dp = ops.affine_backward(flat, P, df, bias=True, need_dx=True)
        assert dflat is not None
        assert dp is not None
        return loss, dflat.reshape(h.shape), {"P": dP, "p": dp}

    def _read(self, h: Array, ops: Backend) -> Array:
        """What D reads of each row."""
        if _deviates(h.shape[1:]):
            return Pieces.within(h.shape[1:], self.decoder).pool(h, ops)
        return h.reshape(len(h), prod(h.shape[1:]))

    def _spread(self, dread: Array, shape: Shape, ops: Backend) -> Array:
        """What comes back from D, as the gradient of h."""
        if _deviates(shape):
            return Pieces.within(shape, self.decoder).spread(dread, ops)
        return dread.reshape(len(dread), *shape)


@lru_cache(maxsize=64)
def _projection(shape: Shape) -> Convolution:
    return Convolution(Windows.fit("predsim", shape, (3, 3), (1, 1), "same"), shape[0], shape[0], 1)


def _deviates(shape: Shape) -> bool:
    """Whether channels have positions to deviate over."""
    return len(shape) == 3 and prod(shape[1:]) > 1
