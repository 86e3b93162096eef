from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.measure import others

SPIN = "import time\nuntil = time.process_time() + 0.6\nwhile time.process_time() < until: pass"


def test_own_work_and_that_of_children_is_not_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With a count of busy time that grows as we work, and by 2 s of somebody else's."""
    stat, foreign = tmp_path / "stat", 0.0
    started = others._own()

    def write() -> None:
        ticks = round(100 * (others._own() - started + foreign))
        stat.write_text(f"cpu  {1000 + ticks} 0 0 777 55 0 0 0 123 0\ncpu0 1 1 1 1\n")

    monkeypatch.setattr(others, "_STAT", stat)
    monkeypatch.setattr(others.os, "sysconf", lambda name: 100)
    write()
    counted, began = others.Others(), time.monotonic()
    subprocess.run([sys.executable, "-c", SPIN], check=True)
    write()
    assert counted.cores() == pytest.approx(0, abs=0.05)
    foreign = 2.0
    write()
    assert counted.cores() == pytest.approx(2.0 / (time.monotonic() - began), rel=0.1)


def test_nothing_is_said_where_the_kernel_does_not_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(others, "_STAT", tmp_path / "none")
    assert others.Others().cores() is None
