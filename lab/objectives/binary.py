"""Binary cross-entropy: two classes told apart by one output, as in logistic regression."""

from __future__ import annotations

from dataclasses import dataclass

from lab.backend import Array, Backend
from lab.errors import UsageError
from lab.registry import register


@register("objective", "binary_cross_entropy")
@dataclass(frozen=True)
class BinaryCrossEntropy:
    """L = (1/N) sum_n log(1 + exp(-s_n o_n)) for one output o (N, 1), labels y (N,) 0 or 1, and s = 2y - 1.

    The output is a logit: p = sigmoid(o) is the probability of class 1, L is -log of the true class's probability, and
    dL/do = (p - y) / N = -s sigmoid(-s o) / N. The forms with s are the ones computed: no exponential overflows, and
    what is nearly 0 is not the difference of two numbers that are nearly equal. With a linear network this is logistic
    regression (Bishop 2006, section 4.3.2).
    """

    def outputs(self, task: str, n: int) -> int:
        if task != "classification" or n != 2:
            found = f"there are {n} classes; use cross_entropy" if n > 1 else "y holds numbers; use squared_error"
            raise UsageError(f"objective=binary_cross_entropy needs two classes, labels 0 and 1, but {found}")
        return 1

    def __call__(self, output: Array, target: Array, ops: Backend) -> tuple[Array, Array]:
        if output.shape[1] != 1:
            raise UsageError(
                f"binary cross-entropy takes one output a row, but the network has {output.shape[1]}; "
                "give it a head of 1, or use cross_entropy"
            )
        xp, n = ops.xp, max(1, len(output))
        d = ops.empty(output.shape)
        d[:, 0] = 1 - 2 * target  # -s
        u = ops.empty(output.shape)
        xp.multiply(output, d, out=u)
        xp.logaddexp(u, 0, out=u)
        loss = u.sum() / n
        # sigmoid(-so) = 1 - exp(-log(1 + exp(-so)))
        xp.negative(u, out=u)
        xp.expm1(u, out=u)
        d *= u
        d /= -n
        return loss, d

    def probabilities(self, output: Array, ops: Backend) -> Array:
        """(N, 2) for logits (N, 1): sigmoid(-o) and sigmoid(o)."""
        p = ops.empty((len(output), 2))
        ops.xp.multiply(output, ops.xp.asarray([1, -1], dtype=ops.dtype), out=p)
        ops.xp.logaddexp(p, 0, out=p)
        ops.xp.negative(p, out=p)
        ops.xp.exp(p, out=p)
        return p
