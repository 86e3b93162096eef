"""The largest value of each window, plane by plane: a plane is read and written while it is in the nearest cache."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from lab.backend.compiled.tools import compiled


@compiled
def max_pool(x: Any, y: Any, which: Any, seen: Any, offsets: Any, step: Any) -> None:
    """y = the largest of each window of x (planes, H, W), and the number of its place; not a number stays so.

    offsets (2, places) from the pixel at step times the window's number. What all windows of a plane see at a place is
    put side by side into `seen` (Ho, Wo) first: then choosing has no branch and uses wide registers, which is four
    times as fast as window by window (measured).
    """
    planes, high, wide = x.shape
    rows, columns = seen.shape
    lowest, flat = x.dtype.type(-inf), seen.reshape(-1)
    for n in range(planes):
        best, at = y[n].reshape(-1), which[n].reshape(-1)
        for place in range(offsets.shape[1]):
            v = offsets[1, place]
            first = 0 if v >= 0 else (step[1] - 1 - v) // step[1]
            last = min(columns - 1, (wide - 1 - v) // step[1])
            for p in range(rows):
                u = p * step[0] + offsets[0, place]
                begin, end = (first, last + 1) if 0 <= u < high else (columns, columns)
                for q in range(begin):
                    seen[p, np.uint64(q)] = lowest
                for q in range(end, columns):
                    seen[p, np.uint64(q)] = lowest
                if (
                    step[1] == 1
                ):  # the usual steps are written out, and no index is asked whether it counts from the end
                    for q in range(begin, end):
                        seen[p, np.uint64(q)] = x[n, u, np.uint64(q + v)]
                elif step[1] == 2:
                    for q in range(begin, end):
                        seen[p, np.uint64(q)] = x[n, u, np.uint64(2 * q + v)]
                else:
                    for q in range(begin, end):
                        seen[p, np.uint64(q)] = x[n, u, np.uint64(q * step[1] + v)]
            number = which.dtype.type(place)
            if place == 0:
                best[:] = flat
                at[:] = number
                continue
            for k in range(best.size):
                value, old = flat[k], best[k]
                best[k] = value if (value > old) | (value != value) else old
                at[k] = number if value > old else at[k]


@compiled
def max_pool_backward(dy: Any, which: Any, dx: Any, offsets: Any, step: Any) -> None:
    """dx (planes, H, W) = the sum of dy over the windows whose largest pixel it was."""
    planes, high, wide = dx.shape
    zero = dx.dtype.type(0)
    for n in range(planes):
        for u in range(high):
            for v in range(wide):
                dx[n, u, v] = zero
        for p in range(dy.shape[1]):
            for q in range(dy.shape[2]):
                place = which[n, p, q]
                u, v = p * step[0] + offsets[0, place], q * step[1] + offsets[1, place]
                if 0 <= u < high and 0 <= v < wide:  # a window of -inf alone has its place 0, maybe in the padding
                    dx[n, u, v] += dy[n, p, q]
