from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lab.measure import others


def write(proc: Path, pid: int, parent: int, *times: int) -> None:
    (proc / str(pid)).mkdir(exist_ok=True)
    rest = [0] * 9 + [*times, *[0] * (4 - len(times))] + [9] * 5
    (proc / str(pid) / "stat").write_text(f"{pid} (a) name) S {parent} {' '.join(map(str, rest))}\n")


def test_own_work_and_that_of_descendants_is_not_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(others, "_PROC", tmp_path)
    me, ticks = os.getpid(), os.sysconf("SC_CLK_TCK")
    (tmp_path / "stat").write_text("cpu  1000 20 300 777 55 4 5 6 123 0\ncpu0 1 1 1 1\n")
    for pid, parent in ((me, 1), (me + 1, me), (me + 2, me + 1), (me + 3, 1)):
        write(tmp_path, pid, parent, 10)
    counted, began = others.Others(), time.monotonic()
    # this process 3 and 2, its child 5, the child's child ended and was waited for, a stranger 7 and a hypervisor 1
    write(tmp_path, me, 1, 13, 2)
    write(tmp_path, me + 1, me, 15, 0, 10 + 4, 0)
    (tmp_path / str(me + 2) / "stat").unlink()
    (tmp_path / "stat").write_text(f"cpu  {1000 + 3 + 5 + 4 + 7} 20 302 9777 555 4 5 7 123 0\n")
    time.sleep(0.05)
    found, seconds = counted.cores(), time.monotonic() - began
    assert found == pytest.approx(8 / ticks / seconds, rel=0.1)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_it_reads_this_machine() -> None:
    counted = others.Others()
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    assert others._own() - counted._own >= 0.15 * os.sysconf("SC_CLK_TCK")
    assert counted.cores() is not None


def test_nothing_is_said_where_the_kernel_does_not_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(others, "_PROC", tmp_path / "none")
    assert others.Others().cores() is None
