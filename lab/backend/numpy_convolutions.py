"""Convolutions on the CPU by compiled loops over runs of padded images, images side by side where there are threads."""

from __future__ import annotations

from functools import partial
from typing import Any

from lab.backend.base import Array, Backend
from lab.backend.convolutions import Convolution
from lab.backend.loops import alike, loops, ranges, run

NEAR = 1 << 20  # bytes of images whose weight gradients are summed at a time: they are read from the core's own cache


class NumpyConvolutions(Backend):
    """The part of the CPU's backend that convolutions call."""

    _compiled = False
    threads = 1

    def convolve(self, x: Array, W: Array, b: Array | None, convolution: Convolution) -> Array:
        if not self._loops_take(convolution, x, W, *(() if b is None else (b,))):
            return super().convolve(x, W, b, convolution)
        p, O, G = convolution.planes, convolution.outputs, convolution.groups
        height, kernels = _height(O // G), loops().convolutions
        w, bias = self._tiles(W, [(0, 0)], (1, 1), False, convolution), self._rows(b, O, G)
        y = self.empty((len(x), O, *p.out))

        def part(low: int, high: int) -> None:
            room, z = self.zeros((p.x_image,), kind="workspace"), self.empty((height * p.row,), kind="workspace")
            kernels.forward(
                x[low:high], p.x_places, p.stride, p.pitch, p.x_channel, p.x_group, p.x_shifts, p.depth, w, bias,
                height, room, z, G, y[low:high],
            )  # fmt: skip

        run([partial(part, *rows) for rows in self._parts(x, W, p.out)])
        return y

    def convolve_backward(
        self, x: Array, W: Array, dy: Array, convolution: Convolution, bias: bool, need_dx: bool
    ) -> tuple[Array | None, Array, Array | None]:
        if not self._loops_take(convolution, x, W, dy):
            return super().convolve_backward(x, W, dy, convolution, bias, need_dx)
        p, (O, C, G) = convolution.planes, (convolution.outputs, convolution.inputs, convolution.groups)
        height, kernels = _height(C // G), loops().convolutions
        dx = self.empty(x.shape) if need_dx else dy  # which is not written to then
        if need_dx and not p.covers:
            dx[...] = 0
        w = self._tiles(W, p.ways[:, :2].tolist(), p.stride, True, convolution) if need_dx else W.reshape(-1)
        none = self._rows(None, C, G)
        parts = self._parts(x, W, p.out)
        near = max(1, NEAR // ((p.x_image + p.dy_image) * self.dtype.itemsize))

        def part(low: int, high: int, dW: Array, db: Array) -> None:
            images = min(near, high - low)
            x_room = self.zeros((images * p.x_image,), kind="workspace")
            dy_room = self.zeros((images * p.dy_image + kernels.ROWS * p.dy_channel,), kind="workspace")
            z = self.empty((height * p.row,), kind="workspace")
            sums = self.empty((kernels.ROWS * kernels.OFFSETS,), kind="workspace")
            kernels.backward(
                x[low:high], p.x_places, p.stride, p.pitch, (p.x_channel, p.x_group, p.x_image), p.x_shifts, x_room,
                dy[low:high], p.dy_places, (p.dy_channel, p.dy_group, p.dy_image, p.dy_origin), p.dy_shifts, dy_room,
                images, p.run, sums, dW.reshape(G, O // G, p.depth), db, p.ways, w, none, height, z,
                dx[low:high], need_dx,
            )  # fmt: skip

        found = [(self.zeros(W.shape, kind="gradients"), self.zeros((O,), kind="gradients")) for _ in parts]
        run([partial(part, *rows, *totals) for rows, totals in zip(parts, found, strict=True)])
        (dW, db), *others = found
        for more_dW, more_db in others:
            dW += more_dW
            db += more_db
        return dx if need_dx else None, dW, db if bias else None

    def _loops_take(self, convolution: Convolution, *arrays: Array) -> bool:
        return self._compiled and not convolution.pointwise and arrays[0].size > 0 and alike(*arrays)

    def _parts(self, x: Array, W: Array, out: tuple[int, int]) -> list[tuple[int, int]]:
        """Images for each thread; a product of eight numbers costs about what any other loop does with one."""
        return ranges(len(x), len(x) * W.size * out[0] * out[1] // 8, self.threads)

    def _tiles(
        self, W: Array, phases: list[Any], stride: tuple[int, int], swapped: bool, convolution: Convolution
    ) -> Array:
        """The weights of each phase in the order in which tiles read them."""
        G, (O, C, *kernel) = convolution.groups, W.shape
        outputs, depth = (C, O // G) if swapped else (O // G, C)
        height = _height(outputs)
        rows = G * -(-outputs // height) * height
        sizes = [
            rows * depth * len(range(a, kernel[0], stride[0])) * len(range(b, kernel[1], stride[1])) for a, b in phases
        ]
        out, at = self.empty((sum(sizes),), kind="workspace"), 0
        for (a, b), size in zip(phases, sizes, strict=True):
            weights = W.reshape(G, O // G, C, *kernel)
            loops().convolutions.pack(weights, a, b, stride, swapped, height, out[at : at + size])
            at += size
        return out

    def _rows(self, b: Array | None, outputs: int, groups: int) -> Array:
        """b (outputs,), or zeros, with each group filled up to whole tiles."""
        height = _height(outputs // groups)
        rows = self.zeros((groups, -(-(outputs // groups) // height) * height), kind="workspace")
        if b is not None:
            rows[:, : outputs // groups] = b.reshape(groups, -1)
        return rows.reshape(-1)


def _height(outputs: int) -> int:
    """The rows of a tile: those with which the fewest are computed for nothing, where that outweighs a smaller tile."""
    heights: tuple[int, ...] = loops().convolutions.HEIGHTS
    cost = {8: 1.0, 4: 1.15, 1: 3.0}  # of a row, measured
    return min(heights, key=lambda height: -(-outputs // height) * height * cost[height])
