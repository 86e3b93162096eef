"""What a layer is: it owns parameters, never activations.

`forward` returns its output and an explicit cache; `backward` takes that cache and returns explicit gradients. Whoever
drops the cache has freed the activations. That is the whole difference in memory between the trainers, so no layer
keeps an array of a pass on itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np

from lab.backend import Array, Backend, Shape

Cache: TypeAlias = Any
Grads: TypeAlias = dict[str, Any]  # arrays, or Products where the pass allows gradients that are not written out


@dataclass(frozen=True)
class Noise:
    """Stateless randomness of one pass: a pure function of (seed, layer, step, pass, element).

    `first_row` is where the pass begins in its batch: a batch in parts sees the noise of the whole.
    """

    seed: int
    step: int | Array = 0
    stream: int = 0
    first_row: int = 0

    def uniform(self, layer: int, shape: Shape, ops: Backend) -> Array:
        """Uniforms in [0, 1) of `shape` for the layer whose key is `layer`."""
        first = self.first_row * prod(shape[1:])
        return ops.uniform(shape, (self.seed & 0xFFFFFFFF, layer), self.step, self.stream, first)


@dataclass(frozen=True)
class Ctx:
    """How a pass runs: on which backend, with which noise, training or not, and whether a backward will follow.

    `mask` (N, T), bool, tells which steps of each row exist, where rows are sequences of different lengths: layers that
    walk over steps go by it, all others work on every step. It belongs to the pass, since it holds for all layers alike
    and is no activity: nothing may scale, normalise or learn from it. None: all steps exist.
    """

    ops: Backend
    noise: Noise = Noise(0)
    train: bool = False
    keep: bool = False
    mask: Array | None = None
    unwritten: bool = False
    spend: bool = False

    def keeping(self, keep: bool = True) -> Ctx:
        """The same pass with caches kept (or not)."""
        return replace(self, keep=keep)


class Layer(ABC):
    """A differentiable map with parameters.

    `__init__` takes hyperparameters only; `build` sees the input's shape (without the batch axis) and makes the
    parameters, so one model description fits every data set.
    """

    params: dict[str, Array]
    stats: Mapping[str, Array] = MappingProxyType({})  # running statistics: saved with the weights, without a gradient

    # What the layer does with rows whose label is not written out (lab.backend.labelled): "passes" hands them on as
    # such, "takes" computes with them, "no" needs them written.
    labelled: Literal["no", "passes", "takes"] = "no"

    # What is known of backward without need_dx, by which silent rows are left out (lab.networks.silent): "product", the
    # cache is an array of the rows that came in, and gradients are sums over rows of products of these and dy; "shape",
    # there are none, and rows change their shape alone.
    gradients: Literal["no", "product", "shape"] = "no"

    fresh = False  # the output is a new array, and the cache does not hold it: whoever gets it may overwrite it
    takes_scaled = False  # dy may be ScaledRows

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        """Make the parameters for inputs of `in_shape`; returns the output's shape. Raises UsageError on a misfit."""
        self.params = {}
        return in_shape

    @abstractmethod
    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        """y for x of shape (N, *in_shape), and what backward needs (None unless ctx.keep)."""

    def overwrite(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        """As forward; the output may take the place of x."""
        return self.forward(x, ctx)

    @abstractmethod
    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        """dx = dy . dy/dx (None unless need_dx) and the gradient of each parameter, summed over the batch."""

    def picked(self, cache: Cache, pick: Callable[[Any], Array]) -> Cache:
        """The cache with what `pick` makes of its rows in their place, of a layer whose `gradients` are products."""
        return pick(cache)

    def statistics(self, cache: Cache) -> dict[str, Array]:
        """What the running statistics `stats` become by the pass that left `cache`; {} where there are none.

        Nothing is changed here or in a pass: whoever trains copies the values into `stats` (`settle`), once an update.
        So a pass that is run again, or for its output alone, leaves no trace.
        """
        return {}

    def inner(self) -> Sequence[Layer]:
        """The layers that this one is made of."""
        return ()

    def flops(self) -> int:
        """Multiply-adds times two of one forward row; a backward costs about as much again per gradient asked for."""
        return 0


def settle(stats: Mapping[str, Array], found: Mapping[str, Array]) -> None:
    """Take over what `statistics` found."""
    for name, value in found.items():
        stats[name][...] = value
