"""Networks: blocks of layers, and the named descriptions that make them."""

from __future__ import annotations

from lab.networks.analog import AnalogMLP, analog_mlp
from lab.networks.block import Block, Source
from lab.networks.boxed import BoxedMLP, boxed_mlp
from lab.networks.convolutional import CNN, cnn
from lab.networks.fields import LocalFields, local_fields
from lab.networks.linear_map import Linear, linear
from lab.networks.network import Network
from lab.networks.perceptron import MLP, mlp
from lab.networks.recurrent import gru, lstm, rnn
from lab.networks.spec import Defaults, NetworkSpec

__all__ = [
    "CNN",
    "MLP",
    "AnalogMLP",
    "Block",
    "BoxedMLP",
    "Defaults",
    "Linear",
    "LocalFields",
    "Network",
    "NetworkSpec",
    "Source",
    "analog_mlp",
    "boxed_mlp",
    "cnn",
    "gru",
    "linear",
    "local_fields",
    "lstm",
    "mlp",
    "rnn",
]
