"""Perceptrons on analog devices, each of which is a little different."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lab.backend import Shape
from lab.errors import UsageError
from lab.layers import ActivationName, AnalogDense, Dense, LabelInput, Layer, activation
from lab.networks.network import Network
from lab.networks.perceptron import stack
from lab.networks.spec import Defaults, Norms, flat_label
from lab.registry import register
from lab.schema import check


@register("model", "analog_mlp")
@dataclass(frozen=True)
class AnalogMLP:
    """As mlp, its hidden layers on a device of unknown gains, offsets and noise, behind converters of few bits.

    bits     of the converters of what goes into each layer and comes out of it
    gains    standard deviation of what a cell makes of its weight, about 1
    offsets  standard deviation of what a unit adds, in units of an untrained unit's deviation
    noise    standard deviation of what is new in every pass, likewise
    device   whose gains and offsets these are; 0: the ideal one, that has converters alone
    Heads are computed exactly, outside the device. The rest as in mlp.
    """

    depth: int = 3
    width: int = 300
    bits: int = 8
    gains: float = 0.2
    offsets: float = 0.2
    noise: float = 0.1
    device: int = 1
    activation: ActivationName = "relu"
    norm: Literal["auto", "length", "none"] = "length"
    init: Literal["auto", "lecun", "he", "glorot"] = "auto"
    label: Literal["auto", "pixels", "features"] = "auto"

    def __post_init__(self) -> None:
        check(self)
        if self.depth < 1 or self.width < 1:
            raise UsageError(
                f"analog_mlp needs depth and width of at least 1, got depth={self.depth} width={self.width}"
            )
        activation(self.activation)
        self._layer(Dense(1), 0)

    def make(self, in_shape: Shape, n_outputs: int, defaults: Defaults) -> Network:
        """The network for rows of `in_shape` and `n_outputs` classes or targets."""
        return stack(
            (self.width,) * self.depth,
            n_outputs,
            act=self.activation,
            norms=Norms(defaults.norm if self.norm == "auto" else self.norm),
            init=defaults.init if self.init == "auto" else self.init,
            label_input=LabelInput(flat_label(self.label, in_shape, n_outputs)),
            label=f"analog mlp {self.depth}x{self.width}",
            name="analog_mlp",
            around=self._on_the_device,
        )

    def _on_the_device(self, i: int, body: list[Layer]) -> list[Layer]:
        return [self._layer(layer, i) if isinstance(layer, Dense) else layer for layer in body]

    def _layer(self, dense: Dense, place: int) -> AnalogDense:
        return AnalogDense(
            dense.units, init=dense.init, bias=dense.bias, bits=self.bits, gains=self.gains, offsets=self.offsets,
            noise=self.noise, device=self.device, place=place,
        )  # fmt: skip


analog_mlp = AnalogMLP
