"""Steps of recurrent cells, forward and backward, each in one pass over rows (N, H), for float32 alone."""

from __future__ import annotations

from typing import Any

from lab.backend.compiled.tanh import ONE, sigmoid, tanh
from lab.backend.compiled.tools import contracted


@contracted
def lstm_step(a: Any, product: Any, b: Any, c0: Any, h: Any, c: Any) -> None:
    """Backend.lstm_step."""
    width = h.shape[1]
    for n in range(h.shape[0]):
        for j in range(width):
            i = sigmoid(a[0, n, j] + product[n, j] + b[j])
            f = sigmoid(a[1, n, j] + product[n, width + j] + b[width + j])
            o = sigmoid(a[2, n, j] + product[n, 2 * width + j] + b[2 * width + j])
            g = tanh(a[3, n, j] + product[n, 3 * width + j] + b[3 * width + j])
            a[0, n, j], a[1, n, j], a[2, n, j], a[3, n, j] = i, f, o, g
            state = f * c0[n, j] + i * g
            c[n, j] = state
            h[n, j] = o * tanh(state)


@contracted
def lstm_step_back(d: Any, a: Any, c0: Any, c: Any, dh: Any, dc: Any) -> None:
    """Backend.lstm_step_back."""
    width = c.shape[1]
    for n in range(c.shape[0]):
        for j in range(width):
            i, f, o, g = a[0, n, j], a[1, n, j], a[2, n, j], a[3, n, j]
            C = tanh(c[n, j])
            up = dh[n, j]
            s = dc[n, j] + up * o * (ONE - C * C)
            d[n, j] = s * g * i * (ONE - i)
            d[n, width + j] = s * c0[n, j] * f * (ONE - f)
            d[n, 2 * width + j] = up * C * o * (ONE - o)
            d[n, 3 * width + j] = s * i * (ONE - g * g)
            dc[n, j] = s * f


@contracted
def gru_step(a: Any, q: Any, product: Any, b: Any, b_q: Any, h0: Any, h: Any) -> None:
    """Backend.gru_step."""
    width = h.shape[1]
    for k in range(h.shape[0]):
        for j in range(width):
            r = sigmoid(a[1, k, j] + product[k, j] + b[width + j])
            z = sigmoid(a[2, k, j] + product[k, width + j] + b[2 * width + j])
            at_reset = product[k, 2 * width + j] + b_q[j]
            n = tanh(a[0, k, j] + b[j] + r * at_reset)
            a[0, k, j], a[1, k, j], a[2, k, j], q[k, j] = n, r, z, at_reset
            h[k, j] = n + z * (h0[k, j] - n)


@contracted
def gru_step_back(d: Any, a: Any, q: Any, h0: Any, dh: Any) -> None:
    """Backend.gru_step_back."""
    width = dh.shape[1]
    for k in range(dh.shape[0]):
        for j in range(width):
            n, r, z, up = a[0, k, j], a[1, k, j], a[2, k, j], dh[k, j]
            dn = up * (ONE - z) * (ONE - n * n)
            d[k, j] = dn
            d[k, width + j] = dn * q[k, j] * r * (ONE - r)
            d[k, 2 * width + j] = up * (h0[k, j] - n) * z * (ONE - z)
            d[k, 3 * width + j] = dn * r
            dh[k, j] = up * z


@contracted
def tanh_step(a: Any, product: Any, b: Any, h: Any) -> None:
    """Backend.tanh_step."""
    for n in range(h.shape[0]):
        for j in range(h.shape[1]):
            h[n, j] = tanh(a[n, j] + product[n, j] + b[j])


@contracted
def tanh_step_back(d: Any, h: Any, dh: Any) -> None:
    """Backend.tanh_step_back."""
    for n in range(h.shape[0]):
        for j in range(h.shape[1]):
            d[n, j] = dh[n, j] * (ONE - h[n, j] * h[n, j])
