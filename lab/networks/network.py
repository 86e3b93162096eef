"""Network: blocks in the order in which they are visited, and a head that answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from lab.backend import Array, Backend, Shape
from lab.errors import UsageError
from lab.layers import Ctx, LabelInput, Layer
from lab.networks.block import Block
from lab.random import generator


class Network:
    """An optional norm of the input, blocks, and a head on the last block (or on the input where there is no block).

    A description until `build`: the input's shape and the number of outputs come from the data. `label_input` tells
    how a label is written into the input, for whoever asks for one.

    Blocks may read with a delay what lies above them, and a label that is clamped beside them (`LabelInput("clamp")`,
    the source "label"). `walk` is then the pass from the bottom up that gives every block its first state; how often
    blocks are visited after it is a trainer's business.

    `center` is put between a row and all else, the label that is written into it too: `labelled` does that where
    there is a label, `enter` where there is none.

    `masked`: rows are sequences (T, 1 + F) of different lengths. The first number of a step says whether it exists: 1,
    or 0 where the row is filled up with zeros. It becomes the pass's mask (`Ctx.mask`); the blocks see the F others.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        head: Layer,
        *,
        input_norm: Layer | None = None,
        center: Layer | None = None,
        label_input: LabelInput | None = None,
        masked: bool = False,
        name: str = "network",
        label: str = "network",
    ) -> None:
        self.blocks, self.head = list(blocks), head
        self.input_norm, self.center, self.label_input = input_norm, center, label_input
        self.name, self.label, self.masked = name, label, masked
        seen = {"input"}
        for block in self.blocks:
            for source in block.sources:
                if source.delay == 0 and source.name not in seen:
                    raise UsageError(f"{block.name} reads {source.name!r}, which is not visited before it")
            if block.name in seen:
                raise UsageError(f"two blocks are called {block.name!r}; give each its own name")
            seen.add(block.name)

    def build(self, in_shape: Shape, n_outputs: int, ops: Backend, seed: int, *, labelled: bool) -> None:
        """Make all parameters from `seed`; `labelled`: rows arrive with a label in them.

        Each block draws from a stream of its own, so equal seeds give equal bodies whatever head follows.
        """
        self.in_shape, self.n_outputs = in_shape, n_outputs
        if self.center is not None:
            self.center.build(in_shape, ops, generator(seed, "init", "center"))
        if labelled:
            if self.label_input is None:
                raise UsageError(f"{self.label} has no place for a label in its input; give it a LabelInput")
            in_shape = self.label_input.build(in_shape, n_outputs)
        self._written = labelled and self.label_input is not None and self.label_input.mode != "clamp"
        if self.masked:
            in_shape = self._without_mask(in_shape, labelled)
        if self.input_norm is not None:
            self.input_norm.build(in_shape, ops, generator(seed, "init", "input"))
        shapes = {"input": in_shape}
        if labelled and self.label_input is not None and self.label_input.mode == "clamp":
            shapes["label"] = (n_outputs,)
        for i, block in enumerate(self.blocks):
            with _named(block):
                known = [shapes.get(source.name) for source in block.sources]
                shapes[block.name] = block.build(known, ops, generator(seed, "init", i))
        for block in self.blocks:
            with _named(block):
                block.build_delayed([shapes.get(source.name) for source in block.sources], ops)
        readers = [body for block in self.blocks for source, body in zip(block.sources, block.bodies, strict=True)
                   if source.name == "input"]  # fmt: skip
        self.shares_images = (
            not self.masked
            and (self.label_input is None or self.label_input.one_place)
            and all(body.labelled == "takes" for body in readers)
            and (self.input_norm is None or self.input_norm.labelled == "passes")
        )
        self.head.build(shapes[self.last], ops, generator(seed, "init", "head"))

    def labelled(self, x: Array, labels: Sequence[Array], ops: Backend, base: Any = None) -> tuple[Any, Any]:
        """Rows of x with each of `labels`, for `enter` or `walk`, and what they share, for the next call with this x.

        They are written out only where a layer that reads the input needs that.
        """
        assert self.label_input is not None, "build saw to that"
        if self.center is not None and base is None:
            x = self.center.forward(x, Ctx(ops))[0]
        if not self.shares_images:
            return self.label_input.embed(x, labels, ops), None
        rows = self.label_input.unwritten(x, labels, ops, base)
        return rows, rows.base

    def context(self, x: Array, ctx: Ctx) -> Ctx:
        """How a pass over rows x runs: as `ctx` says, under the mask that the rows bring with them."""
        return replace(ctx, mask=x[:, :, 0] > 0) if self.masked else ctx

    def enter(self, x: Array, ctx: Ctx) -> Array:
        """What the blocks see of the input x: without its mask, centred and normalised where the network does that."""
        x = x[:, :, 1:] if self.masked else x
        if self.center is not None and not self._written:
            x = self.center.forward(x, ctx.keeping(False))[0]
        return x if self.input_norm is None else self.input_norm.forward(x, ctx.keeping(False))[0]

    def walk(self, x: Array, ctx: Ctx) -> Iterator[tuple[Block, Array, Array]]:
        """Forward through all blocks, keeping nothing: (block, h, norm(h)) in order, in memory flat in depth."""
        ctx = self.context(x, ctx)
        values = {"input": self.enter(x, ctx)}
        del x
        yield from self.walk_on(range(len(self.blocks)), values, ctx)

    def walk_on(self, blocks: range, values: dict[str, Array], ctx: Ctx) -> Iterator[tuple[Block, Array, Array]]:
        """`walk` over these blocks alone, from `values` by name, which is left as later blocks need it."""
        for i in blocks:
            block = self.blocks[i]
            read = [None if source.delay else values[source.name] for source in block.sources]
            h, _ = block.respond(read, ctx.keeping(False))
            del read
            values[block.name], _ = block.pass_on(h, ctx.keeping(False))
            yield block, h, values[block.name]
            del h
            for name in self.unread_after(i):
                del values[name]

    def waiting_after(self, i: int) -> list[str]:
        """The values that are still read once block i has been visited, in the order in which they were made."""
        names = ["input", *(block.name for block in self.blocks[: i + 1])]
        gone = {name for j in range(i + 1) for name in self.unread_after(j)}
        return [name for name in names if name not in gone]

    def _without_mask(self, in_shape: Shape, labelled: bool) -> Shape:
        """The shape of a row as the blocks see it. Raises UsageError where the row, or its label, leaves no mask."""
        if len(self.in_shape) != 2 or self.in_shape[1] < 2:
            raise UsageError(
                f"{self.label} is masked and takes sequences (T, 1 + F), the first number of a step being 1 where it "
                f"exists, but its input has shape {self.in_shape}"
            )
        if labelled and (len(in_shape) != 2 or in_shape[1] <= self.in_shape[1]):
            raise UsageError(
                f"{self.label} is masked, and its label input would write over what says which steps exist; "
                "use one that appends the label to every step"
            )
        return in_shape[0], in_shape[1] - 1

    def unread_after(self, i: int) -> list[str]:
        """The values that nothing reads any more once block i has been visited."""
        read_later = {source.name for block in self.blocks[i + 1 :] for source in block.sources if not source.delay}
        return sorted({s.name for s in self.blocks[i].sources if not s.delay} - read_later - {self.last})

    def input_readers(self) -> list[Block]:
        """The blocks that read the input."""
        return [block for block in self.blocks if any(source.name == "input" for source in block.sources)]

    def layers(self) -> Iterator[Layer]:
        """All layers of blocks and head, those that others are made of included, in the order of a pass."""
        waiting = [layer for block in self.blocks for layer in (*block.bodies, block.activation, block.norm)]
        waiting = [*waiting, self.head][::-1]
        while waiting:
            if (layer := waiting.pop()) is not None:
                yield layer
                waiting += reversed(layer.inner())

    @property
    def delayed(self) -> bool:
        """Whether a block reads with a delay, so that the network has to be gone over more than once."""
        return any(source.delay for block in self.blocks for source in block.sources)

    @property
    def last(self) -> str:
        """The name of what the head reads."""
        return self.blocks[-1].name if self.blocks else "input"

    def parameters(self) -> dict[str, Array]:
        """All parameters by name: "block1.input.1.W", "head.0.W"."""
        params = self.block_parameters()
        return params | {f"head.{key}": p for key, p in self.head.params.items()}

    def block_parameters(self) -> dict[str, Array]:
        """The blocks' parameters by name, without the head's."""
        return {f"{block.name}.{key}": p for block in self.blocks for key, p in block.params.items()}

    def block_statistics(self) -> dict[str, Array]:
        """The blocks' running statistics by name: "block1.input.1.mean"."""
        return {f"{block.name}.{key}": s for block in self.blocks for key, s in block.stats.items()}

    def statistics(self) -> dict[str, Array]:
        """All running statistics by name, the head's included."""
        return self.block_statistics() | {f"head.{key}": s for key, s in self.head.stats.items()}

    def flops(self) -> int:
        """Floating-point operations of one row's forward pass through blocks and head."""
        return sum(block.flops() for block in self.blocks) + self.head.flops()

    def describe(self) -> dict[str, Any]:
        """Names, shapes and sizes, for the record."""
        blocks = [
            {"name": b.name, "out_shape": list(b.shape), "parameters": sum(int(p.size) for p in b.params.values())}
            for b in self.blocks
        ]
        return {
            "name": self.name,
            "label": self.label,
            "parameters": sum(b["parameters"] for b in blocks),
            "head_parameters": sum(int(p.size) for p in self.head.params.values()),
            "blocks": blocks,
        }


@contextmanager
def _named(block: Block) -> Iterator[None]:
    """Errors of what a block is made of say whose they are."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{block.name}: {error}") from None
