"""What can count energy here: the processor packages (RAPL) and the GPU (NVML), or the reason why nothing does.

Both count a whole device, other programs included. RAPL is read through /sys/class/powercap, microjoules a zone. Of its
top-level zones only packages count: subzones (core, uncore, dram) lie inside them or beside them, psys holds them all,
and the same package over another bus (intel-rapl-mmio) would count twice. Memory modules are in no package's figure.
NVML's total-energy counter is in millijoules since the driver was loaded (Volta and later); it is asked through the
driver's own library, so that nothing has to be installed.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

_LIBRARIES = ("libnvidia-ml.so.1", "libnvidia-ml.so", "nvml.dll")
_NO_SUCH_FUNCTION = "the driver's NVML is too old to have it"


@dataclass(frozen=True)
class Counter:
    """One counter: `read` gives its joules, `wraps` how many it counts before it starts again from 0 (None: never)."""

    name: str
    read: Callable[[], float]
    wraps: float | None = None


def processors(powercap: Path) -> tuple[list[Counter], str | None]:
    """A counter for every processor package, or none and the reason; one that cannot be read leaves no figure."""
    zones = sorted(path for path in powercap.glob("intel-rapl:*") if path.name.count(":") == 1)
    counters = []
    for zone in zones:
        file = zone / "energy_uj"
        try:
            name = (zone / "name").read_text().strip() if (zone / "name").exists() else "package"
            if not name.startswith("package"):
                continue
            _microjoules(file)
            wraps = _microjoules(zone / "max_energy_range_uj")
        except (OSError, ValueError):
            return [], f"no counter: {file} cannot be read (on most systems only by root)"
        counters.append(Counter(zone.name, partial(_microjoules, file), wraps))
    if not counters:
        return [], f"no counter: {powercap} has no intel-rapl zone of a package"
    return counters, None


def _microjoules(file: Path) -> float:
    return int(file.read_text()) / 1e6


def gpu(load: Callable[[str], Any] = ctypes.CDLL) -> tuple[list[Counter], str | None]:
    """The counter of the GPU that CUDA's device 0 is, or none and the reason. `load` opens the driver's library."""
    nvml = None
    for name in _LIBRARIES:
        try:
            nvml = load(name)
            break
        except OSError:
            continue
    if nvml is None:
        return [], "no counter for the GPU: the driver's library libnvidia-ml is not there"
    handle = ctypes.c_void_p()

    def read() -> float:
        millijoules = ctypes.c_ulonglong()
        _ask(nvml, "nvmlDeviceGetTotalEnergyConsumption", handle, ctypes.byref(millijoules))
        return millijoules.value / 1e3

    try:
        _ask(nvml, "nvmlInit_v2")
        function, which = visible(os.environ)
        _ask(nvml, function, which, ctypes.byref(handle))
        read()
    except OSError as error:
        return [], f"no counter for the GPU: {error}"
    return [Counter("gpu", read)], None


def visible(environment: Mapping[str, str]) -> tuple[str, ctypes.c_uint | bytes]:
    """NVML's function and argument for the first GPU that CUDA sees: NVML itself knows nothing of CUDA_VISIBLE_DEVICES.

    A number counts by the order of the bus, as NVML does, where CUDA_DEVICE_ORDER=PCI_BUS_ID or all GPUs are alike.
    """
    first = environment.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    if first.startswith(("GPU-", "MIG-")):
        return "nvmlDeviceGetHandleByUUID", first.encode()
    return "nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(int(first) if first.isdigit() else 0)


def _ask(nvml: Any, function: str, *arguments: Any) -> None:
    """Call NVML. Raises OSError with its own words where it refuses."""
    try:
        found = getattr(nvml, function)
    except AttributeError:
        raise OSError(f"{function}: {_NO_SUCH_FUNCTION}") from None
    status = int(found(*arguments))
    if status:
        raise OSError(f"{function} is refused: {_words(nvml, status)}")


def _words(nvml: Any, status: int) -> str:
    """What NVML calls an error."""
    try:
        told = nvml.nvmlErrorString
        told.restype = ctypes.c_char_p
        words: bytes | None = told(status)
    except AttributeError:
        words = None
    return words.decode() if words else f"error {status}"
