"""RNN: the plain recurrent layer."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

from lab.backend import Array, Backend
from lab.errors import UsageError
from lab.layers.initializers import Init
from lab.layers.recurrent import Output, Recurrent, States
from lab.registry import unknown

Nonlinearity = Literal["tanh", "relu"]


class RNN(Recurrent):
    """h_t = f(x_t W + h_{t-1} U + b) with f tanh or relu (Elman 1990).

    Backward, from dh_t (what the output asks for at t, plus what comes from step t + 1):
        da_t = dh_t f'(a_t), with f' = 1 - h_t^2 for tanh and [h_t > 0] for relu;  dh_{t-1} = da_t U^T
        dW = sum_t x_t^T da_t,  dU = sum_t h_{t-1}^T da_t,  db = sum_t da_t,  dx_t = da_t W^T.
    Only the states are kept. `output`, `bptt` and masks: see Recurrent.
    """

    gates: ClassVar[int] = 1
    keeps_gates: ClassVar[bool] = False

    def __init__(
        self,
        units: int,
        *,
        activation: Nonlinearity = "tanh",
        output: Output = "last",
        bptt: int | None = None,
        init: Init = "lecun",
    ) -> None:
        super().__init__(units, output=output, bptt=bptt, init=init)
        if activation not in get_args(Nonlinearity):
            raise UsageError(unknown("RNN activation", activation, get_args(Nonlinearity)))
        self.activation = activation

    def _step(self, a: Array, extra: Array, product: Array, before: States, after: States, ops: Backend) -> None:
        step = ops.tanh_step if self.activation == "tanh" else ops.relu_step
        step(a[0], product, self.params["b"], after[0])

    def _step_back(
        self, d: Array, a: Array | None, extra: Array, before: States, after: States, up: States, ops: Backend
    ) -> None:
        if self.activation == "tanh":
            ops.tanh_step_back(d, after[0], up[0])
        else:
            ops.relu_backward(up[0], after[0], out=d)
