"""Mono-Forward: every block has a classifier of its own, and learns from its error."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.layers import Ctx
from lab.objectives.base import ClassObjective, Rows, Signal
from lab.objectives.losses import CrossEntropy
from lab.registry import register


@register("objective", "mono_forward")
@dataclass(frozen=True)
class MonoForward(ClassObjective):
    """Activities are projected onto the classes by a learned matrix (Gong, Li and Abdulla 2025, arXiv 2501.09238).

        G = a M^T for activities a (N, n) and M (K, n),   L = cross-entropy(G, y)
        dL/dM = (softmax(G) - onehot(y))^T a / N,   dL/da = (softmax(G) - onehot(y)) M / N

    M belongs to the block, is trained with its weights, and starts with entries of variance 1/n. It is kept as its
    transpose, under the name M. Images and steps are taken flat.
    """

    norm: ClassVar = "none"

    def parameters(self, shape: Shape, n_classes: int, ops: Backend, rng: np.random.Generator) -> dict[str, Array]:
        n = prod(shape)
        return {"M": ops.asarray(rng.standard_normal((n, n_classes)) / max(1, n) ** 0.5, kind="weights")}

    def __call__(self, h: Array, rows: Rows, state: dict[str, Array], ctx: Ctx) -> Signal:
        assert rows.target is not None
        ops, flat = ctx.ops, h.reshape(len(h), prod(h.shape[1:]))
        G = ops.affine(flat, state["M"], None)
        loss, d = CrossEntropy()(G, rows.target, ops)
        dh, dM, _ = ops.affine_backward(flat, state["M"], d, bias=False, need_dx=True)
        assert dh is not None
        right = (G.argmax(axis=1) == rows.target).mean() if len(G) else loss * 0
        return Signal(loss, dh.reshape(h.shape), grads={"M": dM}, seen={"accuracy": right})

    def evidence(self, h: Array, n_classes: int, state: dict[str, Array], ctx: Ctx) -> Array:
        return ctx.ops.affine(h.reshape(len(h), prod(h.shape[1:])), state["M"], None)
