"""A shortlist of labels: one pass of the softmax head ranks them, and goodness decides between the first few.

With p the head's probabilities, S the k most probable classes and g the softmax over S of their evidence,

    q_c = (sum_S p) g_c  for c in S,  p_c otherwise:

what the head leaves to the list is shared out by goodness. k = 1 is the head's own answer, k = K that of goodness; in
between an answer takes 1 + k passes where goodness takes K.
"""

from __future__ import annotations

from lab.backend import Array, Backend


def most_probable(p: Array, k: int, ops: Backend) -> Array:
    """The k classes (N, k) of largest p (N, K), the largest first."""
    found: Array = ops.xp.argsort(-p, axis=1)[:, :k]
    return found


def shared_out(p: Array, chosen: Array, among: Array, ops: Backend) -> Array:
    """q (N, K) from the head's p (N, K), the classes of the list (N, k), and g (N, k), the softmax among them."""
    xp = ops.xp
    rows = xp.arange(len(p))[:, None]
    q = p.copy()
    q[rows, chosen] = p[rows, chosen].sum(axis=1, keepdims=True) * among
    return q
