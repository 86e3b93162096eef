"""When to write a checkpoint: as often as a twentieth of the time allows."""

from __future__ import annotations

import time
from collections.abc import Callable

_SECONDS_PER_BYTE = 0.012 / 2**20  # an atomic write with fsync, on the disks this was tried on
_LEAST = 0.005  # seconds that the smallest one takes


class Keeper:
    """Calls `save` when the time it has taken so far, and would take once more, stays within `share` of all time.

    size: bytes of a checkpoint, from which the first one's time is guessed; later ones take what the last one took.
    """

    def __init__(
        self,
        save: Callable[..., None],
        size: int,
        share: float = 0.05,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._save, self._share, self._clock = save, share, clock
        self._started = clock()
        self._expected = _LEAST + size * _SECONDS_PER_BYTE
        self.spent = 0.0
        self.written = 0

    def offer(self, *details: object) -> bool:
        """Save if there is time for it, `save` being given the details; whether it was done."""
        if self.spent + self._expected > self._share * (self._clock() - self._started):
            return False
        self.keep(*details)
        return True

    def keep(self, *details: object) -> None:
        """Save now."""
        began = self._clock()
        self._save(*details)
        self._expected = self._clock() - began
        self.spent += self._expected
        self.written += 1
