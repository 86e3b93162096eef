"""GRU: a recurrent layer whose state is its own memory."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.layers.recurrent import Recurrent, States


class GRU(Recurrent):
    """h_t = (1 - z) n + z h_{t-1}, n = tanh(x_t W_n + b_n + r (h_{t-1} U_n + c)) (Cho et al. 2014).

    r, z = s(x_t W + h_{t-1} U + b) with s the sigmoid. The reset gate r acts behind the product with U, as in PyTorch
    and cuDNN, so that one product serves all three gates; hence the bias `c` (H,) of its own inside the reset.
    The columns of W and b are in the order n r z, those of U in the order r z n: then the gradients of the input's part
    and of the recurrent part, which differ for n alone, overlap in one array [n, r, z, n'] and neither is copied.

    Backward, from dh_t, with q = h_{t-1} U_n + c:
        da_n = dh_t (1 - z) (1 - n^2),  da_z = dh_t (h_{t-1} - n) z (1 - z),  da_r = da_n q r (1 - r),  dq = da_n r
        dh_{t-1} = dh_t z + [da_r, da_z, dq] U^T,  dc = sum_t dq;  dW, db and dx from [da_n, da_r, da_z] as in RNN.
    Kept are the gates, q and h: 5 numbers a unit and step. `output`, `bptt` and masks: see Recurrent.
    """

    gates: ClassVar[int] = 3
    extra: ClassVar[int] = 1
    direct: ClassVar[bool] = True

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        shape = super().build(in_shape, ops, rng)
        self.params["c"] = ops.zeros((self.units,), kind="weights")
        return shape

    def _step(self, a: Array, extra: Array, product: Array, before: States, after: States, ops: Backend) -> None:
        ops.gru_step(a, extra[0], product, self.params["b"], self.params["c"], before[0], after[0])

    def _step_back(
        self, d: Array, a: Array | None, extra: Array, before: States, after: States, up: States, ops: Backend
    ) -> None:
        assert a is not None
        ops.gru_step_back(d, a, extra[0], before[0], up[0])
