"""Turns that nobody disturbed: one during which others used the machine is made anew, whatever its times were."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from lab.measure.environment import usable_cores
from lab.measure.others import Others

LIMIT = 1 / 20  # of the cores
_WAIT = 1.0  # seconds before another attempt


@dataclass
class Alone:
    """Counts over a whole measurement: turns that were made anew, and the most that others used during one that counts.

    attempts  how often a turn is made at most
    `most` is None while nothing could be told.
    """

    attempts: int = 6
    most: float | None = None
    anew: int = 0

    def turn(self, make: Callable[[], list[float]]) -> list[float]:
        """What `make` gives in an undisturbed attempt; after several disturbed ones, in the last of them."""
        for attempt in range(self.attempts):
            if attempt:
                self.anew += 1
                time.sleep(_WAIT)
            others = Others()
            found = make()
            used = others.cores()
            if used is None or used <= LIMIT * usable_cores() or not found:
                break
        if used is not None:
            self.most = max(used, self.most or 0.0)
        return found
