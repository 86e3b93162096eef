"""Losses of a network's output: cross-entropy and squared error; others have files of their own."""

from __future__ import annotations

from dataclasses import dataclass

from lab.backend import Array, Backend
from lab.objectives.base import require_labels
from lab.registry import register


@register("objective", "cross_entropy")
@dataclass(frozen=True)
class CrossEntropy:
    """L = -(1/N) sum_n log softmax(o_n)[y_n] for outputs o (N, K), labels y (N,); dL/do = (softmax(o) - onehot(y)) / N.

    Computed from o minus its row maximum, so that no exponential overflows.
    """

    def outputs(self, task: str, n: int) -> int:
        return require_labels("cross_entropy", task, n)

    def __call__(self, output: Array, target: Array, ops: Backend) -> tuple[Array, Array]:
        losses, d = ops.softmax_loss(output, target)
        return losses.sum() / max(1, len(output)), d

    def probabilities(self, output: Array, ops: Backend) -> Array:
        return ops.softmax(output)


@register("objective", "squared_error")
@dataclass(frozen=True)
class SquaredError:
    """L = 1/(2N) sum_n |o_n - t_n|^2 for outputs o (N, K); dL/do = (o - t) / N.

    Targets t are (N,) or (N, K) numbers, or integer labels (N,), which stand for their one-hot rows; as class
    probabilities the outputs are clipped to be positive and scaled to sum to 1.
    """

    def outputs(self, task: str, n: int) -> int:
        return n

    def __call__(self, output: Array, target: Array, ops: Backend) -> tuple[Array, Array]:
        xp, n = ops.xp, max(1, len(output))
        d = ops.empty(output.shape)
        d[...] = output
        if target.dtype.kind in "iu":
            d[xp.arange(len(output)), target] -= 1
        else:
            d -= target.reshape(output.shape).astype(ops.dtype, copy=False)
        loss = (d * d).sum() / (2 * n)
        d /= n
        return loss, d

    def probabilities(self, output: Array, ops: Backend) -> Array:
        p: Array = ops.xp.clip(output, 1e-12, None)
        p /= p.sum(axis=1, keepdims=True)
        return p
