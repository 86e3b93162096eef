"""Normalisation of images on the CPU by compiled loops: channels, or rows, side by side where there are threads."""

from __future__ import annotations

from functools import partial
from typing import Any

from lab.backend.base import Array, Backend
from lab.backend.loops import alike, loops, ranges, run

SPLIT_FROM = 1 << 21  # elements; fewer take less than a millisecond, and waking a thread for each pass costs as much
PIXELS_FROM = 4  # where a channel has fewer in a row numpy, which goes over channels side by side, is faster


class NumpyNorms(Backend):
    """The part of the CPU's backend that normalising layers call."""

    _compiled = False
    threads = 1

    def batch_norm(
        self, x: Array, gamma: Array | None, beta: Array | None, eps: float, given: tuple[Array, Array] | None
    ) -> tuple[Array, Array, Array, Array]:
        if not self._loops_over(x, *(p for p in (gamma, beta, *(given or ())) if p is not None)):
            return super().batch_norm(x, gamma, beta, eps, given)
        C, kernels = x.shape[1], loops().norms
        parts = ranges(C, x.size, self.threads, SPLIT_FROM)
        if given is None:
            mean, var = self.empty((C,)), self.empty((C,))
            run([partial(kernels.channel_moments, x, mean, var, *part) for part in parts])
        else:
            mean, var = given
        r = 1 / self.xp.sqrt(var + self.dtype.type(eps))
        y, scale = self.empty(x.shape), r if gamma is None else r * gamma
        shift = self.xp.zeros_like(r) if beta is None else beta
        run([partial(kernels.batch_norm, x, y, mean, scale, shift, *part) for part in parts])
        return y, mean, var, r

    def batch_norm_backward(
        self, dy: Array, x: Array, mean: Array, r: Array, gamma: Array | None, given: bool, need_dx: bool
    ) -> tuple[Array | None, Array, Array]:
        if not self._loops_over(x, dy, mean, r, *(() if gamma is None else (gamma,))):
            return super().batch_norm_backward(dy, x, mean, r, gamma, given, need_dx)
        C, kernels = x.shape[1], loops().norms
        parts, M = ranges(C, x.size, self.threads, SPLIT_FROM), self.dtype.type(x.size / C)
        along, total = self.empty((C,), kind="workspace"), self.empty((C,), kind="workspace")
        run([partial(kernels.channel_sums, dy, x, mean, r, along, total, *part) for part in parts])
        if not need_dx:
            return None, along, total
        dx, scale = self.empty(x.shape), r if gamma is None else r * gamma
        if given:
            tilt = shift = self.xp.zeros_like(r)
        else:
            tilt, shift = scale * r * along / M, scale * total / M
        numbers = (dy, x, dx, mean, scale, tilt, shift)
        run([partial(kernels.batch_norm_backward, *numbers, *part) for part in parts])
        return dx, along, total

    def group_norm(self, x: Array, gamma: Array | None, beta: Array | None, eps: float) -> tuple[Array, Array, Array]:
        if not self._loops_over(x, *(p for p in (gamma, beta) if p is not None)):
            return super().group_norm(x, gamma, beta, eps)
        (N, G), of_groups = x.shape[:2], x.shape[1:3]
        y, mean, r = self.empty(x.shape), self.empty((N, G)), self.empty((N, G))
        scale = self._filled(1, of_groups) if gamma is None else gamma.reshape(of_groups)
        shift = self._filled(0, of_groups) if beta is None else beta.reshape(of_groups)
        run([
            partial(
                loops().norms.group_norm, x[low:high], y[low:high], mean[low:high], r[low:high], scale, shift,
                self.dtype.type(eps),
            )
            for low, high in ranges(N, x.size, self.threads, SPLIT_FROM)
        ])  # fmt: skip
        return y, mean[..., None, None], r[..., None, None]

    def group_norm_backward(
        self, dy: Array, x: Array, mean: Array, r: Array, gamma: Array | None, need_dx: bool
    ) -> tuple[Array | None, Array, Array]:
        if not self._loops_over(x, dy, mean, r, *(() if gamma is None else (gamma,))):
            return super().group_norm_backward(dy, x, mean, r, gamma, need_dx)
        (N, G), of_groups = x.shape[:2], x.shape[1:3]
        mean, r = mean.reshape(N, G), r.reshape(N, G)
        dx = self.empty(x.shape) if need_dx else x  # which is not written to then
        scale = self._filled(1, of_groups) if gamma is None else gamma.reshape(of_groups)
        parts = ranges(N, x.size, self.threads, SPLIT_FROM)
        sums = self.empty((2, len(parts), *of_groups), kind="workspace")
        run([
            partial(
                loops().norms.group_norm_backward, dy[low:high], x[low:high], dx[low:high], mean[low:high],
                r[low:high], scale, sums[0, i], sums[1, i], need_dx,
            )
            for i, (low, high) in enumerate(parts)
        ])  # fmt: skip
        along, total = sums.sum(axis=1).reshape(2, -1)
        return dx if need_dx else None, along, total

    def _loops_over(self, x: Array, *others: Array) -> bool:
        return self._compiled and x.shape[-1] >= PIXELS_FROM and x.size > 0 and alike(x, *others)

    def _filled(self, value: float, shape: tuple[int, ...]) -> Any:
        out = self.empty(shape, kind="workspace")
        out[...] = value
        return out
