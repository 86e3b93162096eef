"""Network: blocks in the order in which they are visited, and a head that answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab.backend import Array, Backend, Shape
from lab.errors import UsageError
from lab.layers import LabelInput, Layer
from lab.networks.block import Block
from lab.random import generator


class Network:
    """An optional norm of the input, blocks, and a head on the last block (or on the input where there is no block).

    A description until `build`: the input's shape and the number of outputs come from the data. `label_input` tells
    how a label is written into the input, for whoever asks for one.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        head: Layer,
        *,
        input_norm: Layer | None = None,
        label_input: LabelInput | None = None,
        name: str = "network",
        label: str = "network",
    ) -> None:
        self.blocks, self.head = list(blocks), head
        self.input_norm, self.label_input = input_norm, label_input
        self.name, self.label = name, label
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
        if labelled:
            if self.label_input is None:
                raise UsageError(f"{self.label} has no place for a label in its input; give it a LabelInput")
            in_shape = self.label_input.build(in_shape, n_outputs)
        if self.input_norm is not None:
            self.input_norm.build(in_shape, ops, generator(seed, "init", "input"))
        shapes = {"input": in_shape}
        for i, block in enumerate(self.blocks):
            missing = [s.name for s in block.sources if s.name not in shapes]
            if missing:
                raise UsageError(f"{block.name} reads {missing[0]!r}, whose shape is not known yet")
            rng = generator(seed, "init", i)
            shapes[block.name] = block.build([shapes[s.name] for s in block.sources], ops, rng)
        self.head.build(shapes[self.last], ops, generator(seed, "init", "head"))

    @property
    def last(self) -> str:
        """The name of what the head reads."""
        return self.blocks[-1].name if self.blocks else "input"

    def parameters(self) -> dict[str, Array]:
        """All parameters by name: "block1.input.1.W", "head.0.W"."""
        params = {f"{block.name}.{key}": p for block in self.blocks for key, p in block.params.items()}
        return params | {f"head.{key}": p for key, p in self.head.params.items()}

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
