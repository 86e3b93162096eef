"""A network that settles: from the states of one bottom-up pass, all blocks at once, iteration after iteration.

    s_l(0)   = f(W_l n_{l-1}(0))                                                    in order, from the bottom up
    h_l(t)   = f(W_l n_{l-1}(t-1) + V_l n_{l+1}(t-1)),  n = norm(s)                 l = 1 .. L
    s_l(t)   = (1 - damping) h_l(t) + damping s_l(t-1)

n_0 is the image and n_{L+1} the label, both clamped: the same at every t. Each block reads what its neighbours passed
on an iteration before, so that it makes no difference in which order blocks are visited (Hinton 2022, section 3.4). Two
iterations are held at a time, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from lab.backend import Array
from lab.layers import Ctx
from lab.networks import Block, Network
from lab.objectives import Rows
from lab.trainers.local import Pass


@dataclass
class SettlingPass(Pass):
    """Rows that settle together. `states` are the blocks' activities s by name, `values` what they passed on, n."""

    states: dict[str, Array] = field(default_factory=dict)

    def state(self, block: Block, h: Array) -> Array:
        """The block's new state from what it responded, (1 - damping) h + damping s, kept for the next iteration."""
        ops, old = self.ctx.ops, self.states[block.name]
        new, part = ops.empty(h.shape), ops.empty(h.shape, kind="workspace")
        ops.xp.multiply(h, self.share, out=new)
        ops.xp.multiply(old, 1 - self.share, out=part)
        new += part
        self.states[block.name] = new
        return new


@dataclass
class FirstPass:
    """What one pass from the bottom up gives every block, under no label: states s(0) and what they pass on, n(0)."""

    values: dict[str, Array]
    states: dict[str, Array]

    @classmethod
    def over(cls, network: Network, images: Array, ctx: Ctx) -> FirstPass:
        """Of these images."""
        ctx = network.context(images, ctx)
        first = cls({"input": network.enter(images, ctx)}, {})
        left = dict(first.values)  # `walk_on` takes out of it what is read no more
        for block, h, n in network.walk_on(range(len(network.blocks)), left, ctx):
            first.states[block.name], first.values[block.name] = h, n
        return first

    def clamped(self, network: Network, labels: list[Array], rows: Rows, ctx: Ctx, damping: float) -> SettlingPass:
        """A pass over the images once for each of `labels`, distributions (N, K), clamped above the blocks."""
        label, ops = network.label_input, ctx.ops
        assert label is not None

        def again(x: Array) -> Array:
            if len(labels) == 1:
                return x
            out = ops.empty((len(labels) * len(x), *x.shape[1:]))
            for i in range(len(labels)):
                out[i * len(x) : (i + 1) * len(x)] = x
            return out

        given = labels[0] if len(labels) == 1 else ops.xp.concatenate(labels)
        values = {name: again(n) for name, n in self.values.items()}
        states = {name: again(s) for name, s in self.states.items()}
        own = replace(ctx, noise=replace(ctx.noise, stream=1))
        return SettlingPass(rows, own, values | {"label": label.clamped(given, ops)}, 1 - damping, states)


def settle(network: Network, each: SettlingPass, iterations: int) -> Iterator[list[Array]]:
    """All blocks' states after each iteration, in order; keeps nothing, and learns nothing."""
    ctx = each.ctx.keeping(False)
    for _ in range(iterations):
        passed_on = {}
        for block in network.blocks:
            h, _ = block.respond([each.values[source.name] for source in block.sources], ctx)
            passed_on[block.name] = block.pass_on(each.state(block, h), ctx)[0]
            del h
        each.values |= passed_on
        del passed_on
        yield [each.states[block.name] for block in network.blocks]
