"""Time adds up, the peak is this process's own, energy is a figure or a reason."""

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab.measure import energy, memory
from lab.measure.clock import Stopwatch
from lab.measure.energy import EnergyMeter
from lab.measure.environment import environment


def test_parts_add_up_to_the_whole() -> None:
    watch = Stopwatch("train", "evaluate")
    with watch.part("train"):
        time.sleep(0.02)
    watch.add("evaluate", 0.001)
    time.sleep(0.01)
    found = watch.seconds()
    assert found["train"] >= 0.02 and found["evaluate"] == 0.001 and found["other"] >= 0.008
    assert found["total"] == pytest.approx(found["train"] + found["evaluate"] + found["other"])
    assert found["total"] == pytest.approx(watch.elapsed(), abs=0.01)


def test_a_resumed_watch_goes_on() -> None:
    watch = Stopwatch("train", "evaluate")
    watch.resume({"train": 10.0, "evaluate": 1.0, "other": 0.5, "total": 11.5})
    assert watch.seconds()["train"] == 10.0
    assert watch.seconds()["total"] == pytest.approx(11.5, abs=0.1)
    assert watch.elapsed() < 1


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak")
def test_peak_is_not_inherited_from_a_large_parent() -> None:
    # The parent holds 200 MB when it starts the child by exec; the child is small.
    child = "from lab.measure.memory import process_peak; print(process_peak()[0])"
    parent = (
        "import subprocess, sys\n"
        "held = bytearray(200 << 20)\n"
        "held[::4096] = b'x' * len(held[::4096])\n"  # touched, so that it is resident
        f"print(subprocess.check_output([sys.executable, '-c', {child!r}], text=True))"
    )
    found = int(subprocess.check_output([sys.executable, "-c", parent], text=True))
    assert 1 << 20 < found < 100 << 20


def test_peak_gives_a_reason_where_it_cannot_be_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "none")
    peak, reason = memory.process_peak()
    assert peak is None and reason is not None and "not there" in reason
    (tmp_path / "none").write_text("Name: x\n")
    assert memory.process_peak()[0] is None


def zone(powercap: Path, name: str, microjoules: int) -> Path:
    folder = powercap / name
    folder.mkdir(parents=True)
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text("1000000000\n")
    return folder / "energy_uj"


def test_energy_sums_packages_and_survives_a_wrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "SHORTEST", 0.0)
    first, second = zone(tmp_path, "intel-rapl:0", 999_000_000), zone(tmp_path, "intel-rapl:1", 0)
    zone(tmp_path, "intel-rapl:0:0", 0)  # a subzone of the first package: must not count twice
    meter = EnergyMeter(powercap=tmp_path)
    assert [counter.name for counter in meter.counters] == ["intel-rapl:0", "intel-rapl:1"]
    meter.start()
    first.write_text("1000000\n")  # wrapped: 1 J to the end and 1 J from 0
    meter.sample()
    second.write_text("5000000\n")
    assert meter.stop() == (pytest.approx(7.0), None)


def test_energy_says_why_it_is_missing(tmp_path: Path) -> None:
    meter = EnergyMeter(powercap=tmp_path)
    meter.start()
    joules, reason = meter.stop()
    assert joules is None and reason is not None and "no intel-rapl zone" in reason
    zone(tmp_path, "intel-rapl:0", 1).unlink()
    joules, reason = EnergyMeter(powercap=tmp_path).stop()
    assert joules is None and reason is not None and "cannot be read" in reason


def test_a_counter_that_goes_away_costs_the_figure_and_not_the_run(tmp_path: Path) -> None:
    file = zone(tmp_path, "intel-rapl:0", 5)
    meter = EnergyMeter(powercap=tmp_path)
    meter.start()
    file.unlink()
    meter.sample()
    file.write_text("9")
    joules, reason = meter.stop()
    assert joules is None and reason is not None and "stopped answering" in reason


def test_the_gpus_counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NVMLError(Exception): ...

    joules = iter([0.0, 10.0, 12.5])  # asked once to see whether it answers, then at the start and at the end

    def total(handle: str) -> float:
        assert handle == "gpu 0"
        return next(joules) * 1e3

    library = SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: f"gpu {index}",
        nvmlDeviceGetTotalEnergyConsumption=total,
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    monkeypatch.setattr(energy, "SHORTEST", 0.0)
    zone(tmp_path, "intel-rapl:0", 0)
    meter = EnergyMeter("gpu", powercap=tmp_path)
    meter.start()
    assert meter.stop() == (pytest.approx(2.5), None)

    def refuse() -> None:
        raise NVMLError("no driver")

    library.nvmlInit = refuse
    assert EnergyMeter("gpu", powercap=tmp_path).missing == "no counter for the GPU: no driver"


def test_a_short_window_is_no_figure(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", 5)
    meter = EnergyMeter(powercap=tmp_path)
    meter.start()
    joules, reason = meter.stop()
    assert joules is None and reason is not None and "10 s" in reason


def test_environment_names_what_matters_and_nobody() -> None:
    import platform

    import numpy  # noqa: F401  (loads the BLAS that is asked about)

    found = environment(threads=3, device="cpu", kernels="numpy")
    assert found["threads"] == 3 and found["cores"] >= 1 and found["packages"]["numpy"] == found["numpy"]
    assert found["cpu"] and found["blas"] != "unknown" and found["blas_threads"] >= 1
    assert platform.node() not in str(found) or len(platform.node()) < 4


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, lab.measure.clock, lab.measure.memory, lab.measure.energy, lab.measure.environment;"
        "print([m for m in ('numpy', 'pandas', 'matplotlib', 'threadpoolctl', 'pynvml') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
