"""Steps of recurrent cells on the CPU, in one compiled pass each where the backend computes in float32.

float64 stays with numpy, whose tanh is exact to the last bits there; the compiled one is made for float32.
"""

from __future__ import annotations

import numpy as np

from lab.backend.base import Array, Backend
from lab.backend.loops import alike, loops


class NumpyCells(Backend):
    """The part of the CPU's backend that recurrent layers call at every step."""

    _compiled = False

    def lstm_step(self, a: Array, product: Array, b: Array, c0: Array, h: Array, c: Array) -> None:
        step = loops().cells.lstm_step if self._fused(a, product, b, c0, h, c) else super().lstm_step
        step(a, product, b, c0, h, c)

    def lstm_step_back(self, d: Array, a: Array, c0: Array, c: Array, dh: Array, dc: Array) -> None:
        step = loops().cells.lstm_step_back if self._fused(d, a, c0, c, dh, dc) else super().lstm_step_back
        step(d, a, c0, c, dh, dc)

    def gru_step(self, a: Array, q: Array, product: Array, b: Array, b_q: Array, h0: Array, h: Array) -> None:
        step = loops().cells.gru_step if self._fused(a, q, product, b, b_q, h0, h) else super().gru_step
        step(a, q, product, b, b_q, h0, h)

    def gru_step_back(self, d: Array, a: Array, q: Array, h0: Array, dh: Array) -> None:
        step = loops().cells.gru_step_back if self._fused(d, a, q, h0, dh) else super().gru_step_back
        step(d, a, q, h0, dh)

    def tanh_step(self, a: Array, product: Array, b: Array, h: Array) -> None:
        step = loops().cells.tanh_step if self._fused(a, product, b, h) else super().tanh_step
        step(a, product, b, h)

    def tanh_step_back(self, d: Array, h: Array, dh: Array) -> None:
        step = loops().cells.tanh_step_back if self._fused(d, h, dh) else super().tanh_step_back
        step(d, h, dh)

    def _fused(self, *arrays: Array) -> bool:
        return self._compiled and arrays[0].dtype == np.float32 and alike(*arrays)
