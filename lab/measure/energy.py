"""Energy from the counters of the processor packages (RAPL) and of the GPU (NVML), or the reason why there is none.

Both count the whole device, other programs included: figures mean something on a machine that does nothing else. RAPL
is read through /sys/class/powercap (microjoules; the top-level zones are the packages, subzones would count twice); its
counters wrap at `max_energy_range_uj`, after about an hour under load, so `sample` is called at least each epoch.
NVML's total-energy counter (millijoules) moves in steps: windows under ten seconds are rough.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_POWERCAP = Path("/sys/class/powercap")
SHORTEST = 10.0  # seconds under which a figure would be mostly rounding


@dataclass
class Counter:
    """One counter: `read` gives its joules, `wraps` where it starts again from 0 (None: never)."""

    name: str
    read: Callable[[], float]
    wraps: float | None = None


class EnergyMeter:
    """Adds up the joules of all counters from `start` on; where there is none, `missing` says why."""

    def __init__(self, device: str = "cpu", powercap: Path = _POWERCAP) -> None:
        self.counters, self.missing = _rapl(powercap)
        if device != "cpu":
            gpu, missing = _nvml()
            self.counters += gpu
            self.missing = self.missing or missing
        self._joules = 0.0
        self._last: list[float] = []
        self._started = time.perf_counter()

    def start(self) -> None:
        """Begin to count."""
        self._started = time.perf_counter()
        self._last = self._read()

    def sample(self) -> None:
        """Take in what the counters moved since the last call; a wrapped counter is put right."""
        now = self._read()
        for counter, old, new in zip(self.counters, self._last, now, strict=False):
            self._joules += new - old + (counter.wraps or 0.0 if new < old else 0.0)
        self._last = now

    def stop(self) -> tuple[float | None, str | None]:
        """The joules since `start`, or None and the reason."""
        self.sample()
        seconds = time.perf_counter() - self._started
        if not self.missing and seconds < SHORTEST:
            self.missing = f"the run took {seconds:.1f} s; a counter says little under {SHORTEST:.0f} s"
        return (None, self.missing) if self.missing else (self._joules, None)

    def _read(self) -> list[float]:
        """What the counters say; one that stops answering costs the figure and not the run."""
        try:
            return [counter.read() for counter in self.counters]
        except (OSError, ValueError) as error:
            self.missing = f"a counter stopped answering: {error}"
            return []


def _rapl(powercap: Path) -> tuple[list[Counter], str | None]:
    zones = sorted(path for path in powercap.glob("intel-rapl:*") if path.name.count(":") == 1)
    if not zones:
        return [], f"no counter: {powercap} has no intel-rapl zone"
    counters = []
    for zone in zones:
        file = zone / "energy_uj"
        try:
            _microjoules(file)
            wraps = _microjoules(zone / "max_energy_range_uj")
        except (OSError, ValueError):
            return [], f"no counter: {file} cannot be read (on most systems only by root)"
        counters.append(Counter(zone.name, lambda file=file: _microjoules(file), wraps))  # type: ignore[misc]
    return counters, None


def _microjoules(file: Path) -> float:
    return int(file.read_text()) / 1e6


def _nvml() -> tuple[list[Counter], str | None]:
    try:
        pynvml: Any = importlib.import_module("pynvml")
    except ImportError:
        return [], "no counter for the GPU: pynvml is not installed"

    def read() -> float:
        try:
            return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3
        except pynvml.NVMLError as error:
            raise OSError(str(error)) from error

    try:
        pynvml.nvmlInit()
        handle: Any = pynvml.nvmlDeviceGetHandleByIndex(0)
        read()
    except (pynvml.NVMLError, OSError) as error:
        return [], f"no counter for the GPU: {error}"
    return [Counter("gpu", read)], None
