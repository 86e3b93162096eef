"""Every disk operation of a run fails once, in each way: nothing is lost, and the run ends with the same bits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from lab.config import RunConfig
from lab.errors import DataError, StorageError
from lab.record.store import RunFolder
from tests.reliability.faults import FAULTS, OPERATIONS, Faulty, Killed, disk
from tests.reliability.story import ending, folder_of, generations, late, leftovers, live, small
from tests.tally import LONG


def run_with(config: RunConfig, name: str, number: int, fault: str) -> str:
    """The story with one fault, told as what a caller sees."""
    failing = Faulty(number, fault)
    try:
        with disk(failing):
            return f"exit {live(config, name)}"
    except Killed:
        return "killed"
    except (StorageError, DataError) as error:
        return f"exit {error.exit_code}"


def check_one(config: RunConfig, name: str, number: int, fault: str, want: object) -> None:
    """After the fault all that was finished is whole; the same run asked for again ends as if nothing had been."""
    folder = folder_of(config)
    told = run_with(config, name, number, fault)
    assert told in (("killed",) if fault == "kill" else ("exit 0", "exit 66", "exit 74")), told
    if fault != "kill":
        assert len(leftovers(folder)) <= 1  # where the very clearing failed
    assert live(config, name) == 0, f"operation {number}, {fault}"
    assert ending(folder) == want, f"operation {number}, {fault}"
    assert not leftovers(folder)


def test_every_operation_fails_in_every_way(tmp_path: Path, rows: Path, tally: Counter[str]) -> None:
    whole = small(rows, tmp_path / "whole")
    name = folder_of(whole).path.name
    counting = Faulty()
    with disk(counting):
        assert live(whole, name) == 0
    want = ending(folder_of(whole))
    assert set(OPERATIONS) - set(counting.names) <= {"unlink", "rmdir", "append", "open", "close"}, counting.names
    for number in range(1, counting.count + 1, 1 if LONG else 2):
        for fault in FAULTS if LONG else (FAULTS[number % 3],):
            config = small(rows, tmp_path / f"{number}-{fault}")
            check_one(config, name, number, fault, want)
            tally["faults injected"] += 1
            tally["runs that ended equal"] += 1
    tally["disk operations of a run"] = counting.count


@pytest.mark.parametrize("fault", ["kill", "EIO"])
def test_a_resumed_run_fails_at_every_read(tmp_path: Path, rows: Path, fault: str, tally: Counter[str]) -> None:
    """The same for a run that goes on from a checkpoint: reading, setting aside and clearing may fail as well."""
    whole = small(rows, tmp_path / "whole")
    name = folder_of(whole).path.name
    live(whole, name)
    want = ending(folder_of(whole))
    for number in range(1, 36, 1 if LONG else 7):
        config = small(rows, tmp_path / str(number))
        assert run_with(config, name, late(whole), "kill") == "killed"
        check_one(config, name, number, fault, want)
        tally["faults injected"] += 1
        tally["runs that ended equal"] += 1


def test_two_generations_survive_a_kill(tmp_path: Path, rows: Path) -> None:
    """Wherever a run dies after its second checkpoint, two whole ones are there, or one and the older."""
    config = small(rows, tmp_path / "runs")
    folder: RunFolder = folder_of(config)
    run_with(config, folder.path.name, late(config), "kill")
    there = generations(folder).there()
    assert len(there) >= 2
