"""Perceptrons with something unknown between their blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lab.backend import Shape
from lab.errors import UsageError
from lab.layers import ActivationName, BlackBox, LabelInput, Layer, activation
from lab.networks.network import Network
from lab.networks.perceptron import stack
from lab.networks.spec import Defaults, Norms, flat_label
from lab.registry import register
from lab.schema import check


@register("model", "boxed_mlp")
@dataclass(frozen=True)
class BoxedMLP:
    """As mlp, with a black box between each block and the next: stochastic, without a derivative, known to nobody.

    strength  0: nothing is changed; 1: all that the next block sees has gone through the box
    levels    values that the box rounds to
    noise     relative standard deviation of each value, drawn anew in every pass
    flips     probability that a value's sign turns, drawn anew in every pass
    The box's mixing of all units is drawn once from the run's seed. norm=length gives the box rows of unit mean square
    whoever trains. The rest as in mlp.
    """

    depth: int = 3
    width: int = 500
    strength: float = 1.0
    levels: int = 5
    noise: float = 0.2
    flips: float = 0.05
    activation: ActivationName = "relu"
    norm: Literal["auto", "length", "none"] = "length"
    init: Literal["auto", "lecun", "he", "glorot"] = "auto"
    label: Literal["auto", "pixels", "features"] = "auto"

    def __post_init__(self) -> None:
        check(self)
        if self.depth < 2 or self.width < 1:
            raise UsageError(
                f"boxed_mlp needs depth of at least 2, for a box between, and width of at least 1, got "
                f"depth={self.depth} width={self.width}"
            )
        activation(self.activation)
        self._box()

    def make(self, in_shape: Shape, n_outputs: int, defaults: Defaults) -> Network:
        """The network for rows of `in_shape` and `n_outputs` classes or targets."""
        return stack(
            (self.width,) * self.depth,
            n_outputs,
            act=self.activation,
            norms=Norms(defaults.norm if self.norm == "auto" else self.norm),
            init=defaults.init if self.init == "auto" else self.init,
            label_input=LabelInput(flat_label(self.label, in_shape, n_outputs)),
            label=f"boxed mlp {self.depth}x{self.width}",
            name="boxed_mlp",
            around=self._behind_a_box,
        )

    def _behind_a_box(self, i: int, body: list[Layer]) -> list[Layer]:
        return [self._box(), *body] if i else body

    def _box(self) -> BlackBox:
        return BlackBox(self.strength, self.levels, self.noise, self.flips)


boxed_mlp = BoxedMLP
