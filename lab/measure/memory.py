"""The largest memory this process ever held."""

from __future__ import annotations

from pathlib import Path

_STATUS = Path("/proc/self/status")


def process_peak() -> tuple[int | None, str | None]:
    """Bytes of the largest resident set since the process started its program, or None and the reason.

    VmHWM and not `getrusage`'s ru_maxrss: the latter survives exec, so a small worker would report its parent's peak.
    """
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None, f"{_STATUS} is not there (only Linux tells a process its peak memory)"
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024, None
    return None, f"{_STATUS} has no VmHWM line (this kernel does not count it)"
