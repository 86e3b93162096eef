"""Rows that an objective says nothing of, left out of a block's backward.

A goodness far above or below its threshold has a probability of 1 or 0 to the last bit, and such a row, its number in
ScaledRows being 0, adds nothing to any gradient. Trained forward-forward networks have few others (Hinton 2022), so
most of the backward's products would be of zeros. What is left out is exactly 0: no result changes but for the order
of sums.

A row whose activities are infinite may have a number of 0 as well, and then has no gradient instead of one that is no
number: its block's loss and what it passes on tell of it.

What is added behind the activation, the same for a range of rows, is one row more, since gradients are sums of
products: sum over the range of x_n^T v = mean(x)^T (n v), and a bias gets the sum of dy, n v, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lab.backend import Array, ScaledRows, Shape
from lab.backend.labelled import LabelledRows
from lab.layers import Cache, Ctx, Layer

LEAST = 16  # rows of a pass from which leaving some out can pay
MOST = 0.125  # of the rows with a gradient, of all: above, less is saved, and the copies take memory


def loud_rows(
    bodies: Sequence[Layer],
    activation: Layer,
    dh: Array | ScaledRows,
    cache: Cache,
    ctx: Ctx,
    dz: tuple[slice, Array] | None,
) -> tuple[Array, list[Cache]] | None:
    """The gradient behind the activation and the bodies' caches, of the rows that have one; None where all go on.

    dh, cache, dz  as in Block.backward, whose gradients for sources nobody needs
    """
    if not ctx.ops.leaves_out_rows or not isinstance(dh, ScaledRows) or len(dh) < LEAST:
        return None
    if not activation.takes_scaled or any(body.gradients != "product" for body in bodies):
        return None
    ops, xp = ctx.ops, ctx.ops.xp
    index = xp.flatnonzero(dh.scale)
    if len(index) > MOST * len(dh):
        return None
    caches, last = cache
    added, most = None if dz is None else dz[0], int(MOST * len(dh)) + 1
    n = len(index) + (dz is not None)

    def room(shape: Shape) -> Array:
        """For n rows, but always as large, so that steps after the first allocate nothing."""
        whole: Array = ops.empty((most, *shape), kind="workspace")
        return whole[:n]

    def take(x: Array, out: Array) -> None:
        xp.take(x, index, axis=0, out=out, mode="clip")  # "raise" would go through a buffer

    def pick(x: Any) -> Array:
        if isinstance(x, LabelledRows):
            return x.picked(index, added, room(x.base.rows.shape[1:]), ops)
        out = room(x.shape[1:])
        take(x, out[: len(index)])
        if added is not None:
            xp.mean(x[added], axis=0, out=out[-1])
        return out

    da = room(last.shape[1:])
    h = rows = da[: len(index)]
    take(last, h)
    if dh.rows is not last:
        rows = room(last.shape[1:])[: len(index)]
        take(dh.rows, rows)
    given: Any = ScaledRows(rows, dh.scale[index])
    found, _ = activation.backward(given, h, replace(ctx, spend=True))
    if found is not h:
        h[...] = found
    if dz is not None:
        xp.multiply(dz[1], dz[0].stop - dz[0].start, out=da[-1])
    return da, [body.picked(inner, pick) for body, inner in zip(bodies, caches, strict=True)]
