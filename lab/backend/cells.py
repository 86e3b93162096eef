"""Single steps of recurrent cells, forward and backward: the reference.

In all of them N is the rows and H the units. `a` (gates, N, H) comes as the input's part of the gates and becomes the
gates; `product` (N, gates H) is h_{t-1} U, `b` the biases in the order of the gates. Backward, `d` (N, ..) becomes the
gradient of the gates, side by side in each row. The formulas are derived in the layers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import ModuleType
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]


class CellOperations(ABC):
    """Part of Backend, which says what `xp` and `empty` are."""

    xp: ModuleType

    @abstractmethod
    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike | None = None, kind: str | None = None) -> Array: ...

    def lstm_step(self, a: Array, product: Array, b: Array, c0: Array, h: Array, c: Array) -> None:
        """i, f, o = s(a + product + b), g = tanh(..) into `a`; c = f c0 + i g; h = o tanh(c), into `h` and `c`."""
        xp, sigmoids = self.xp, a[:3]
        _add(a, product, b)
        sigmoids *= 0.5
        xp.tanh(a, out=a)
        sigmoids *= 0.5
        sigmoids += 0.5
        i, f, o, g = a
        work = self.empty(h.shape, kind="workspace")
        xp.multiply(i, g, out=work)
        xp.multiply(f, c0, out=c)
        c += work
        xp.tanh(c, out=work)
        xp.multiply(o, work, out=h)

    def lstm_step_back(self, d: Array, a: Array, c0: Array, c: Array, dh: Array, dc: Array) -> None:
        """d (N, 4 H) = [da_i, da_f, da_o, da_g] from dh and dc, the latter of which becomes that of c0."""
        xp, (i, f, o, g) = self.xp, a
        gates = self.empty(a.shape, kind="workspace")  # each in one piece, which is faster by more than the copy
        C, work = (self.empty(c.shape, kind="workspace") for _ in range(2))
        di, df, do, dg = gates
        sigmoids, slopes = a[:3], gates[:3]
        xp.subtract(1, sigmoids, out=slopes)
        slopes *= sigmoids
        xp.tanh(c, out=C)
        xp.multiply(dh, C, out=work)
        do *= work
        C *= C
        xp.subtract(1, C, out=C)
        C *= o
        C *= dh
        dc += C
        xp.multiply(dc, g, out=work)
        di *= work
        xp.multiply(dc, c0, out=work)
        df *= work
        xp.multiply(g, g, out=dg)
        xp.subtract(1, dg, out=dg)
        dg *= i
        dg *= dc
        dc *= f
        _by_gate(d, gates)[...] = gates

    def gru_step(self, a: Array, q: Array, product: Array, b: Array, b_q: Array, h0: Array, h: Array) -> None:
        """n, r, z into `a`, q = product_n + b_q, n = tanh(a_n + r q), h = (1 - z) n + z h0; product in order r z n."""
        xp, (n, r, z), sigmoids = self.xp, a, a[1:]
        a += b.reshape(3, 1, -1)
        by_gate = _by_gate(product, a)
        sigmoids += by_gate[:2]
        sigmoids *= 0.5
        xp.tanh(sigmoids, out=sigmoids)
        sigmoids *= 0.5
        sigmoids += 0.5
        xp.add(by_gate[2], b_q, out=q)
        xp.multiply(r, q, out=h)
        n += h
        xp.tanh(n, out=n)
        xp.subtract(h0, n, out=h)
        h *= z
        h += n

    def gru_step_back(self, d: Array, a: Array, q: Array, h0: Array, dh: Array) -> None:
        """d (N, 4 H) = [da_n, da_r, da_z, dq] from dh, which becomes what goes to h0 directly, dh z."""
        xp, (n, r, z), sigmoids = self.xp, a, a[1:]
        gates = self.empty((4, *dh.shape), kind="workspace")  # as in lstm_step_back
        work = self.empty(dh.shape, kind="workspace")
        (dn, dr, dz, dq), slopes = gates, gates[1:3]
        xp.subtract(1, sigmoids, out=slopes)
        xp.multiply(n, n, out=dn)
        xp.subtract(1, dn, out=dn)
        dn *= dz  # still 1 - z
        dn *= dh
        slopes *= sigmoids
        xp.subtract(h0, n, out=work)
        work *= dh
        dz *= work
        xp.multiply(dn, q, out=work)
        dr *= work
        xp.multiply(dn, r, out=dq)
        dh *= z
        _by_gate(d, gates)[...] = gates

    def tanh_step(self, a: Array, product: Array, b: Array, h: Array) -> None:
        """h = tanh(a + product + b), all (N, H) but b; `a` is used up."""
        a += product
        a += b
        self.xp.tanh(a, out=h)

    def tanh_step_back(self, d: Array, h: Array, dh: Array) -> None:
        """d = dh (1 - h^2)."""
        self.xp.multiply(h, h, out=d)
        self.xp.subtract(1, d, out=d)
        d *= dh

    def relu_step(self, a: Array, product: Array, b: Array, h: Array) -> None:
        """h = max(a + product + b, 0), all (N, H) but b; `a` is used up. Backward is `relu_backward`."""
        a += product
        a += b
        self.xp.maximum(a, 0, out=h)


def _add(a: Array, product: Array, b: Array) -> None:
    a += _by_gate(product, a)
    a += b.reshape(len(a), 1, -1)


def _by_gate(rows: Array, like: Array) -> Array:
    """Rows (N, gates H) as `like`, (gates, N, H): a view."""
    gates, n, h = like.shape
    return rows.reshape(n, gates, h).swapaxes(0, 1)
