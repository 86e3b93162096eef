"""How much of the machine others used while something was measured.

The load average looks back on the minute before and cannot say this; the kernel's count of busy time, less that of the
processes that measure, can.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

_PROC = Path("/proc")
_IDLE = (3, 4)  # of the first line's numbers in /proc/stat: idle, waiting for a disk
_GUEST = 8  # guest time is in user time already
# of a process's line in /proc/PID/stat, counted from behind its name
_PARENT, _TIMES = 1, slice(11, 15)  # user and system time, its own and that of children it has waited for


class Others:
    """Counts from its making on."""

    def __init__(self) -> None:
        self._began, self._busy, self._own = time.monotonic(), _busy(), _own()

    def cores(self) -> float | None:
        """Cores that processes other than this one and its descendants kept busy, in the mean since then.

        Good to a hundredth of a second of busy time. None where the kernel does not tell.
        """
        busy, own, seconds = _busy(), _own(), time.monotonic() - self._began
        if busy is None or self._busy is None or seconds <= 0:
            return None
        ticks = (busy - self._busy) - (own - self._own)
        return max(0.0, ticks / os.sysconf("SC_CLK_TCK") / seconds)


def _busy() -> int | None:
    """Ticks for which the cores were busy since the machine started, stolen time included."""
    try:
        numbers = [int(word) for word in (_PROC / "stat").read_text().splitlines()[0].split()[1:]]
    except (OSError, ValueError, IndexError):
        return None
    return sum(n for i, n in enumerate(numbers[:_GUEST]) if i not in _IDLE)


def _own() -> int:
    """Ticks that this process and its descendants took."""
    parents, ticks = {}, {}
    for folder in _PROC.glob("[0-9]*"):
        try:
            words = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        parents[int(folder.name)] = int(words[_PARENT])
        ticks[int(folder.name)] = sum(int(word) for word in words[_TIMES])
    mine = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in mine} - mine:
        mine |= more
    return sum(ticks.get(pid, 0) for pid in mine)
