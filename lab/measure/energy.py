"""Energy of a run: joules of all counters from start to stop, and what of it is above idle power.

Counters count a whole device, other programs included: a figure means something on a machine that does nothing else.
RAPL's counters wrap after minutes to an hour under load, so `tick` is called often. NVML's counter moves in steps:
its windows are ten seconds or more. Idle power is what the same counters said in a stated window just before the run
while this process waited, or what the user says; without either nothing is subtracted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.measure import counters as known
from lab.measure.counters import Counter

_POWERCAP = Path("/sys/class/powercap")
SHORTEST = {"cpu": 1.0, "gpu": 10.0}  # seconds under which a figure would be mostly rounding
_TICK = 30.0  # seconds between two looks at the counters: far less than a wrap takes


class EnergyMeter:
    """Counts from `start` to `stop`, by part: "cpu" are the packages, "gpu" the GPU where the run uses one.

    idle_watts    power of all parts together that the machine draws anyway, or None
    idle_seconds  measure that power before the run, for so many seconds; 0: not
    """

    def __init__(
        self,
        device: str = "cpu",
        powercap: Path = _POWERCAP,
        *,
        idle_watts: float | None = None,
        idle_seconds: float = 0.0,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._given, self._window = idle_watts, idle_seconds
        self.missing: dict[str, str] = {}
        self._counters: dict[str, list[Counter]] = {}
        for part in ("cpu",) if device == "cpu" else ("cpu", "gpu"):
            found, missing = known.processors(powercap) if part == "cpu" else known.gpu()
            self._counters[part] = found
            if missing:
                self.missing[part] = missing
        self._idle: dict[str, float] = {}
        self._idle_how = "given by idle_watts" if idle_watts is not None else ""
        self._joules: dict[str, float] = {}
        self._last: dict[str, list[float]] = {}
        self._started = self._looked = 0.0
        self._begin()

    @property
    def names(self) -> list[str]:
        """The counters that are read."""
        return [counter.name for found in self._counters.values() for counter in found]

    def start(self) -> None:
        """Measure idle power where that was asked for, then begin to count."""
        if self._given is None and self._window > 0 and self.names:
            self._begin()
            self._sleep(self._window)
            self.tick(now=True)
            seconds = self._clock() - self._started
            self._idle = {part: joules / seconds for part, joules in self._joules.items()}
            self._idle_how = f"measured for {seconds:.1f} s before the run"
        self._begin()

    def tick(self, *, now: bool = False) -> None:
        """Take in what the counters moved, if the last look was some time ago or `now`; a wrap is put right."""
        if not now and self._clock() - self._looked < _TICK:
            return
        self._looked = self._clock()
        for part, found in self._counters.items():
            if part in self.missing:
                continue
            said = self._read(part)
            for counter, old, new in zip(found, self._last[part], said, strict=False):
                self._joules[part] += new - old + ((counter.wraps or 0.0) if new < old else 0.0)
            self._last[part] = said

    def stop(self) -> dict[str, Any]:
        """The figures for the record; joules that are not known are None, and `energy_missing` says why.

        energy_joules             of all parts together; energy_parts has those that are known
        energy_above_idle_joules  less idle_watts x energy_seconds, None where idle power is not known
        """
        self.tick(now=True)
        seconds = self._clock() - self._started
        for part in self._counters:
            if part not in self.missing and seconds < SHORTEST[part]:
                self.missing[part] = (
                    f"the run took {seconds:.1f} s; a counter of the {part} says little under {SHORTEST[part]:.0f} s"
                )
        parts = {part: joules for part, joules in self._joules.items() if part not in self.missing}
        whole = None if self.missing else sum(parts.values())
        idle = self._given if self._given is not None else sum(self._idle.values()) if self._idle else None
        return {
            "energy_joules": whole,
            "energy_missing": "; ".join(self.missing.values()) or None,
            "energy_parts": parts,
            "energy_seconds": seconds,
            "energy_above_idle_joules": None if whole is None or idle is None else whole - idle * seconds,
            "idle_watts": idle,
            "idle_from": self._idle_how or "not known, and nothing was subtracted; give idle_seconds or idle_watts",
        }

    def _begin(self) -> None:
        self._joules = dict.fromkeys(self._counters, 0.0)
        self._started = self._looked = self._clock()
        self._last = {part: self._read(part) for part in self._counters if part not in self.missing}

    def _read(self, part: str) -> list[float]:
        """What the counters of a part say; one that stops answering costs the figure and not the run."""
        try:
            return [counter.read() for counter in self._counters[part]]
        except (OSError, ValueError) as error:
            self.missing[part] = f"a counter of the {part} stopped answering: {error}"
            return []
