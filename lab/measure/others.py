"""How much of the machine others used while something was measured.

The load average looks back on the minute before and cannot say this; the kernel's count of busy time, less that of the
processes that measure, can.
"""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

_STAT = Path("/proc/stat")
_IDLE = (3, 4)  # of the first line's numbers: idle, waiting for a disk
_GUEST = 8  # guest time is in user time already


class Others:
    """Counts from its making on."""

    def __init__(self) -> None:
        self._began, self._busy, self._own = time.monotonic(), _busy(), _own()

    def cores(self) -> float | None:
        """Cores that other processes kept busy, in the mean since then; None where the kernel does not tell.

        Children of this process count as its own once they were waited for.
        """
        busy, seconds = _busy(), time.monotonic() - self._began
        if busy is None or self._busy is None or seconds <= 0:
            return None
        return max(0.0, (busy - self._busy - (_own() - self._own)) / seconds)


def _busy() -> float | None:
    """Seconds that all cores were busy since the machine started, stolen time included."""
    try:
        numbers = [int(word) for word in _STAT.read_text().splitlines()[0].split()[1:]]
    except (OSError, ValueError, IndexError):
        return None
    ticks = sum(n for i, n in enumerate(numbers[:_GUEST]) if i not in _IDLE)
    return ticks / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    found = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in found)
