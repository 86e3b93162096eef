"""Time adds up, and the peak is this process's own."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.measure import memory
from lab.measure.clock import Stopwatch
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
        "print([m for m in ('numpy', 'pandas', 'matplotlib', 'threadpoolctl') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
