"""Convolutions without columns: what an offset of the kernel sees is a run of the padded image, read where it lies.

A step of a forward tile is 3 vectors times 8 weights, and one of a tile of weight gradients 4 rows of dy times 6 runs.
"""

from __future__ import annotations

from typing import Any

from lab.backend.compiled.tiles import tile, weight_tile
from lab.backend.compiled.tools import contracted, reordered
from lab.backend.compiled.vectors import VECTOR, WIDE

HEIGHTS = (8, 4, 1) if WIDE else (4, 1)  # output channels of a tile: 24 or 12 sums in 32 or 16 registers
ACROSS = 3  # vectors of a tile
ROWS, OFFSETS = (4, 6) if WIDE else (2, 6)  # of a tile of weight gradients

_8x3, _8x2, _8x1 = (tile(8, across) for across in (3, 2, 1))
_4x3, _4x2, _4x1 = (tile(4, across) for across in (3, 2, 1))
_1x3, _1x2, _1x1 = (tile(1, across) for across in (3, 2, 1))
_weight_tile = weight_tile(ROWS, OFFSETS)


@contracted
def pack(W: Any, a: Any, b: Any, stride: Any, swapped: Any, height: Any, out: Any) -> None:
    """out (G, tiles, k, height) from W (G, O, C, kh, kw): for each k the weights of the output channels of a tile.

    k counts (c, i, j), outputs are O; `swapped`, k counts (o, i, j) and outputs are C, as on the way back. Of the
    kernel's places are taken i = a, a + stride[0], ... and j = b, b + stride[1], ...; the last tile is filled with 0.
    """
    groups, O, C, high, wide = W.shape
    outputs, depth = (C, O) if swapped else (O, C)
    tiles, at = -(-outputs // height), 0
    for g in range(groups):
        for t in range(tiles):
            for c in range(depth):
                for i in range(a, high, stride[0]):
                    for j in range(b, wide, stride[1]):
                        for m in range(t * height, (t + 1) * height):
                            if m < outputs:
                                out[at] = W[g, c, m, i, j] if swapped else W[g, m, c, i, j]
                            else:
                                out[at] = 0
                            at += 1


@contracted
def _lay(x: Any, out: Any, at: Any, channel: Any, pitch: Any, stride: Any, places: Any) -> None:
    """Image x (C, H, W) into planes of `out` from `at` on, `channel` apart; the zeros around it stay as they are.

    places: for each phase where its plane begins, first pixel and number of pixels down, and the same across.
    """
    for c in range(x.shape[0]):
        for phase in range(places.shape[0]):
            u, high, v, wide = places[phase, 1], places[phase, 2], places[phase, 3], places[phase, 4]
            start = at + c * channel + places[phase, 0]
            for p in range(high):
                for q in range(wide):
                    out[start + q] = x[c, u + p * stride[0], v + q * stride[1]]
                start += pitch


@contracted
def _convolve(
    x: Any, at: Any, group: Any, shifts: Any, first: Any, depth: Any, w: Any, w_first: Any, b: Any, height: Any, z: Any,
    y: Any, place: Any, stride: Any, pitch: Any, groups: Any,
) -> None:  # fmt: skip
    """y[o, u + p s, v + q s'] = b_o + sum over k of w_ok x[at + shifts_k + p pitch + q], with the planes of one image.

    place (u, pixels down, v, pixels across), stride (s, s'); `group` is how far the planes of two groups are apart; w
    as `pack` gives it and b alike; z holds a tile row.
    """
    u, high, v, wide = place
    run, lanes, outputs = (high - 1) * pitch + wide, VECTOR // x.itemsize, y.shape[0] // groups
    tiles, row = -(-outputs // height), z.size // height
    for g in range(groups):
        for t in range(tiles):
            b_at = (g * tiles + t) * height
            w_at = w_first + b_at * depth
            r = 0
            while r < run:
                begin, left = at + g * group + r, run - r
                if height == 8:
                    if left > 2 * lanes:
                        _8x3(x, begin, shifts, first, depth, w, w_at, height, b, b_at, 1, z, r, row)
                    elif left > lanes:
                        _8x2(x, begin, shifts, first, depth, w, w_at, height, b, b_at, 1, z, r, row)
                    else:
                        _8x1(x, begin, shifts, first, depth, w, w_at, height, b, b_at, 1, z, r, row)
                elif height == 4:
                    if left > 2 * lanes:
                        _4x3(x, begin, shifts, first, depth, w, w_at, height, b, b_at, 1, z, r, row)
                    elif left > lanes:
                        _4x2(x, begin, shifts, first, depth, w, w_at, height, b, b_at, 1, z, r, row)
                    else:
                        _4x1(x, begin, shifts, first, depth, w, w_at, height, b, b_at, 1, z, r, row)
                elif left > 2 * lanes:
                    _1x3(x, begin, shifts, first, depth, w, w_at, height, b, b_at, 1, z, r, row)
                elif left > lanes:
                    _1x2(x, begin, shifts, first, depth, w, w_at, height, b, b_at, 1, z, r, row)
                else:
                    _1x1(x, begin, shifts, first, depth, w, w_at, height, b, b_at, 1, z, r, row)
                r += ACROSS * lanes
            for m in range(min(height, outputs - t * height)):
                o = g * outputs + t * height + m
                for p in range(high):
                    start = m * row + p * pitch
                    if stride[1] == 1:
                        for q in range(wide):
                            y[o, u + p * stride[0], v + q] = z[start + q]
                    else:
                        for q in range(wide):
                            y[o, u + p * stride[0], v + q * stride[1]] = z[start + q]


@contracted
def _weight_gradients(
    dy: Any, dy_at: Any, dy_row: Any, dy_image: Any, x: Any, x_group: Any, x_image: Any, shifts: Any, images: Any,
    steps: Any, sums: Any, dW: Any,
) -> None:  # fmt: skip
    """dW[g, o, k] += sum over images n and r of dy[g, o, n, r] x[g, n, shifts_k + r], r over `steps` vectors."""
    groups, outputs, depth = dW.shape
    for g in range(groups):
        for o in range(0, outputs, ROWS):
            for k in range(0, depth, OFFSETS):
                begin = dy_at + (g * outputs + o) * dy_row
                _weight_tile(dy, begin, dy_row, dy_image, x, g * x_group, x_image, shifts, k, images, steps, sums, 0)
                for m in range(min(ROWS, outputs - o)):
                    for j in range(min(OFFSETS, depth - k)):
                        dW[g, o + m, k + j] += sums[m * OFFSETS + j]


@reordered
def _add_up(dy: Any, db: Any) -> None:
    """db[o] += sum of dy[n, o] over images and pixels."""
    for n in range(dy.shape[0]):
        for o in range(dy.shape[1]):
            total = dy.dtype.type(0)
            for p in range(dy.shape[2]):
                for q in range(dy.shape[3]):
                    total += dy[n, o, p, q]
            db[o] += total


@contracted
def forward(
    x: Any, places: Any, stride: Any, pitch: Any, channel: Any, group: Any, shifts: Any, depth: Any, w: Any, b: Any,
    height: Any, room: Any, z: Any, groups: Any, y: Any,
) -> None:  # fmt: skip
    """y (N, O, Ho, Wo), image by image: laid into `room`, whose margins are 0, and read from there."""
    for n in range(x.shape[0]):
        _lay(x[n], room, 0, channel, pitch, stride, places)
        whole = (0, y.shape[2], 0, y.shape[3])
        _convolve(room, 0, group, shifts, 0, depth, w, 0, b, height, z, y[n], whole, (1, 1), pitch, groups)


@contracted
def backward(
    x: Any, x_places: Any, stride: Any, pitch: Any, x_apart: Any, x_shifts: Any, x_room: Any,
    dy: Any, dy_places: Any, dy_apart: Any, dy_shifts: Any, dy_room: Any,
    images: Any, run: Any, sums: Any, dW: Any, db: Any, ways: Any, w: Any, b: Any, height: Any, z: Any,
    dx: Any, need_dx: Any,
) -> None:  # fmt: skip
    """dW (G, O / G, k) and db (O,) are added to, dx is written, `images` at a time.

    x_apart, dy_apart: how far channels, groups and images are apart in the rooms, and where dy's first pixel lies.
    ways: for each phase its two numbers, where dy is read, first shift, depth, and place as in `_convolve`.
    """
    (x_channel, x_group, x_image), (dy_channel, dy_group, dy_image, origin) = x_apart, dy_apart
    groups, lanes = dW.shape[0], VECTOR // x.itemsize
    rows = groups * -(-(dx.shape[1] // groups) // height) * height
    for begin in range(0, x.shape[0], images):
        n = min(images, x.shape[0] - begin)
        for i in range(n):
            _lay(x[begin + i], x_room, i * x_image, x_channel, pitch, stride, x_places)
            _lay(dy[begin + i], dy_room, i * dy_image, dy_channel, pitch, (1, 1), dy_places)
        _add_up(dy[begin : begin + n], db)
        _weight_gradients(
            dy_room, origin, dy_channel, dy_image, x_room, x_group, x_image, x_shifts, n, -(-run // lanes), sums, dW
        )
        if need_dx:
            for i in range(n):
                w_at = 0
                for way in range(ways.shape[0]):
                    at, first, depth = ways[way, 2] + i * dy_image, ways[way, 3], ways[way, 4]
                    place = (ways[way, 5], ways[way, 6], ways[way, 7], ways[way, 8])
                    _convolve(
                        dy_room, at, dy_group, dy_shifts, first, depth, w, w_at, b, height, z, dx[begin + i], place,
                        stride, pitch, groups,
                    )  # fmt: skip
                    w_at += rows * depth
