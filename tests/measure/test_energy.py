"""Energy: counters that wrap, are missing, forbidden or doubled; NVML's own library; idle power taken off."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.measure import counters
from lab.measure.energy import EnergyMeter


class Clock:
    """Time that passes only when told to, and does something each time it is slept through."""

    def __init__(self) -> None:
        self.now = 100.0
        self.then: Callable[[], Any] = lambda: None

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.then()


def zone(powercap: Path, folder: str, name: str, microjoules: int, wraps: int = 1_000_000_000) -> Path:
    place = powercap / folder
    place.mkdir(parents=True)
    (place / "name").write_text(f"{name}\n")
    (place / "energy_uj").write_text(f"{microjoules}\n")
    (place / "max_energy_range_uj").write_text(f"{wraps}\n")
    return place / "energy_uj"


def meter(powercap: Path, clock: Clock, device: str = "cpu", **options: Any) -> EnergyMeter:
    return EnergyMeter(device, powercap, clock=clock, sleep=clock.sleep, **options)


def test_packages_are_summed_and_nothing_counts_twice(tmp_path: Path) -> None:
    first = zone(tmp_path, "intel-rapl:0", "package-0", 999_000_000)
    second = zone(tmp_path, "intel-rapl:1", "package-1", 0)
    others = [
        zone(tmp_path, "intel-rapl:0:0", "core", 0),
        zone(tmp_path, "intel-rapl:0:1", "dram", 0),
        zone(tmp_path, "intel-rapl:2", "psys", 0),
        zone(tmp_path, "intel-rapl-mmio:0", "package-0", 0),
    ]
    clock = Clock()
    counted = meter(tmp_path, clock)
    assert counted.names == ["intel-rapl:0", "intel-rapl:1"]
    counted.start()
    clock.now += 40
    first.write_text("1000000\n")  # wrapped: 1 J to the end and 1 J from 0
    for other in others:
        other.write_text("7000000\n")
    counted.tick()
    clock.now += 1
    first.write_text("3000000\n")
    second.write_text("5000000\n")
    found = counted.stop()
    assert found["energy_joules"] == pytest.approx(2 + 2 + 5) and found["energy_missing"] is None
    assert found["energy_parts"] == {"cpu": pytest.approx(9.0)} and found["energy_seconds"] == 41
    assert found["energy_above_idle_joules"] is None and "nothing was subtracted" in found["idle_from"]


def test_two_wraps_are_both_seen_because_ticks_come_in_between(tmp_path: Path) -> None:
    file, clock = zone(tmp_path, "intel-rapl:0", "package-0", 90, wraps=100), Clock()
    counted = meter(tmp_path, clock)
    counted.start()
    for microjoules in (10, 60, 5, 5):  # +20, +50, +45, 0
        clock.now += 31
        file.write_text(str(microjoules))
        counted.tick()
    assert counted.stop()["energy_joules"] == pytest.approx(115e-6)


def test_idle_power_is_measured_in_a_stated_window(tmp_path: Path) -> None:
    file, clock = zone(tmp_path, "intel-rapl:0", "package-0", 0), Clock()
    clock.then = lambda: file.write_text("200000000")  # 200 J in the window
    counted = meter(tmp_path, clock, idle_seconds=10.0)
    counted.start()
    clock.now += 20
    file.write_text("900000000")
    found = counted.stop()
    assert found["energy_joules"] == pytest.approx(700.0), "the window before the run is not the run's"
    assert found["idle_watts"] == pytest.approx(20.0) and "10.0 s before the run" in found["idle_from"]
    assert found["energy_above_idle_joules"] == pytest.approx(700 - 20 * 20)


def test_idle_power_may_be_given(tmp_path: Path) -> None:
    file, clock = zone(tmp_path, "intel-rapl:0", "package-0", 0), Clock()
    clock.then = lambda: pytest.fail("nothing is to be measured")
    counted = meter(tmp_path, clock, idle_watts=3.0, idle_seconds=10.0)
    counted.start()
    clock.now += 10
    file.write_text("100000000")
    found = counted.stop()
    assert found["energy_above_idle_joules"] == pytest.approx(70.0) and "given" in found["idle_from"]


def test_without_a_counter_nobody_waits_and_the_reason_is_said(tmp_path: Path) -> None:
    clock = Clock()
    clock.then = lambda: pytest.fail("there is nothing to measure")
    counted = meter(tmp_path / "none", clock, idle_seconds=10.0)
    counted.start()
    found = counted.stop()
    assert found["energy_joules"] is found["energy_above_idle_joules"] is None
    assert "no intel-rapl zone" in found["energy_missing"] and found["energy_parts"] == {}


def test_one_package_that_may_not_be_read_leaves_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 0)
    forbidden = zone(tmp_path, "intel-rapl:1", "package-1", 0)
    read = Path.read_text

    def refuse(self: Path, *args: Any, **options: Any) -> str:  # root may read everything, so that modes do not help
        if self == forbidden:
            raise PermissionError(13, "Permission denied", str(self))
        return read(self, *args, **options)

    monkeypatch.setattr(Path, "read_text", refuse)
    counted = meter(tmp_path, Clock())
    assert counted.names == [] and "only by root" in counted.missing["cpu"]


def test_a_counter_that_goes_away_costs_the_figure_and_not_the_run(tmp_path: Path) -> None:
    file, clock = zone(tmp_path, "intel-rapl:0", "package-0", 5), Clock()
    counted = meter(tmp_path, clock)
    counted.start()
    file.unlink()
    clock.now += 100
    counted.tick()
    file.write_text("9")
    found = counted.stop()
    assert found["energy_joules"] is None and "stopped answering" in found["energy_missing"]


def test_a_short_window_is_no_figure(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 5)
    counted, clock = meter(tmp_path, clock := Clock()), clock
    counted.start()
    clock.now += 0.5
    assert "says little under 1 s" in counted.stop()["energy_missing"]


class NVML:
    """The driver's library as far as it is used: `joules` by device, statuses as NVML gives them."""

    def __init__(self) -> None:
        self.millijoules, self.status, self.asked = 5000, 0, b""

    def nvmlInit_v2(self) -> int:
        return self.status

    def nvmlDeviceGetHandleByIndex_v2(self, index: ctypes.c_uint, handle: Any) -> int:
        handle._obj.value = 7 + index.value
        return 0

    def nvmlDeviceGetHandleByUUID(self, uuid: bytes, handle: Any) -> int:
        self.asked, handle._obj.value = uuid, 7
        return 0

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: ctypes.c_void_p, millijoules: Any) -> int:
        if handle.value != 7:
            return 3
        millijoules._obj.value = self.millijoules
        return 0


