"""A progress bar of one line, in the form that pooch asks for."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from lab.errors import DataError

WIDTH = 24


class Bar:
    """Counts bytes towards `total` and draws them on a terminal; elsewhere it is silent, for a log wants no bars.

    It refuses more than `limit` bytes with DataError: what sends more than the data can have is not the data.
    """

    def __init__(self, label: str, limit: int, total: int = 0, stream: TextIO | None = None) -> None:
        self.label, self.limit, self.total = label, limit, total
        self.count = 0
        self._stream = stream or sys.stderr
        self._start = time.monotonic()
        self._drawn = 0.0
        self._width = 0

    def update(self, count: int) -> None:
        """Add `count` bytes."""
        self.count += count
        if self.count > self.limit or self.total > self.limit:
            raise DataError(
                f"{self.label} sends more than the {self.limit} bytes that it can need; it is not the data set"
            )
        now = time.monotonic()
        if self._stream.isatty() and now - self._drawn >= 0.1:
            self._drawn = now
            self._draw(now)

    def reset(self) -> None:
        """Start to count at 0 again."""
        self.count = 0

    def close(self) -> None:
        """Take the line away; what is printed next starts there."""
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
            self._width = 0

    def _draw(self, now: float) -> None:
        done = f"{self.count / 1e6:.1f} MB"
        if self.total:
            share = min(1.0, self.count / self.total)
            full = round(share * WIDTH)
            done = f"[{'#' * full}{'.' * (WIDTH - full)}] {share:4.0%} {done} of {self.total / 1e6:.1f} MB"
        line = f"{self.label}: {done}, {now - self._start:.0f} s"
        self._stream.write("\r" + line.ljust(self._width))
        self._stream.flush()
        self._width = len(line)
