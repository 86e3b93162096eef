"""Recurrent networks: layers of RNN, LSTM or GRU units over the steps of a sequence, one block each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from lab.backend import Shape
from lab.errors import UsageError
from lab.layers import (
    GRU,
    LSTM,
    RNN,
    Dense,
    Dropout,
    Flatten,
    Identity,
    ImageRows,
    LabelInput,
    Layer,
    LengthNorm,
    Sequential,
)
from lab.networks.block import Block
from lab.networks.network import Network
from lab.networks.spec import Defaults, Norms, read_by
from lab.registry import register
from lab.schema import check


@dataclass(frozen=True)
class RecurrentNetwork(ABC):
    """`depth` layers of `units`, each a block that reads every step of the one before it, and a linear head.

    Rows are sequences (T, F), or images, which are read row by row from the top: 28 steps of 28 numbers for MNIST.

    output  last | steps: the last block answers with its state after the last step, or with all its states, which the
            head reads side by side. The blocks before it always answer with all of theirs
    bptt    full, or how many steps gradients go back in time; 1 is local in time
    masked  rows are (T, 1 + F), and the first number of a step is 1 where the step exists and 0 where it fills up
    norm    length | none | auto: as in mlp, the trainer's
    where   row | step | auto: the length that norm=length divides out is that of all steps together, or of each step by
            itself, to be the same as what an objective sums over. auto is row, and step where rows are masked: the
            length of a whole row would depend on how far it is filled up
    init    lecun | he | glorot: of the weights from the input; those from state to state start orthogonal
    dropout  rate at every block's input but the first
    label   steps | pixels | auto: as in LabelInput; auto is steps
    label_scale  what the numbers that stand for a label are multiplied by
    """

    kind: ClassVar[str]

    units: int = 128
    depth: int = 1
    output: Literal["last", "steps"] = "last"
    bptt: int | Literal["full"] = "full"
    masked: bool = False
    norm: Literal["auto", "length", "none"] = "auto"
    where: Literal["auto", "row", "step"] = "auto"
    init: Literal["lecun", "he", "glorot"] = "lecun"
    dropout: float = 0.0
    label: Literal["auto", "steps", "pixels"] = "auto"
    label_scale: float = 1.0

    def __post_init__(self) -> None:
        check(self)
        if self.depth < 1:
            raise UsageError(f"{self.kind} needs depth of at least 1, got depth={self.depth}")
        if self.masked and self.where == "row":
            raise UsageError(
                f"{self.kind} where=row divides by the length of the whole row, which depends on how far a masked row "
                "is filled up; use where=step"
            )
        self._layer("last")
        Dropout(self.dropout)

    def make(self, in_shape: Shape, n_outputs: int, defaults: Defaults) -> Network:
        """The network for rows of `in_shape`, (T, F) or (C, H, W), and `n_outputs` classes or targets."""
        if len(in_shape) not in (2, 3):
            raise UsageError(
                f"{self.kind} takes sequences (T, F), or images row by row, but rows have shape {in_shape}; use an mlp"
            )
        norm = defaults.norm if self.norm == "auto" else self.norm
        by_step = self.where == "step" or (self.where == "auto" and self.masked)
        if norm not in get_args(Literal["length", "none"]):
            raise UsageError(f"{self.kind} knows no norm={norm} over steps; use norm=length or norm=none")
        norms = Norms(norm, axes=(2,) if by_step else None)
        blocks = []
        for i in range(self.depth):
            last = i == self.depth - 1
            output = self.output if last else "steps"
            before: list[Layer] = [ImageRows()] if i == 0 else [Dropout(self.dropout)] if self.dropout else []
            body = Sequential([*before, self._layer(output)])
            passed_on = norms.passed_on(whole=output == "last")
            blocks.append(Block(f"block{i + 1}", body, Identity(), passed_on, read_by(i)))
        reading = [Flatten(), *([Dropout(self.dropout)] if self.dropout else [])]
        # of a masked row each step by itself, as between blocks; of an image the whole, whose dark rows stay dark
        of_input = LengthNorm((2,)) if norm == "length" and self.masked else norms.of_input()
        return Network(
            blocks,
            Sequential([*reading, Dense(n_outputs)]),
            input_norm=of_input,
            label_input=LabelInput("steps" if self.label == "auto" else self.label, scale=self.label_scale),
            masked=self.masked,
            name=self.kind,
            label=f"{self.kind} {self.depth}x{self.units}",
        )

    @abstractmethod
    def _layer(self, output: Literal["last", "steps"]) -> Layer:
        """One layer of the kind."""

    def _options(self, output: Literal["last", "steps"]) -> dict[str, Any]:
        return {"output": output, "bptt": None if self.bptt == "full" else self.bptt, "init": self.init}


@register("model", "rnn")
@dataclass(frozen=True)
class RNNNetwork(RecurrentNetwork):
    """Layers of plain recurrent units. `activation`: tanh | relu. The rest: see `RecurrentNetwork`."""

    kind: ClassVar[str] = "rnn"

    activation: Literal["tanh", "relu"] = "tanh"

    def _layer(self, output: Literal["last", "steps"]) -> Layer:
        return RNN(self.units, activation=self.activation, **self._options(output))


@register("model", "lstm")
@dataclass(frozen=True)
class LSTMNetwork(RecurrentNetwork):
    """Layers of LSTM units. `forget_bias`: where the forget gates' biases start. The rest: see `RecurrentNetwork`."""

    kind: ClassVar[str] = "lstm"

    forget_bias: float = 1.0

    def _layer(self, output: Literal["last", "steps"]) -> Layer:
        return LSTM(self.units, forget_bias=self.forget_bias, **self._options(output))


@register("model", "gru")
@dataclass(frozen=True)
class GRUNetwork(RecurrentNetwork):
    """Layers of GRU units. The options: see `RecurrentNetwork`."""

    kind: ClassVar[str] = "gru"

    def _layer(self, output: Literal["last", "steps"]) -> Layer:
        return GRU(self.units, **self._options(output))


rnn, lstm, gru = RNNNetwork, LSTMNetwork, GRUNetwork
