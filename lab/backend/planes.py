"""Where the images of a convolution lie in memory, so that what a kernel's offset sees of one is a run of numbers.

The pixels of a padded image are split into stride x stride phases, see lab.backend.windows; each is a plane whose rows
follow one another at `pitch`, with the zeros of a row's right serving as those of the next one's left. The window at
(p, q) then sees, at offset (c, i, j), the number at shift(c, i, j) + p pitch + q: all windows see one run, and no
column is copied. What lies between the last window of a row and the first of the next is computed and left out.

Backward the gradients dy lie in planes alike, and dx is found phase by phase: with a + s i' for the offsets i that meet
the pixels of phase a, dx[n, c, s u - pad + a] = sum over o and i' of W[o, c, a + s i'] dy[n, o, u - i'] (down; across
alike), a convolution at stride 1 again, so that nothing is summed over windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lab.backend.windows import Windows

ALIGNED = 16  # numbers: as many as the widest register holds, and how far the last read of a run may reach beyond it


@dataclass(frozen=True)
class Taps:
    """How far offsets reach on an axis for the pixels of a phase: `count` offsets, pixels first, first + s, ...

    The first of the `pixels` is number `start` of its phase.
    """

    count: int
    first: int
    pixels: int
    start: int


class Planes:
    """The layout of both sides of a convolution of `inputs` and `outputs` channels, in numbers, not bytes."""

    def __init__(self, w: Windows, inputs: int, outputs: int, groups: int) -> None:
        (Ho, Wo), (sh, sw) = w.out, w.stride
        down, across = (_taps(*axis) for axis in zip(w.size, w.kernel, w.stride, w.padding, strict=True))
        above, below = _margins(down, Ho)
        left, right = _margins(across, Wo)
        self.stride, self.out = w.stride, w.out
        self.pitch = max(w.plane[1], Wo + max(left, right))
        self.run = (Ho - 1) * self.pitch + Wo

        plane = w.plane[0] * self.pitch
        self.x_channel = sh * sw * plane
        self.x_group = inputs // groups * self.x_channel
        self.x_image = _aligned(inputs * self.x_channel + ALIGNED)
        self.x_places = np.array([
            [(a * sw + b) * plane + self._at(down[a], across[b]), down[a].first, down[a].pixels,
             across[b].first, across[b].pixels]
            for a in range(sh) for b in range(sw)
        ])  # fmt: skip
        c, i, j = np.ogrid[: inputs // groups, : w.kernel[0], : w.kernel[1]]
        shifts = (
            c * self.x_channel + (i % sh * sw + j % sw) * plane + i // sh * self.pitch + j // sw
        )  # fmt: skip
        self.depth = shifts.size
        self.x_shifts = np.append(shifts, np.zeros(ALIGNED, int))  # a tile of weight gradients may reach beyond

        origin = _aligned(above * self.pitch + left)  # of dy's first pixel, so that its run is aligned
        end = origin + (Ho - 1 + below) * self.pitch + Wo + right
        self.dy_channel = _aligned(max(end, origin + self.run) + ALIGNED)
        self.dy_group = outputs // groups * self.dy_channel
        self.dy_image = outputs * self.dy_channel
        self.dy_origin = origin
        self.dy_places = np.array([[origin, 0, Ho, 0, Wo]])
        self.ways, self.dy_shifts, self.covers = self._ways(down, across, outputs // groups)
        longest = max([self.run, *((high - 1) * self.pitch + wide for *_, high, _, wide in self.ways.tolist())])
        self.row = _aligned(longest)

    def _at(self, down: Taps, across: Taps) -> int:
        return down.start * self.pitch + across.start

    def _ways(self, down: list[Taps], across: list[Taps], outputs: int) -> tuple[Any, npt.NDArray[Any], bool]:
        """For each phase that offsets meet: its numbers, where dy is read, its shifts, its pixels; whether all are."""
        ways, tables, first, covers = [], [], 0, True
        for a, high in enumerate(down):
            for b, wide in enumerate(across):
                if not high.pixels or not wide.pixels:
                    continue
                o, i, j = np.ogrid[:outputs, : high.count, : wide.count]
                table = (o * self.dy_channel - i * self.pitch - j).reshape(-1)
                if not table.size:
                    covers = False
                    continue
                at = self.dy_origin + self._at(high, wide)
                ways.append([a, b, at, first, table.size, high.first, high.pixels, wide.first, wide.pixels])
                tables.append(table)
                first += table.size
        return np.array(ways), np.concatenate(tables), covers


def _taps(size: int, kernel: int, stride: int, padding: int) -> list[Taps]:
    found = []
    for phase in range(stride):
        first = (phase - padding) % stride
        pixels = len(range(first, size, stride))
        found.append(Taps(len(range(phase, kernel, stride)), first, pixels, (first + padding) // stride))
    return found


def _margins(axis: list[Taps], windows: int) -> tuple[int, int]:
    """How many zeros are read before the first and behind the last of dy's `windows`."""
    met = [taps for taps in axis if taps.pixels and taps.count]
    before = max([0, *(taps.count - 1 - taps.start for taps in met)])
    return before, max([0, *(taps.start + taps.pixels - windows for taps in met)])


def _aligned(numbers: int) -> int:
    return -(-numbers // ALIGNED) * ALIGNED
