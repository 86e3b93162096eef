"""Windows: where a kernel stands on an image, and the columns that turn a convolution into a matrix product."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Literal, TypeAlias

from lab.errors import UsageError

if TYPE_CHECKING:
    from lab.backend.base import Array, Backend, Shape

Pair: TypeAlias = int | tuple[int, int]
Padding: TypeAlias = Pair | Literal["same"]

# Bytes of columns made at a time. On a CPU they are read again before they leave the core's cache (measured: 0.8 to 1.5
# MiB is best, 4 MiB 10 % slower, all at once twice as slow); a GPU has no such cache and wants few, large launches.
TILE = {"numpy": 1 << 20}
DEVICE_TILE = 1 << 28


def pair(value: Pair) -> tuple[int, int]:
    """(value, value) for one number, the pair itself for two."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])


@dataclass(frozen=True)
class Windows:
    """Windows of `kernel` at steps of `stride` on an image of `size` with `padding` zeros around it, all (high, wide).

    An axis holds floor((size + 2 padding - kernel) / stride) + 1 windows.

    Columns are copied in long runs. `spread` splits the padded image into stride x stride phases, (row, column) modulo
    the stride, each a plane whose rows follow one another; the zeros on a row's right are those on the next one's left.
    What the kernel offset (i, j) sees, window after window, is then one run of one plane, but for the few pixels
    between the last window of a row and the first of the next. They are copied too, since a run is several times faster
    than its rows one by one, and their products are left out by `crop`.
    """

    size: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]

    @classmethod
    def fit(cls, name: str, in_shape: Shape, kernel: Pair, stride: Pair, padding: Padding) -> Windows:
        """The windows of layer `name` on images of `in_shape` (C, H, W). Raises UsageError where they do not fit."""
        if len(in_shape) != 3:
            raise UsageError(f"{name} takes images (C, H, W), but its input has shape {in_shape}; put Flatten after it")
        k, s = pair(kernel), pair(stride)
        if padding == "same":
            if s != (1, 1) or k[0] % 2 == 0 or k[1] % 2 == 0:
                raise UsageError(f"{name} padding=same needs odd kernels and stride=1, got kernel={k} stride={s}")
            padding = (k[0] // 2, k[1] // 2)
        p = pair(padding)
        if min(k) < 1 or min(s) < 1 or min(p) < 0:
            raise UsageError(
                f"{name} needs kernel and stride >= 1, padding >= 0, got kernel={k} stride={s} padding={p}"
            )
        for axis in (0, 1):
            _check_axis(name, "HW"[axis], in_shape[1 + axis], k[axis], s[axis], p[axis])
        return cls((in_shape[1], in_shape[2]), k, s, p)

    @cached_property
    def out(self) -> tuple[int, int]:
        """The number of windows, high and wide."""
        (H, W), (kh, kw), (sh, sw), (ph, pw) = self.size, self.kernel, self.stride, self.padding
        return (H + 2 * ph - kh) // sh + 1, (W + 2 * pw - kw) // sw + 1

    @cached_property
    def plane(self) -> tuple[int, int]:
        """Rows and columns of a phase; the last run may reach into rows behind those of the windows."""
        (H, W), (kh, kw), (sh, sw), (ph, pw) = self.size, self.kernel, self.stride, self.padding
        pitch = -(-(W + pw) // sw)
        rows = max(self.out[0] + (kh - 1) // sh, -(-(H + ph) // sh))
        return rows + -(-((kw - 1) // sw) // pitch), pitch

    @cached_property
    def run(self) -> int:
        """The length of a run: all windows of one image, with the surplus between rows."""
        return self.out[0] * self.plane[1]

    @cached_property
    def transposed(self) -> Windows:
        """The windows by which the output of a stride-1 convolution is read to go back to its input."""
        (kh, kw), (ph, pw) = self.kernel, self.padding
        return Windows(self.out, self.kernel, (1, 1), (kh - 1 - ph, kw - 1 - pw))

    def columns(self, x: Array, ops: Backend) -> Iterator[tuple[slice, Array]]:
        """For some images of x (N, C, H, W) at a time: which they are, and their columns (C, kh, kw, n, run).

        The columns are a buffer that is used again, and may be overwritten by whoever has read them.
        """
        N, C = x.shape[:2]
        depth = C * prod(self.kernel)
        tile = TILE.get(ops.name, DEVICE_TILE)
        step = max(1, min(N, tile // (depth * self.run * ops.dtype.itemsize)))
        phases = ops.zeros((step, C, *self.stride, *self.plane), kind="workspace")
        buffer = ops.empty((depth * step * self.run,), kind="workspace")
        for start in range(0, N, step):
            rows = slice(start, min(N, start + step))
            n = rows.stop - start
            self.spread(x[rows], phases[:n])
            cols = buffer[: depth * n * self.run].reshape(C, *self.kernel, n, self.run)
            self.gather(phases[:n], cols, ops)
            yield rows, cols

    def spread(self, x: Array, phases: Array) -> None:
        """Copy images x (n, C, H, W) into `phases` (n, C, sh, sw, *plane); what lies in the padding stays as it is."""
        for a, b, inside, outside in self._phases():
            phases[:, :, a, b, inside[0], inside[1]] = x[:, :, outside[0], outside[1]]

    def collect(self, phases: Array, x: Array) -> None:
        """The reverse of spread: images (n, C, H, W) from their phases."""
        for a, b, inside, outside in self._phases():
            x[:, :, outside[0], outside[1]] = phases[:, :, a, b, inside[0], inside[1]]

    def gather(self, phases: Array, cols: Array, ops: Backend) -> None:
        """cols (C, kh, kw, n, run): at [c, i, j, n] what kernel offset (i, j) sees of channel c of image n."""
        (kh, kw), (sh, sw) = self.kernel, self.stride
        for a in range(min(sh, kh)):
            for b in range(min(sw, kw)):
                part, plane = cols[:, a::sh, b::sw], phases[:, :, a, b]
                sn, sc, si, sj = plane.strides
                # all offsets of a channel in one copy: its plane is then read from the nearest cache
                windows = ops.xp.lib.stride_tricks.as_strided(plane, part.shape, (sc, si, sj, sn, sj))
                part[...] = windows

    def scatter(self, cols: Array, phases: Array) -> None:
        """The transpose of gather: each pixel becomes the sum of all entries that were copied from it."""
        (kh, kw), (sh, sw), (rows, pitch) = self.kernel, self.stride, self.plane
        phases[...] = 0
        runs = phases.reshape(*phases.shape[:4], rows * pitch)
        for i in range(kh):
            for j in range(kw):
                start = i // sh * pitch + j // sw
                runs[:, :, i % sh, j % sw, start : start + self.run] += cols[:, i, j].swapaxes(0, 1)

    def crop(self, z: Array) -> Array:
        """z (channels, n, run) as images (n, channels, *out) without the surplus; a view."""
        (Ho, Wo), pitch = self.out, self.plane[1]
        return z.reshape(*z.shape[:2], Ho, pitch)[..., :Wo].swapaxes(0, 1)

    def _phases(self) -> Iterator[tuple[int, int, list[slice], list[slice]]]:
        """Each phase's place: its two numbers, its pixels in the plane, and the same in the image."""
        for a in range(self.stride[0]):
            for b in range(self.stride[1]):
                inside, outside = [], []
                for size, s, p, phase in zip(self.size, self.stride, self.padding, (a, b), strict=True):
                    first = (phase - p) % s
                    start = (first + p) // s
                    inside.append(slice(start, start + len(range(first, size, s))))
                    outside.append(slice(first, size, s))
                yield a, b, inside, outside


def _check_axis(name: str, axis: str, size: int, kernel: int, stride: int, padding: int) -> None:
    room = size + 2 * padding
    if kernel > room:
        raise UsageError(
            f"{name} kernel={kernel} is larger than {axis}={size} with padding={padding}; use at most {room}"
        )
    if padding >= kernel:
        raise UsageError(f"{name} padding={padding} puts windows of kernel={kernel} outside the image; use less")
    # Windows further apart than their size skip pixels all over, so skipping as many at the end is what was asked for.
    unread = (room - kernel) % stride - padding
    if unread > max(0, stride - kernel):
        raise UsageError(
            f"{name} kernel={kernel} stride={stride} padding={padding} leaves the last {unread} of {axis}={size} "
            f"unread; use a stride that divides {room - kernel}, or more padding"
        )
