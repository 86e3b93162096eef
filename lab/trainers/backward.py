"""Forward and backward through a whole network, with all caches kept or with most of them made again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from lab.backend import Array
from lab.layers import Cache, Ctx, Grads
from lab.networks import Network

Deliver = Callable[[str, Grads], None]


@dataclass
class _Segment:
    """Neighbouring blocks: their caches, or the values that they read, from which the caches are made again."""

    blocks: range
    caches: list[tuple[Cache, Cache]] | None
    entry: dict[str, Array]

    def taken(self) -> dict[str, Array]:
        """The entry, which the segment holds no longer."""
        found, self.entry = self.entry, {}
        return found


@dataclass
class Tape:
    """What a forward pass leaves for the backward: segments in order, the head's cache, and the rows' mask."""

    segments: list[_Segment] = field(default_factory=list)
    head: Cache = None
    mask: Array | None = None


def forward(network: Network, x: Any, ctx: Ctx, recompute: int = 0) -> tuple[Array, Tape]:
    """The head's output for rows x, and the tape (empty unless ctx.keep).

    recompute = k > 0 keeps only what every k-th block reads, and the caches of the last k blocks: activations in memory
    are about depth / k + k arrays instead of depth, for one more forward pass (Chen et al. 2016, section 4).
    """
    ctx = network.context(x, ctx)
    values: dict[str, Array] = {"input": network.enter(x, ctx)}
    del x
    tape = Tape(mask=ctx.mask)
    depth = len(network.blocks)
    length = recompute or max(1, depth)
    for first in range(0, depth, length):
        blocks = range(first, min(depth, first + length))
        again = ctx.keep and recompute > 0 and blocks.stop < depth
        entry = dict(values) if again else {}
        caches = run_blocks(network, blocks, values, ctx.keeping(ctx.keep and not again))
        if ctx.keep:
            tape.segments.append(_Segment(blocks, None if again else caches, entry))
        del entry, caches
    output, tape.head = network.head.forward(values[network.last], ctx)
    return output, tape


def backward(
    network: Network, tape: Tape, upstream: Array, ctx: Ctx, deliver: Deliver, statistics: dict[str, Array]
) -> None:
    """Send the output's gradient back; `deliver(unit, grads)` gets the head's parameters' gradients, then each block's.

    By the time a unit is delivered its input gradients are computed, so its parameters may be changed there and then.
    The tape is consumed: what a unit kept is free once it has been passed. `statistics` is filled with what the running
    statistics become.
    """
    usage, ctx = ctx.ops.usage, replace(ctx, mask=tape.mask)
    with usage.during("head backward", "activations"):
        first, grads = network.head.backward(upstream, tape.head, ctx, need_dx=bool(network.blocks))
        statistics |= {f"head.{key}": s for key, s in network.head.statistics(tape.head).items()}
    tape.head = None
    del upstream
    deliver("head", grads)
    del grads
    # gradients of what blocks pass on; the input, which the head reads where there is no block, needs none
    waiting = {} if first is None else {network.last: first}
    del first
    while tape.segments:
        segment = tape.segments.pop()
        if segment.caches is None:
            with usage.during(f"{network.blocks[segment.blocks.start].name} recomputed", "activations"):
                # the values go with the call: the highest block's output is in its cache, and must not outlive it
                segment.caches = run_blocks(network, segment.blocks, segment.taken(), ctx)
        back_through(network, segment.blocks, segment.caches, waiting, ctx, deliver, statistics)


def back_through(
    network: Network, blocks: range, caches: list[tuple[Cache, Cache]], waiting: dict[str, Array], ctx: Ctx,
    deliver: Deliver, statistics: dict[str, Array],
) -> None:  # fmt: skip
    """Backward through `blocks`, last first, consuming their caches.

    `waiting` has the gradients of what blocks pass on, by name: a block takes its own out and adds those of the blocks
    that it reads.
    """
    usage = ctx.ops.usage
    for i in reversed(blocks):
        block = network.blocks[i]
        cache, norm_cache = caches.pop()
        statistics |= {f"{block.name}.{key}": s for key, s in block.statistics(cache).items()}
        with usage.during(f"{block.name} backward", "activations"):
            dn = waiting.pop(block.name, None)
            if dn is None:  # nothing reads this block: the loss does not depend on it
                grads = {key: ctx.ops.zeros(p.shape, kind="gradients") for key, p in block.params.items()}
            else:
                dh = block.pass_back(dn, norm_cache, ctx)
                needs = [source.name != "input" for source in block.sources]
                dxs, grads = block.backward(dh, cache, ctx, need_dx=needs)
                del dh
                for source, dx in zip(block.sources, dxs, strict=True):
                    if dx is not None:
                        waiting[source.name] = waiting[source.name] + dx if source.name in waiting else dx
                    del dx
                del dxs
            del dn, cache, norm_cache
        deliver(block.name, grads)
        del grads


def run_blocks(network: Network, blocks: range, values: dict[str, Array], ctx: Ctx) -> list[tuple[Cache, Cache]]:
    """Forward through `blocks`, reading and replacing `values`; returns their caches."""
    caches = []
    for i in blocks:
        block = network.blocks[i]
        with ctx.ops.usage.during(f"{block.name} forward", "activations"):
            h, cache = block.respond([values[source.name] for source in block.sources], ctx)
            values[block.name], norm_cache = block.pass_on(h, ctx)
        caches.append((cache, norm_cache))
        del h, cache, norm_cache
        for name in network.unread_after(i):
            del values[name]
    return caches
