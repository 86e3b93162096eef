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
    scratch: ClassVar[int] = 1

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        shape = super().build(in_shape, ops, rng)
        self.params["c"] = ops.zeros((self.units,), kind="weights")
        return shape

    def _step(
        self, a: Array, extra: Array, recurrent: Array, before: States, after: States, scratch: Array, ops: Backend
    ) -> None:
        xp, q = ops.xp, extra[0]
        (n, r, z), sigmoids = a, a[1:]
        sigmoids += recurrent[:2]
        sigmoids *= 0.5
        xp.tanh(sigmoids, out=sigmoids)
        sigmoids *= 0.5
        sigmoids += 0.5
        xp.add(recurrent[2], self.params["c"], out=q)
        (h,), (old,), work = after, before, scratch[0]
        xp.multiply(r, q, out=work)
        n += work
        xp.tanh(n, out=n)
        xp.subtract(old, n, out=h)
        h *= z
        h += n

    def _step_back(
        self, d: Array, a: Array, extra: Array, before: States, after: States, up: States, scratch: Array, ops: Backend
    ) -> None:
        xp, q = ops.xp, extra[0]
        (n, r, z), sigmoids = a, a[1:]
        dn, dr, dz, dq = d
        (dh,), (old,), work, slopes = up, before, scratch[0], d[1:3]
        xp.subtract(1, sigmoids, out=slopes)
        xp.multiply(n, n, out=dn)
        xp.subtract(1, dn, out=dn)
        dn *= dz  # still 1 - z
        dn *= dh
        slopes *= sigmoids
        xp.subtract(old, n, out=work)
        work *= dh
        dz *= work
        xp.multiply(dn, q, out=work)
        dr *= work
        xp.multiply(dn, r, out=dq)
        dh *= z
