"""Narrow fields without shared weights on the CPU by compiled loops over images that lie side by side."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from lab.backend.base import Array, Backend
from lab.backend.fields import Fields
from lab.backend.loops import alike, loops, ranges, run
from lab.backend.windows import Windows

ROOM = 1 << 21  # bytes of padded images laid out at a time: every field reads its share again, from the cache


class NumpyFields(Backend):
    """The part of the CPU's backend that locally connected layers call."""

    _compiled = False
    threads = 1

    def local_fields(self, x: Array, W: Array, b: Array | None, fields: Fields) -> Array:
        if not self._loops_see(fields, x, W, *(() if b is None else (b,))):
            return super().local_fields(x, W, b, fields)
        w, y = fields.windows, self.empty((len(x), fields.outputs, *fields.windows.out))
        bias = self.zeros((fields.outputs, *w.out), kind="workspace") if b is None else b
        kernel, given = loops().fields.forward, (W, W.reshape(-1), bias.reshape(-1))
        for these in self._near(x, w):
            part = x[these]
            pitch = self._pitch(part)
            room, shifts = self._laid(part, w, pitch), _shifts(fields, pitch)
            out = self.empty((fields.outputs * w.out[0] * w.out[1] * pitch,), kind="workspace")
            run([
                partial(kernel, room, _steps(w, pitch), shifts, *given, low, high, pitch, out)
                for low, high in ranges(w.out[0], len(part) * W.size // 8, self.threads)
            ])  # fmt: skip
            loops().fields.lift(out, w.out[1] * pitch, 0, w.out[0] * w.out[1] * pitch, pitch, y[these])
            del room, out  # before the next images ask for theirs
        return y

    def local_fields_backward(
        self, x: Array, W: Array, dy: Array, fields: Fields, bias: bool, need_dx: bool
    ) -> tuple[Array | None, Array, Array | None]:
        if not self._loops_see(fields, x, W, dy):
            return super().local_fields_backward(x, W, dy, fields, bias, need_dx)
        w, pitch, kernels = fields.windows, self._pitch(x), loops().fields
        room, shifts, steps = self._laid(x, w, pitch), _shifts(fields, pitch), _steps(w, pitch)
        arrived = self._laid(dy, Windows(w.out, (1, 1), (1, 1), (0, 0)), pitch)
        dW, size = self.empty(W.shape, kind="gradients"), len(x) * W.size // 8

        def gradients(low: int, high: int) -> None:
            sums = self.empty((kernels.MOST * kernels.OFFSETS,), kind="workspace")
            kernels.weight_gradients(room, steps, shifts, arrived, low, high, pitch, sums, dW, dW.reshape(-1))

        run([partial(gradients, *rows) for rows in ranges(w.out[0], size, self.threads)])
        db = self.xp.sum(dy, axis=0, out=self.empty(dy.shape[1:], kind="gradients")) if bias else None
        if not need_dx:
            return None, dW, db
        room[...] = 0  # now of dx
        seen = W.shape[2] // fields.inputs  # numbers of a channel, which no other channel's touch
        run([
            partial(kernels.backward, arrived, steps, shifts, W, low * seen, high * seen, pitch, room)
            for low, high in ranges(fields.inputs, size, self.threads)
        ])  # fmt: skip
        dx = self.empty(x.shape)
        kernels.lift(room, *_places(w, pitch), dx)
        return dx, dW, db

    def _loops_see(self, fields: Fields, *arrays: Array) -> bool:
        few = self._compiled and arrays[0].size > 0 and alike(*arrays)
        return few and fields.outputs <= loops().fields.MOST

    def _pitch(self, x: Array) -> int:
        """How far pixels are apart: the images, filled up to whole vectors."""
        lanes: int = loops().fields.VECTOR // self.dtype.itemsize
        return -(-len(x) // lanes) * lanes

    def _near(self, x: Array, w: Windows) -> list[slice]:
        """Which images are laid out at a time: whole vectors of them, about equally many, and one vector at least."""
        lanes, (high, wide) = self._pitch(x[:1]), _padded(w)
        vectors = -(-len(x) // lanes)
        most = max(1, ROOM // (x.shape[1] * high * wide * lanes * self.dtype.itemsize))
        parts = -(-vectors // most)
        bounds = [vectors * i // parts * lanes for i in range(parts + 1)]
        return [slice(*bound) for bound in pairwise(bounds)]

    def _laid(self, x: Array, w: Windows, pitch: int) -> Array:
        """x (N, C, H, W) with its images last and zeros around it, as `Windows` says, and behind the last image."""
        high, wide = _padded(w)
        room = self.zeros((x.shape[1] * high * wide * pitch,), kind="workspace")
        loops().fields.lay(x, room, *_places(w, pitch))
        return room


def _padded(w: Windows) -> tuple[int, int]:
    return w.size[0] + 2 * w.padding[0], w.size[1] + 2 * w.padding[1]


def _places(w: Windows, pitch: int) -> tuple[int, int, int, int]:
    """How far rows are apart, where the first pixel lies, and how far channels and pixels are apart."""
    high, wide = _padded(w)
    return wide * pitch, (w.padding[0] * wide + w.padding[1]) * pitch, high * wide * pitch, pitch


def _steps(w: Windows, pitch: int) -> tuple[int, int]:
    """From a field to the one below it, and to the one on its right."""
    return w.stride[0] * _padded(w)[1] * pitch, w.stride[1] * pitch


def _shifts(fields: Fields, pitch: int) -> Any:
    """Where each number (c, i, j) of the first field lies, and zeros for a tile that reaches beyond the last."""
    w = fields.windows
    high, wide = _padded(w)
    c, i, j = np.ogrid[: fields.inputs, : w.kernel[0], : w.kernel[1]]
    return np.append(((c * high + i) * wide + j) * pitch, np.zeros(loops().fields.OFFSETS, int))
