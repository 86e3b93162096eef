"""LSTM: a recurrent layer with a memory cell behind gates."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.layers.initializers import Init
from lab.layers.recurrent import Output, Recurrent, States


class LSTM(Recurrent):
    """c_t = f c_{t-1} + i g, h_t = o tanh(c_t) (Hochreiter and Schmidhuber 1997, forget gate of Gers et al. 2000).

    The gates are one product, a = x_t W + h_{t-1} U + b (N, 4H), in the order i f o g, so that the three which go
    through the sigmoid s lie side by side: i, f, o = s(a_i), s(a_f), s(a_o) and g = tanh(a_g). With
    s(a) = (1 + tanh(a / 2)) / 2 one tanh over the whole row does all four.

    Backward, from dh_t and dc_t (what comes from the output and from step t + 1), with C = tanh(c_t):
        dc_t += dh_t o (1 - C^2)
        da_i = dc_t g i (1 - i),  da_f = dc_t c_{t-1} f (1 - f),  da_o = dh_t C o (1 - o),  da_g = dc_t i (1 - g^2)
        dc_{t-1} = dc_t f,  dh_{t-1} = da U^T;  dW, dU, db and dx as in RNN.
    Kept are the gates, c and h: 6 numbers a unit and step; C is computed again. The forget gate's bias starts at
    `forget_bias`: at 1 the cell remembers from the first step on (Jozefowicz et al. 2015). `output`, `bptt` and masks:
    see Recurrent.
    """

    gates: ClassVar[int] = 4
    n_states: ClassVar[int] = 2

    def __init__(
        self,
        units: int,
        *,
        output: Output = "last",
        bptt: int | None = None,
        init: Init = "lecun",
        forget_bias: float = 1.0,
    ) -> None:
        super().__init__(units, output=output, bptt=bptt, init=init)
        self.forget_bias = forget_bias

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        shape = super().build(in_shape, ops, rng)
        self.params["b"][self.units : 2 * self.units] = self.forget_bias
        return shape

    def _step(self, a: Array, extra: Array, product: Array, before: States, after: States, ops: Backend) -> None:
        ops.lstm_step(a, product, self.params["b"], before[1], *after)

    def _step_back(
        self, d: Array, a: Array | None, extra: Array, before: States, after: States, up: States, ops: Backend
    ) -> None:
        assert a is not None
        ops.lstm_step_back(d, a, before[1], after[1], *up)