def test_the_gpus_counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver, clock = NVML(), Clock()
    original = counters.gpu
    monkeypatch.setattr(counters, "gpu", lambda: original(lambda name: driver))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    file = zone(tmp_path, "intel-rapl:0", "package-0", 0)
    counted = meter(tmp_path, clock, "cupy")
    counted.start()
    clock.now += 9
    driver.millijoules += 2500
    file.write_text("1000000")
    found = counted.stop()
    assert found["energy_joules"] is None and "gpu says little under 10 s" in found["energy_missing"]
    assert found["energy_parts"] == {"cpu": 1.0}, "what is known is kept"
    counted = meter(tmp_path, clock, "cupy")
    counted.start()
    clock.now += 11
    driver.millijoules += 4000
    found = counted.stop()
    assert found["energy_joules"] == pytest.approx(4.0) and found["energy_parts"] == {"cpu": 0.0, "gpu": 4.0}


def test_the_gpu_that_cuda_sees_is_the_one_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = NVML()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-12ab,GPU-34cd")
    found, missing = counters.gpu(lambda name: driver)
    assert missing is None and driver.asked == b"GPU-12ab" and found[0].read() == 5.0
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    found, missing = counters.gpu(lambda name: driver)
    assert found == [] and missing is not None and "nvmlDeviceGetTotalEnergyConsumption is refused: error 3" in missing


def test_why_a_gpu_has_no_counter() -> None:
    def nothing(name: str) -> Any:
        raise OSError(name)

    assert "libnvidia-ml is not there" in str(counters.gpu(nothing)[1])
    driver = NVML()
    driver.status = 9
    assert "nvmlInit_v2 is refused: error 9" in str(counters.gpu(lambda name: driver)[1])
    assert "too old" in str(counters.gpu(lambda name: object())[1])
