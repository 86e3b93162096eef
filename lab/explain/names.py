"""What arrays of a network are called: z1 enters block 1's activation, h1 leaves it, n1 is what others see of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lab.layers import Flatten, Layer, Sequential, Unflatten
from lab.networks import Network


@dataclass(frozen=True)
class Role:
    """A layer's part in its network: whose it is, what it reads and makes, and what its parameters are called."""

    layer: Layer
    owner: str
    reads: str
    makes: str
    number: str

    @property
    def title(self) -> str:
        """The layer's kind."""
        return type(self.layer).__name__

    @property
    def flops(self) -> int:
        """Of one row's forward; 0 for a layer made of others, which are counted themselves."""
        return 0 if children(self.layer) else self.layer.flops()

    def parameter(self, key: str) -> str:
        """W of block 1 is W1."""
        return f"{key}{self.number}"


def children(layer: Layer) -> list[Layer]:
    """The layers that a layer is made of."""
    found: list[Layer] = []
    for value in vars(layer).values():
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
        found += [v for v in inner if isinstance(v, Layer) and not any(v is f for f in found)]
    return found


def roles(network: Network) -> list[Role]:
    """Every layer of the network that computes something, in the order of the forward pass."""
    found: list[Role] = []
    names = {"input": "x" if network.input_norm is None else "n0", "label": "label"}
    names |= {b.name: f"h{i}" if b.norm is None else f"n{i}" for i, b in enumerate(network.blocks, 1)}
    if network.center is not None:
        found.append(Role(network.center, "input", "x", "x", "0"))
    if network.input_norm is not None:
        found.append(Role(network.input_norm, "input", "x", "n0", "0"))
    for i, block in enumerate(network.blocks, 1):
        for source, body in zip(block.sources, block.bodies, strict=True):
            own = str(i) if len(block.bodies) == 1 else f"{i}({source.name})"
            found += _chain(body, block.name, names[source.name], f"z{own}", own)
        found.append(Role(block.activation, block.name, f"z{i}", f"h{i}", str(i)))
        if block.norm is not None:
            found.append(Role(block.norm, block.name, f"h{i}", f"n{i}", str(i)))
    return found + _chain(network.head, "head", names[network.last], "o", " head")


def _chain(body: Layer, owner: str, reads: str, makes: str, number: str) -> list[Role]:
    """A body's layers one after the other; those inside another layer come before it, and reshaping is left out."""
    leaves = [layer for layer in _line(body) if not isinstance(layer, Flatten | Unflatten)]
    found: list[Role] = []
    for k, layer in enumerate(leaves):
        last = k == len(leaves) - 1
        end = makes if last else f"{type(layer).__name__.lower()}{number}"
        inner = [r for child in children(layer) for r in _chain(child, owner, reads, f"{end}'", number)]
        found += [*inner, Role(layer, owner, reads, end, number)]
        reads = end
    return found


def _line(layer: Layer) -> Iterator[Layer]:
    if isinstance(layer, Sequential):
        for inner in layer.layers:
            yield from _line(inner)
    else:
        yield layer
