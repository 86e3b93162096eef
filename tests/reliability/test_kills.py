"""True SIGKILLs at random moments, over sweeps of runs, until all is done: nothing lost, nothing different."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.record.record import RunRecord
from lab.record.store import RunFolder
from lab.sweep.launch import name_run
from tests.reliability.story import ending, folder_of, leftovers, live, small
from tests.tally import LONG

KILLS = 500 if LONG else 25
RUNS = 4


class Zygote:
    """Workers in processes of their own, by the name of their run's folder."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.zygote"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, cwd=Path(__file__).parents[2],
        )  # fmt: skip

    def work(self, folder: RunFolder, kill: float | None = None, trouble: str | None = None) -> int:
        """Have a worker make a run; returns its exit status, or minus the signal that ended it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        task = {"folder": str(folder.path), "kill": kill, "trouble": trouble}
        print(json.dumps(task), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=60)


@pytest.fixture
def zygote() -> Iterator[Zygote]:
    made = Zygote()
    yield made
    made.close()


def planned(tmp_path: Path, rows: Path, where: str) -> list[RunFolder]:
    """The folders of a sweep's runs, each with what is to be done."""
    folders = []
    for seed in range(RUNS):
        config = small(rows, tmp_path / where, seed=seed, trainer=("backprop", "forward_forward")[seed % 2])
        folder = folder_of(config)
        folder.write_config(name_run(config), config.as_dict())
        folders.append(folder)
    return folders


@pytest.fixture
def wanted(tmp_path: Path, rows: Path) -> dict[str, Any]:
    """How each run ends when nothing happens to it."""
    found = {}
    for seed in range(RUNS):
        config = small(rows, tmp_path / "whole", seed=seed, trainer=("backprop", "forward_forward")[seed % 2])
        assert live(config) == 0
        found[folder_of(config).path.name] = ending(folder_of(config))
    return found


def test_random_kills_until_all_is_done(
    tmp_path: Path, rows: Path, wanted: dict[str, Any], zygote: Zygote, tally: Counter[str]
) -> None:
    chosen = random.Random(1)
    assert zygote.work(planned(tmp_path, rows, "warm")[0]) == 0
    sweep = 0
    while tally["kills"] < KILLS:
        folders = planned(tmp_path, rows, f"sweep{sweep}")
        left, sweep = list(folders), sweep + 1
        while left:
            folder = chosen.choice(left)
            patience = None if tally["kills"] >= KILLS else chosen.uniform(0.0, 0.12)
            code = zygote.work(folder, kill=patience)
            assert code in (0, -9), code
            tally["kills"] += code == -9
            if code == 0:
                left.remove(folder)
        for folder in folders:
            assert ending(folder) == wanted[folder.path.name] and not leftovers(folder)
            tally["runs that ended equal"] += 1
            tally["of them resumed"] += RunRecord.read(folder.record_path).measured["resumed"]


def test_many_sweeps_on_one_folder(tmp_path: Path, rows: Path, wanted: dict[str, Any], tally: Counter[str]) -> None:
    """Two owners at once would both write; a run that is done is not done twice. Some of the owners are killed."""
    folders = planned(tmp_path, rows, "shared")
    sweeps = 8 if LONG else 3
    codes: list[int] = []

    def sweep(number: int) -> None:
        chosen, zygote = random.Random(number), Zygote()
        zygote.work(planned(tmp_path, rows, f"warm{number}")[0])
        left = list(folders)
        while left:
            folder = chosen.choice(left)
            code = zygote.work(folder, kill=chosen.choice([None, chosen.uniform(0.0, 0.1)]))
            codes.append(code)
            if code == 0:
                left.remove(folder)
        zygote.close()

    threads = [threading.Thread(target=sweep, args=[number]) for number in range(sweeps)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=300)
    assert set(codes) <= {0, 75, -9}, codes
    for folder in folders:
        assert ending(folder) == wanted[folder.path.name]
        assert not list(folder.path.glob("record-*.json")) and not list(folder.path.glob("*.bad"))
        tally["runs that ended equal"] += 1
    tally["sweeps on one folder"] = sweeps
    tally["kills"], tally["met by a lock"] = codes.count(-9), codes.count(75)


@pytest.mark.parametrize("trainer", ["backprop", "forward_forward"])
def test_no_room_for_files(tmp_path: Path, rows: Path, zygote: Zygote, trainer: str, tally: Counter[str]) -> None:
    """A limit of the kernel's on the size of files: exit status 74, no temporary left, and with room it goes on."""
    config = small(rows, tmp_path / "runs", trainer=trainer)
    folder = folder_of(config)
    folder.write_config(name_run(config), config.as_dict())
    assert zygote.work(folder, trouble="small files") == 74
    assert not leftovers(folder) and not folder.record_path.exists()
    assert zygote.work(folder) == 0
    whole = small(rows, tmp_path / "whole", trainer=trainer)
    live(whole)
    assert ending(folder) == ending(folder_of(whole))
    tally["full disks"] += 1


def test_no_room_in_memory(tmp_path: Path, rows: Path, zygote: Zygote, tally: Counter[str]) -> None:
    """A limit of the kernel's on the memory of one worker: that run says so, and the next one is made."""
    large = small(rows, tmp_path / "runs", model={"name": "mlp", "depth": 2, "width": 4000})
    folder = folder_of(large)
    folder.write_config(name_run(large), large.as_dict())
    assert zygote.work(folder, trouble="small memory") == 71
    record = RunRecord.read(folder.record_path)
    assert record.status == "out_of_memory" and "Unable to allocate" in (record.reason or "")
    other = planned(tmp_path, rows, "runs")[0]
    assert zygote.work(other) == 0
    tally["out of memory"] += 1


def test_an_owner_that_is_stopped_stays_one(tmp_path: Path, rows: Path, zygote: Zygote, tally: Counter[str]) -> None:
    """A process that is suspended, as by Ctrl-Z, may go on at any time: nobody takes its run over until it is dead.

    In the long mode it is for a minute, after which a lock that was kept by leases or by age would be taken.
    """
    folder = planned(tmp_path, rows, "runs")[0]
    code = "import sys, time; from lab.record.store import RunFolder\nwith RunFolder(sys.argv[1]).lock(): "
    code += "print('held', flush=True); time.sleep(600)"
    command = [sys.executable, "-c", code, str(folder.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as owner:
        assert owner.stdout is not None and owner.stdout.readline() == b"held\n"
        owner.send_signal(signal.SIGSTOP)
        for _ in range(5):
            assert zygote.work(folder) == 75
            tally["met by a lock"] += 1
            time.sleep(12 if LONG else 0)
        assert not folder.record_path.exists()
        owner.kill()
        owner.wait()
        assert zygote.work(folder) == 0
