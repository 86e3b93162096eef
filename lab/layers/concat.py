"""Concat: several layers read the same input, and their outputs stand side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.errors import UsageError
from lab.layers.base import Cache, Ctx, Grads, Layer


class Concat(Layer):
    """y = [f_1(x), ..., f_n(x)] along `axis`: 1 is the first behind the batch, None that of channels or features.

    With Identity among the parts the input itself goes on beside what was made of it (Huang et al. 2017). With `groups`
    G it is done for each of G equal stretches of the axis by itself: group g of y is [group g of f_1(x), ..., of
    f_n(x)], so that what belongs together stays together.
    Backward: each part gets its stretch of dy; dx is the sum of what they send back. Parameters are named by position.
    """

    def __init__(self, parts: Sequence[Layer], *, axis: int | None = None, groups: int = 1) -> None:
        if not parts:
            raise UsageError("Concat needs at least one part")
        if groups < 1:
            raise UsageError(f"Concat needs at least 1 group, got groups={groups}")
        self.parts, self.axis, self.groups = list(parts), axis, groups

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        shapes = [p.build(in_shape, ops, r) for p, r in zip(self.parts, rng.spawn(len(self.parts)), strict=True)]
        rank = len(shapes[0])
        self._axis = axis = (1 if rank == 3 else rank) if self.axis is None else self.axis
        if not 1 <= axis <= rank:
            raise UsageError(f"Concat axis={axis} does not exist in outputs of shape {shapes[0]}; use 1 to {rank}")
        if len({(len(s), s[: axis - 1], s[axis:]) for s in shapes}) > 1:
            raise UsageError(f"Concat cannot join outputs of shapes {shapes} along axis {axis}; they differ elsewhere")
        sizes = [s[axis - 1] for s in shapes]
        if any(size % self.groups for size in sizes):
            raise UsageError(f"Concat groups={self.groups} does not divide all of its parts' sizes {sizes}")
        self._sizes = [size // self.groups for size in sizes]
        self.params = {f"{i}.{name}": p for i, part in enumerate(self.parts) for name, p in part.params.items()}
        self.stats = {f"{i}.{name}": s for i, part in enumerate(self.parts) for name, s in part.stats.items()}
        return (*shapes[0][: axis - 1], sum(sizes), *shapes[0][axis:])

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        y: Array | None = None
        caches = []
        for i, part in enumerate(self.parts):
            out, cache = part.forward(x, ctx)
            if y is None:
                size = self.groups * sum(self._sizes)
                y = ctx.ops.empty((*out.shape[: self._axis], size, *out.shape[self._axis + 1 :]))
            self._stretch(y, i)[...] = self._grouped(out)
            caches.append(cache)
        assert y is not None
        return y, caches if ctx.keep else None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        grads: Grads = {}
        total: Array | None = None
        for i, part in enumerate(self.parts):
            size = self.groups * self._sizes[i]
            own = self._stretch(dy, i).reshape(*dy.shape[: self._axis], size, *dy.shape[self._axis + 1 :])
            dx, inner = part.backward(own, cache[i], ctx, need_dx)
            grads.update({f"{i}.{name}": g for name, g in inner.items()})
            if dx is None:
                continue
            if total is None:
                total = ctx.ops.empty(dx.shape)
                total[...] = dx
            else:
                total += dx
        return total, grads

    def statistics(self, cache: Cache) -> dict[str, Array]:
        inner = zip(self.parts, cache, strict=True)
        return {f"{i}.{name}": s for i, (part, c) in enumerate(inner) for name, s in part.statistics(c).items()}

    def flops(self) -> int:
        return sum(part.flops() for part in self.parts)

    def _grouped(self, y: Array) -> Array:
        """y with its axis as (groups, size of a group)."""
        size = y.shape[self._axis] // self.groups
        return y.reshape(*y.shape[: self._axis], self.groups, size, *y.shape[self._axis + 1 :])

    def _stretch(self, y: Array, i: int) -> Array:
        """The place of part i in each group."""
        start = sum(self._sizes[:i])
        return self._grouped(y)[(slice(None),) * (self._axis + 1) + (slice(start, start + self._sizes[i]),)]
