"""Every loop called once before a clock starts: what is compiled, or read from disk, at first use is no training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np

from lab.backend.compiled import cells, convolutions, fields, norms, optimizers, pools, rows
from lab.backend.compiled.vectors import VECTOR


@cache
def warm_up(dtype: np.dtype[Any]) -> None:
    """Make all loops ready for arrays and numbers of `dtype`, once a process.

    The types are those that the backend calls with, so that training compiles nothing (a test counts). Loops stay ready
    where they cannot be kept on disk: a full or read-only one costs the next process its time and this one nothing.
    """
    one = dtype.type(1)
    flat = [np.ones(2, dtype) for _ in range(4)]
    x, y, z = (np.ones((2, 2), dtype) for _ in range(3))
    g, r = np.ones(2, dtype), np.ones(2, dtype)
    image, group = np.ones((1, 2, 2), dtype), np.ones((1, 2, 1, 2), dtype)
    one_row, one_group = np.ones((1, 2), dtype), np.ones((2, 1), dtype)
    for loop, arguments in (
        (optimizers.sgd, (*flat[:3], one, one, one, one)),
        (optimizers.follow, (*flat[:2], one, one)),
        (optimizers.adam, (*flat, one, one, one, one, one, one, one, one)),
        (rows.add_bias, (x, g)),
        (rows.relu, flat[:2]),
        (rows.relu_backward, flat[:3]),
        (rows.leaky_relu, (*flat[:2], one)),
        (rows.leaky_relu_backward, (*flat[:3], one)),
        (rows.relu_backward_of_rows, (x, r, y)),
        (rows.scale_rows, (x, r, y)),
        (rows.row_squares, (x, g)),
        (rows.length_norm, (x, y, r, one)),
        (rows.length_norm_backward, (x, y, r, z)),
        (rows.labelled, (x, x, x, r, g, y)),
        (rows.labelled_backward, (x, y, r, z, z)),
        (norms.channel_moments, (image, g, r, 0, 2)),
        (norms.batch_norm, (image, image, g, g, g, 0, 2)),
        (norms.channel_sums, (image, image, g, g, r, r, 0, 2)),
        (norms.batch_norm_backward, (image, image, image, g, g, g, g, 0, 2)),
        (norms.group_norm, (group, group, one_row, one_row, one_group, one_group, one)),
        (norms.group_norm_backward, (group, group, group, one_row, one_row, one_group, one_group, one_group, True)),
        *_pools(image),
        *_convolutions(dtype),
        *_fields(dtype),
        *(_cells() if dtype == np.float32 else ()),
    ):
        with suppress(OSError):  # numba compiles, then writes: what it could not write is ready all the same
            loop(*arguments)


def _cells() -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """The steps of recurrent layers, which are for float32 alone."""
    gates, wide = np.ones((4, 1, 2), np.float32), np.ones((1, 8), np.float32)
    h, b = np.ones((1, 2), np.float32), np.ones(8, np.float32)
    yield cells.lstm_step, (gates, wide, b, h, h, h)
    yield cells.lstm_step_back, (wide, gates, h, h, h, h)
    yield cells.gru_step, (gates, h, wide, b, b, h, h)
    yield cells.gru_step_back, (wide, gates, h, h, h)
    yield cells.tanh_step, (h, h, b, h)
    yield cells.tanh_step_back, (h, h, h)


def _pools(image: Any) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """The loops of pooling layers, for windows whose places a byte can number and for larger ones."""
    for number in (np.uint8, np.uint32):
        which, offsets = np.zeros(image.shape, number), np.zeros((2, 1), int)
        yield pools.max_pool, (image, image, which, image[0], offsets, (1, 1))
        yield pools.max_pool_backward, (image, which, image, offsets, (1, 1))


def _convolutions(dtype: np.dtype[Any]) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """The loops of a convolution of one pixel by one; the loops that they call are compiled into them."""
    image, numbers, W = np.ones((1, 1, 1, 1), dtype), np.ones(64, dtype), np.ones((1, 1, 1, 1, 1), dtype)
    places, shifts, ways = np.array([[0, 0, 1, 0, 1]]), np.zeros(16, int), np.array([[0, 0, 0, 0, 1, 0, 1, 0, 1]])
    one, ones, room = (1, 1), numbers[:1], np.ones(640, dtype)
    yield convolutions.pack, (W, 0, 0, one, False, 1, ones)
    yield convolutions.forward, (
        image, places, one, 1, 1, 1, shifts, 1, ones, ones, 1, room, numbers, 1, image,
    )  # fmt: skip
    yield convolutions.backward, (
        image, places, one, 1, (1, 1, 1), shifts, room, image, places, (1, 1, 1, 0), shifts, room, 1, 1, numbers,
        W.reshape(1, 1, 1), ones, ways, ones, ones, 1, numbers, image, True,
    )  # fmt: skip


def _fields(dtype: np.dtype[Any]) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """The loops of one field of one pixel."""
    image, room, W = np.ones((1, 1, 1, 1), dtype), np.ones(64, dtype), np.ones((1, 1, 1, 1), dtype)
    shifts, one, pitch = np.zeros(16, int), (1, 1), VECTOR // dtype.itemsize
    yield fields.lay, (image, room, 1, 0, 1, 1)
    yield fields.lift, (room, 1, 0, 1, 1, image)
    yield fields.forward, (room, one, shifts, W, W.reshape(-1), W.reshape(-1), 0, 1, pitch, room.copy())
    yield fields.weight_gradients, (room, one, shifts, room, 0, 1, pitch, room.copy(), W, W.reshape(-1))
    yield fields.backward, (room, one, shifts, W, 0, 1, pitch, room.copy())
