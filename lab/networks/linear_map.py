"""Linear networks: linear and logistic regression, and their one-block form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lab.backend import Shape
from lab.errors import UsageError
from lab.layers import Dense, Flatten, LabelInput, Sequential
from lab.networks.network import Network
from lab.networks.perceptron import stack
from lab.networks.spec import Defaults, Norms, flat_label
from lab.registry import register
from lab.schema import check


@register("model", "linear")
@dataclass(frozen=True)
class Linear:
    """One linear map from input to outputs, or two with nothing between them.

    Linear regression under squared error, softmax regression under cross-entropy, logistic regression with one output
    under binary cross-entropy.

    units  0: the map alone, from weights of 0. More: one block of so many linear units, and a linear head on them. Then
           a local objective has a block to be asked of, and what is learnt stays linear. With label d and row x a block
           has activities W x + V d, and its sum of squares under one label less that under another is, but for a
           constant, 2 (V d - V d')^T W x: the answer by most squares is a linear classifier too
    norm   length | none | auto, of the input and the block: the trainer's. A map alone has none
    label  pixels | features | auto: as in mlp, where there is a block
    """

    units: int = 0
    norm: Literal["auto", "length", "none"] = "auto"
    label: Literal["auto", "pixels", "features"] = "auto"

    def __post_init__(self) -> None:
        check(self)
        if self.units < 0:
            raise UsageError(f"linear has units={self.units}; use 0 for the map alone, or at least 1")

    def make(self, in_shape: Shape, n_outputs: int, defaults: Defaults) -> Network:
        """The network for rows of `in_shape` and `n_outputs` classes or targets."""
        if not self.units:
            return Network([], Sequential([Flatten(), Dense(n_outputs, init="zeros")]), name="linear", label="linear")
        return stack(
            (self.units,),
            n_outputs,
            act="identity",
            norms=Norms(defaults.norm if self.norm == "auto" else self.norm),
            init="lecun",
            label_input=LabelInput(flat_label(self.label, in_shape, n_outputs)),
            label=f"linear {self.units}",
            name="linear",
        )


linear = Linear
