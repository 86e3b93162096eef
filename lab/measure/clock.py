"""A stopwatch whose parts add up to the whole."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Splits the time since it was made into named parts; `other` is what no part claimed.

    A resumed run starts from the seconds that its checkpoint kept, so that the sum covers all of its processes.
    """

    def __init__(self, *parts: str) -> None:
        self._start = time.perf_counter()
        self._parts = dict.fromkeys(parts, 0.0)
        self._before = dict.fromkeys((*parts, "other"), 0.0)

    def add(self, part: str, seconds: float) -> None:
        """Count `seconds`, measured elsewhere, as `part`."""
        self._parts[part] += seconds

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time inside the `with` as `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._parts[name] += time.perf_counter() - start

    def resume(self, seconds: dict[str, float]) -> None:
        """Start from what `seconds()` gave in an earlier process."""
        self._before = {name: float(seconds.get(name, 0.0)) for name in self._before}

    def elapsed(self) -> float:
        """Seconds in this process."""
        return time.perf_counter() - self._start

    def seconds(self) -> dict[str, float]:
        """The parts, `other` and their `total`."""
        other = max(0.0, self.elapsed() - sum(self._parts.values()))
        found = {name: seconds + self._before[name] for name, seconds in {**self._parts, "other": other}.items()}
        return {**found, "total": sum(found.values())}
