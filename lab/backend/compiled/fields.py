"""Fields without shared weights, of few outputs each: read where they lie, with the images of a pixel side by side.

An image's own weights cannot fill a vector, as a convolution's run of windows does, since every window has others. So
the batch lies last: a pixel is a run of `pitch` numbers, one an image, and what field (p, q) gives is a sum of such
runs, each times one weight. A step of a tile is up to 4 vectors of images times the weights of all outputs.
"""

from __future__ import annotations

from typing import Any

from lab.backend.compiled.tiles import tile, weight_tile
from lab.backend.compiled.tools import contracted
from lab.backend.compiled.vectors import VECTOR, WIDE

MOST = 4  # outputs of a field: with more, a product by BLAS is as good
ACROSS = 4 if WIDE else 2  # vectors of a tile: 16 or 8 sums for four outputs, in 32 or 16 registers
OFFSETS = 6 if WIDE else 3  # of a tile of weight gradients
NEAR = 8  # images that are turned at a time: no more, since rows that lie alike share the nearest cache's eight ways

_1x4, _1x2, _1x1 = (tile(1, across) for across in (4, 2, 1))
_2x4, _2x2, _2x1 = (tile(2, across) for across in (4, 2, 1))
_3x4, _3x2, _3x1 = (tile(3, across) for across in (4, 2, 1))
_4x4, _4x2, _4x1 = (tile(4, across) for across in (4, 2, 1))
_weight_1, _weight_2, _weight_3, _weight_4 = (weight_tile(rows, OFFSETS, turned=True) for rows in (1, 2, 3, 4))


@contracted
def lay(x: Any, room: Any, wide: Any, first: Any, channel: Any, pitch: Any) -> None:
    """room[c channel + first + u wide + v pitch + n] = x[n, c, u, v]."""
    N, C, H, W = x.shape
    for c in range(C):
        for u in range(H):
            begin = c * channel + first + u * wide
            for low in range(0, N, NEAR):
                if low + NEAR <= N:  # a loop of known length is unrolled
                    for v in range(W):
                        for n in range(NEAR):
                            room[begin + v * pitch + low + n] = x[low + n, c, u, v]
                else:
                    for v in range(W):
                        for n in range(low, N):
                            room[begin + v * pitch + n] = x[n, c, u, v]


@contracted
def lift(room: Any, wide: Any, first: Any, channel: Any, pitch: Any, x: Any) -> None:
    """The reverse of `lay`: x from `room`."""
    N, C, H, W = x.shape
    for c in range(C):
        for u in range(H):
            begin = c * channel + first + u * wide
            for low in range(0, N, NEAR):
                if low + NEAR <= N:
                    for v in range(W):
                        for n in range(NEAR):
                            x[low + n, c, u, v] = room[begin + v * pitch + low + n]
                else:
                    for v in range(W):
                        for n in range(low, N):
                            x[n, c, u, v] = room[begin + v * pitch + n]


