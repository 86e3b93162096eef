"""Layers: each with its forward, its backward and the formulas of both. No layer knows who trains it."""

from __future__ import annotations

from lab.layers.activation import (
    Activation,
    ActivationName,
    Identity,
    LeakyReLU,
    ReLU,
    Sigmoid,
    Softmax,
    Swish,
    Tanh,
    activation,
)
from lab.layers.analog import AnalogDense
from lab.layers.base import Cache, Ctx, Grads, Layer, Noise, settle
from lab.layers.batch_norm import BatchNorm
from lab.layers.black_box import BlackBox, Surrogate
from lab.layers.center import Center
from lab.layers.concat import Concat
from lab.layers.conv import Conv2D
from lab.layers.dense import Dense
from lab.layers.dropout import Dropout
from lab.layers.group_norm import GroupNorm
from lab.layers.gru import GRU
from lab.layers.initializers import Init
from lab.layers.label_input import LabelInput, LabelMode
from lab.layers.local import LocallyConnected2D
from lab.layers.lstm import LSTM
from lab.layers.norm import LengthNorm
from lab.layers.pool import AvgPool2D, GlobalAvgPool, MaxPool2D
from lab.layers.reshape import Flatten, ImageRows, Unflatten
from lab.layers.residual import Residual
from lab.layers.rnn import RNN
from lab.layers.sequential import Sequential
from lab.layers.time_distributed import TimeDistributed

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "ActivationName",
    "AnalogDense",
    "AvgPool2D",
    "BatchNorm",
    "BlackBox",
    "Cache",
    "Center",
    "Concat",
    "Conv2D",
    "Ctx",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAvgPool",
    "Grads",
    "GroupNorm",
    "Identity",
    "ImageRows",
    "Init",
    "LabelInput",
    "LabelMode",
    "Layer",
    "LeakyReLU",
    "LengthNorm",
    "LocallyConnected2D",
    "MaxPool2D",
    "Noise",
    "ReLU",
    "Residual",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Surrogate",
    "Swish",
    "Tanh",
    "TimeDistributed",
    "Unflatten",
    "activation",
    "settle",
]
