"""Block: the piece of a network that a local objective can be asked of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab.backend import Array, Backend, ScaledRows, Shape, written
from lab.errors import UsageError
from lab.layers import Cache, Ctx, Grads, Layer
from lab.networks.silent import loud_rows


@dataclass(frozen=True)
class Source:
    """Where a block reads: "input", "label" (clamped beside the blocks) or a block's name.

    delay  0: this pass; 1: the iteration before, which is how a block reads what lies above it (top-down). The first
           pass over a network, from the bottom up, has no iteration before it and leaves delayed sources out
    """

    name: str
    delay: int = 0


class Block:
    """h = activation(sum over sources of body_s(x_s)); what other blocks see of it is norm(h).

    The norm sits at a block's end, not at the next one's start: then it is computed once for every reader, and the
    activities h, of which an objective may be asked, are the ones before it.
    """

    shape: Shape  # of h
    params: dict[str, Array]
    stats: dict[str, Array]
    _streams: list[np.random.Generator]  # one for each body, for the activation and for the norm
    _arriving: Shape | None  # what the bodies' outputs are added up in

    def __init__(
        self,
        name: str,
        body: Layer | Sequence[Layer],
        activation: Layer,
        norm: Layer | None = None,
        sources: Sequence[Source] = (Source("input"),),
    ) -> None:
        self.name, self.activation, self.norm = name, activation, norm
        self.bodies = [body] if isinstance(body, Layer) else list(body)
        self.sources = tuple(sources)
        if len(self.bodies) != len(self.sources):
            raise UsageError(f"{name} has {len(self.sources)} sources and {len(self.bodies)} bodies; give each its own")

    def build(self, in_shapes: Sequence[Shape | None], ops: Backend, rng: np.random.Generator) -> Shape:
        """Make the parameters; returns the shape of h. Raises UsageError where the bodies' outputs differ in shape.

        What reads with a delay is made by `build_delayed`, once the shape of every block is known.
        """
        self.params, self.stats = {}, {}
        self._streams, self._arriving = rng.spawn(len(self.bodies) + 2), None
        self._build_bodies([i for i, source in enumerate(self.sources) if not source.delay], in_shapes, ops)
        if self._arriving is None:
            raise UsageError(f"{self.name} reads delayed sources alone, so that a first pass gives it no state")
        self.shape = self.activation.build(self._arriving, ops, self._streams[-2])
        if self.norm is not None:
            self.norm.build(self.shape, ops, self._streams[-1])
        return self.shape

    def build_delayed(self, in_shapes: Sequence[Shape | None], ops: Backend) -> None:
        """Make the parameters of what reads with a delay; raises UsageError as `build` does."""
        self._build_bodies([i for i, source in enumerate(self.sources) if source.delay], in_shapes, ops)

    def _build_bodies(self, these: Sequence[int], in_shapes: Sequence[Shape | None], ops: Backend) -> None:
        for i in these:
            shape, source, body = in_shapes[i], self.sources[i], self.bodies[i]
            if shape is None:
                raise UsageError(f"{self.name} reads {source.name!r}, which the network does not have")
            arriving = body.build(shape, ops, self._streams[i])
            if self._arriving not in (None, arriving):
                shapes = [self._arriving, arriving]
                raise UsageError(
                    f"the sources of {self.name} arrive with shapes {shapes}; they are summed and must agree"
                )
            self._arriving = arriving
            self.params |= {f"{source.name}.{key}": p for key, p in body.params.items()}
            self.stats |= {f"{source.name}.{key}": s for key, s in body.stats.items()}

    def respond(self, inputs: Sequence[Array | None], ctx: Ctx, nudge: Array | None = None) -> tuple[Array, Cache]:
        """h for the sources' values, and the cache (None unless ctx.keep).

        A source without a value (None) adds nothing, in a pass that keeps nothing. `nudge` (N, *shape) is added before
        the activation: for whoever tries what a change there does.
        """
        z: Array | None = None
        caches: list[Any] = []
        summed = False  # whether z is a sum of our own; the first body's output may be in its cache
        for body, x in zip(self.bodies, inputs, strict=True):
            if x is None:
                assert not ctx.keep, "backward goes to all sources"
                continue
            out, cache = body.forward(x, ctx)
            caches.append(cache)
            if z is None:
                z = out
            else:
                z = ctx.ops.xp.add(z, out, out=z if summed else ctx.ops.empty(z.shape))
                summed = True
            del out
        assert z is not None
        if nudge is not None:
            z = ctx.ops.xp.add(z, nudge, out=ctx.ops.empty(z.shape))
        own = nudge is not None or summed or self.bodies[0].fresh
        h, last = self.activation.overwrite(z, ctx) if own else self.activation.forward(z, ctx)
        return h, (caches, last) if ctx.keep else None

    def pass_on(self, h: Array, ctx: Ctx) -> tuple[Array, Cache]:
        """norm(h): what other blocks and readouts see."""
        return (h, None) if self.norm is None else self.norm.forward(h, ctx)

    def pass_back(self, dn: Array, cache: Cache, ctx: Ctx) -> Array:
        """The gradient for h from that for norm(h)."""
        if self.norm is None:
            return dn
        dh, _ = self.norm.backward(dn, cache, ctx)
        assert dh is not None
        return dh

    def backward(
        self,
        dh: Array | ScaledRows,
        cache: Cache,
        ctx: Ctx,
        dz: tuple[slice, Array] | None = None,
        need_dx: Sequence[bool] | None = None,
    ) -> tuple[list[Array | None], Grads]:
        """The sources' gradients (None where not needed) and the parameters', from dh.

        `dz` = (rows, value) is added to the gradient behind the activation: for terms that it does not gate.
        """
        needs = need_dx if need_dx is not None else [True] * len(self.bodies)
        caches, last = cache
        loud = None if any(needs) else loud_rows(self.bodies, self.activation, dh, cache, ctx, dz)
        if loud is not None:
            da, caches = loud
        else:
            if not self.activation.takes_scaled:
                dh = written(dh, ctx.ops)
            found, _ = self.activation.backward(dh, last, ctx)  # type: ignore[arg-type]  # those that take it say so
            assert found is not None
            da = found
            if dz is not None:
                da[dz[0]] += dz[1]
        dxs: list[Array | None] = []
        grads: Grads = {}
        for source, body, inner, need in zip(self.sources, self.bodies, caches, needs, strict=True):
            dx, g = body.backward(da, inner, ctx, need)
            dxs.append(dx)
            grads.update({f"{source.name}.{key}": value for key, value in g.items()})
        return dxs, grads

    def statistics(self, cache: Cache) -> dict[str, Array]:
        """What the bodies' running statistics become by the pass that left `cache`, named as in `stats`."""
        return {
            f"{source.name}.{key}": s
            for source, body, inner in zip(self.sources, self.bodies, cache[0], strict=True)
            for key, s in body.statistics(inner).items()
        }

    def flops(self, delayed: bool = True) -> int:
        """Floating-point operations of one row's forward pass, elementwise work left out.

        `delayed`: of one that reads delayed sources too.
        """
        return sum(b.flops() for s, b in zip(self.sources, self.bodies, strict=True) if delayed or not s.delay)