@contracted
def forward(
    room: Any, steps: Any, shifts: Any, W: Any, w: Any, b: Any, low: Any, high: Any, pitch: Any, y: Any
) -> None:
    """Of the rows of fields from low to high: y[o, p, q, n] = b[o, p, q] + sum over k of W[p, q, k, o] x[k, n].

    x[k] is the run of `room` at p steps[0] + q steps[1] + shifts[k]. W gives the shape; w, b and y are flat.
    """
    _, across, depth, outputs = W.shape
    fields, lanes = W.shape[0] * across, VECTOR // room.itemsize
    row = fields * pitch
    for p in range(low, high):
        for q in range(across):
            field = p * across + q
            at, w_at = p * steps[0] + q * steps[1], field * depth * outputs
            r = 0
            while r < pitch:
                x_at, y_at, left = at + r, field * pitch + r, (pitch - r) // lanes
                taken = 4 if ACROSS == 4 and left >= 4 else 2 if left >= 2 else 1
                if outputs == 1:
                    if taken == 4:
                        _1x4(room, x_at, shifts, 0, depth, w, w_at, outputs, b, field, fields, y, y_at, row)
                    elif taken == 2:
                        _1x2(room, x_at, shifts, 0, depth, w, w_at, outputs, b, field, fields, y, y_at, row)
                    else:
                        _1x1(room, x_at, shifts, 0, depth, w, w_at, outputs, b, field, fields, y, y_at, row)
                elif outputs == 2:
                    if taken == 4:
                        _2x4(room, x_at, shifts, 0, depth, w, w_at, outputs, b, field, fields, y, y_at, row)
                    elif taken == 2:
                        _2x2(room, x_at, shifts, 0, depth, w, w_at, outputs, b, field, fields, y, y_at, row)
                    else:
                        _2x1(room, x_at, shifts, 0, depth, w, w_at, outputs, b, field, fields, y, y_at, row)
                elif outputs == 3:
                    if taken == 4:
                        _3x4(room, x_at, shifts, 0, depth, w, w_at, outputs, b, field, fields, y, y_at, row)
                    elif taken == 2:
                        _3x2(room, x_at, shifts, 0, depth, w, w_at, outputs, b, field, fields, y, y_at, row)
                    else:
                        _3x1(room, x_at, shifts, 0, depth, w, w_at, outputs, b, field, fields, y, y_at, row)
                elif taken == 4:
                    _4x4(room, x_at, shifts, 0, depth, w, w_at, outputs, b, field, fields, y, y_at, row)
                elif taken == 2:
                    _4x2(room, x_at, shifts, 0, depth, w, w_at, outputs, b, field, fields, y, y_at, row)
                else:
                    _4x1(room, x_at, shifts, 0, depth, w, w_at, outputs, b, field, fields, y, y_at, row)
                r += taken * lanes


@contracted
def weight_gradients(
    room: Any, steps: Any, shifts: Any, dy: Any, low: Any, high: Any, pitch: Any, sums: Any, dW: Any, dw: Any
) -> None:
    """Of the rows of fields from low to high: dW[p, q, k, o] = sum over n of x[k, n] dy[o, p, q, n], x as in `forward`.

    What lies in dy beyond the images is 0; dw is dW, flat. A tile that ends beyond the last k, for which `shifts` goes
    on, is written to `sums` first.
    """
    _, across, depth, outputs = dW.shape
    row, vectors = dW.shape[0] * across * pitch, pitch // (VECTOR // room.itemsize)
    for p in range(low, high):
        for q in range(across):
            field = p * across + q
            at, dy_at = p * steps[0] + q * steps[1], field * pitch
            for k in range(0, depth, OFFSETS):
                place, left = (field * depth + k) * outputs, min(OFFSETS, depth - k)
                out, to = (dw, place) if left == OFFSETS else (sums, 0)
                if outputs == 1:
                    _weight_1(dy, dy_at, row, 0, room, at, 0, shifts, k, 1, vectors, out, to)
                elif outputs == 2:
                    _weight_2(dy, dy_at, row, 0, room, at, 0, shifts, k, 1, vectors, out, to)
                elif outputs == 3:
                    _weight_3(dy, dy_at, row, 0, room, at, 0, shifts, k, 1, vectors, out, to)
                else:
                    _weight_4(dy, dy_at, row, 0, room, at, 0, shifts, k, 1, vectors, out, to)
                if left < OFFSETS:
                    dw[place : place + left * outputs] = sums[: left * outputs]


@contracted
def backward(dy: Any, steps: Any, shifts: Any, W: Any, low: Any, high: Any, pitch: Any, room: Any) -> None:
    """room += what the fields send back to the numbers k from low to high: at [k, n] sum over o of W[k, o] dy[o, n]."""
    down, across, _, outputs = W.shape
    for p in range(down):
        for q in range(across):
            at = p * steps[0] + q * steps[1]
            for o in range(outputs):
                begin = ((o * down + p) * across + q) * pitch
                given = dy[begin : begin + pitch]
                for k in range(low, high):
                    weight, begin = W[p, q, k, o], at + shifts[k]
                    reached = room[begin : begin + pitch]
                    for n in range(pitch):
                        reached[n] += weight * given[n]
