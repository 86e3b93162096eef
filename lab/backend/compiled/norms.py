"""Normalisation over a batch and over groups: what belongs together is read again while it is near, and written once.

Numbers of the arrays' type throughout, as in `rows`; where a sum is divided by a count the result is a double for once.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

from lab.backend.compiled.tools import reordered


@reordered
def channel_moments(x: Any, mean: Any, var: Any, low: Any, high: Any) -> None:
    """mean_c and var_c of x (N, C, S) for the channels from `low` to `high`."""
    n, _, s = x.shape
    for c in range(low, high):
        total = x.dtype.type(0)
        for i in range(n):
            part = x.dtype.type(0)
            for k in range(s):
                part += x[i, c, k]
            total += part
        middle = x.dtype.type(total / (n * s))
        total = x.dtype.type(0)
        for i in range(n):
            part = x.dtype.type(0)
            for k in range(s):
                part += (x[i, c, k] - middle) * (x[i, c, k] - middle)
            total += part
        mean[c], var[c] = middle, total / (n * s)


@reordered
def batch_norm(x: Any, y: Any, mean: Any, scale: Any, shift: Any, low: Any, high: Any) -> None:
    """y = scale (x - mean) + shift for the channels from `low` to `high`."""
    for i in range(x.shape[0]):
        for c in range(low, high):
            m, a, b = mean[c], scale[c], shift[c]
            for k in range(x.shape[2]):
                y[i, c, k] = (x[i, c, k] - m) * a + b


@reordered
def channel_sums(dy: Any, x: Any, mean: Any, r: Any, along: Any, total: Any, low: Any, high: Any) -> None:
    """along_c = r sum dy (x - mean) and total_c = sum dy for the channels from `low` to `high`."""
    for c in range(low, high):
        m = mean[c]
        a, b = x.dtype.type(0), x.dtype.type(0)
        for i in range(x.shape[0]):
            p, q = x.dtype.type(0), x.dtype.type(0)
            for k in range(x.shape[2]):
                p += dy[i, c, k] * (x[i, c, k] - m)
                q += dy[i, c, k]
            a += p
            b += q
        along[c], total[c] = a * r[c], b


@reordered
def batch_norm_backward(
    dy: Any, x: Any, dx: Any, mean: Any, scale: Any, tilt: Any, shift: Any, low: Any, high: Any
) -> None:
    """dx = scale dy - tilt (x - mean) - shift for the channels from `low` to `high`."""
    for i in range(x.shape[0]):
        for c in range(low, high):
            m, a, t, b = mean[c], scale[c], tilt[c], shift[c]
            for k in range(x.shape[2]):
                dx[i, c, k] = a * dy[i, c, k] - t * (x[i, c, k] - m) - b


@reordered
def group_norm(x: Any, y: Any, mean: Any, r: Any, gamma: Any, beta: Any, eps: Any) -> None:
    """y = gamma r (x - mean) + beta over the last two axes of x (N, G, K, S); gamma, beta (G, K); mean, r (N, G)."""
    n, groups, channels, s = x.shape
    for i in range(n):
        for g in range(groups):
            total = x.dtype.type(0)
            for c in range(channels):
                for k in range(s):
                    total += x[i, g, c, k]
            m = x.dtype.type(total / (channels * s))
            total = x.dtype.type(0)
            for c in range(channels):
                for k in range(s):
                    total += (x[i, g, c, k] - m) * (x[i, g, c, k] - m)
            scale = x.dtype.type(1 / sqrt(total / (channels * s) + eps))
            mean[i, g], r[i, g] = m, scale
            for c in range(channels):
                a, b = scale * gamma[g, c], beta[g, c]
                for k in range(s):
                    y[i, g, c, k] = (x[i, g, c, k] - m) * a + b


@reordered
def group_norm_backward(
    dy: Any, x: Any, dx: Any, mean: Any, r: Any, gamma: Any, along: Any, total: Any, need_dx: Any
) -> None:
    """dx as Backend.group_norm_backward; along and total (G, K) become the sums over these rows."""
    n, groups, channels, s = x.shape
    along[:] = 0
    total[:] = 0
    for i in range(n):
        for g in range(groups):
            m, scale = mean[i, g], r[i, g]
            a, b = x.dtype.type(0), x.dtype.type(0)
            for c in range(channels):
                p, q = x.dtype.type(0), x.dtype.type(0)
                for k in range(s):
                    p += dy[i, g, c, k] * (x[i, g, c, k] - m)
                    q += dy[i, g, c, k]
                p *= scale
                along[g, c] += p
                total[g, c] += q
                a += p * gamma[g, c]
                b += q * gamma[g, c]
            if need_dx:
                tilt = x.dtype.type(scale * scale * a / (channels * s))
                shift = x.dtype.type(scale * b / (channels * s))
                for c in range(channels):
                    up = scale * gamma[g, c]
                    for k in range(s):
                        dx[i, g, c, k] = up * dy[i, g, c, k] - tilt * (x[i, g, c, k] - m) - shift
