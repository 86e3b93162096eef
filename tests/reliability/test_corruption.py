"""Bytes that changed by themselves: every damage to a checkpoint or record is noticed, and one generation lost."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import DataError
from lab.record.checkpoint import read_checkpoint
from lab.record.record import RunRecord, altered
from lab.report import read as report
from tests.reliability.faults import Faulty, Killed, disk
from tests.reliability.story import ending, folder_of, generations, late, live, small
from tests.tally import LONG

LARGE = 20_000  # bytes; of a larger file one bit of each byte is flipped


def damages(whole: bytes) -> Iterator[bytes]:
    """Truncations, flipped bits, zeroed and repeated blocks; a sample of each in the short mode."""
    chosen = random.Random(0)
    places = range(len(whole)) if LONG else sorted(chosen.sample(range(len(whole)), 150))
    yield b""
    for place in places:
        yield whole[:place]
        for bit in range(8) if LONG and len(whole) < LARGE else (chosen.randrange(8),):
            flipped = bytearray(whole)
            flipped[place] ^= 1 << bit
            yield bytes(flipped)
    for size in (1, 16, 512):
        for start in range(0, len(whole), size if LONG and size > 1 else max(size, len(whole) // 20)):
            blank = whole[:start] + b"\0" * len(whole[start : start + size]) + whole[start + size :]
            if blank != whole:
                yield blank
    yield whole + whole


@pytest.fixture
def stopped(tmp_path: Path, rows: Path) -> Path:
    """The newest checkpoint of a run that was killed in its second epoch, others beside it."""
    config = small(rows, tmp_path / "runs")
    with pytest.raises(Killed), disk(Faulty(late(config), "kill")):
        live(config)
    path = folder_of(config).checkpoint
    assert len(generations(folder_of(config)).there()) == 3
    return path


def test_every_damage_to_a_checkpoint_is_found(stopped: Path, tally: Counter[str]) -> None:
    whole = stopped.read_bytes()
    for damaged in damages(whole):
        stopped.write_bytes(damaged)
        with pytest.raises(DataError, match="damaged"):
            read_checkpoint(stopped)
        tally["corruptions tried"] += 1
    tally["corruptions detected"] = tally["corruptions tried"]


def test_after_any_damage_the_one_before_is_used(
    tmp_path: Path, rows: Path, stopped: Path, tally: Counter[str]
) -> None:
    whole = small(rows, tmp_path / "whole")
    live(whole)
    config = small(rows, tmp_path / "runs")
    files = {path: path.read_bytes() for path in folder_of(config).path.iterdir()}
    for damaged in list(damages(files[stopped]))[:: 400 if LONG else 60]:
        for path in folder_of(config).path.iterdir():
            path.unlink()
        for path, contents in files.items():
            path.write_bytes(damaged if path == stopped else contents)
        assert live(config) == 0 and ending(folder_of(config)) == ending(folder_of(whole))
        notes = RunRecord.read(folder_of(config).record_path).measured["notes"]
        assert "kept as checkpoint.safetensors.bad" in notes[0] and "from checkpoint-previous" in notes[1]
        tally["runs resumed from the checkpoint before"] += 1


def test_files_that_were_swapped_are_found(tmp_path: Path, rows: Path, stopped: Path) -> None:
    """Another run's checkpoint is whole, and is refused all the same."""
    other = small(rows, tmp_path / "runs", seed=1)
    live(other)
    stopped.write_bytes(folder_of(other).checkpoint.read_bytes())
    config = small(rows, tmp_path / "runs")
    assert live(config) == 0
    notes = RunRecord.read(folder_of(config).record_path).measured["notes"]
    assert "the checkpoint is of run" in notes[0] and "resumed" in notes[1]


def test_every_damage_to_a_record_is_found(tmp_path: Path, rows: Path, tally: Counter[str]) -> None:
    """By whoever runs it again and by the report; a change of the layout alone is none."""
    config = small(rows, tmp_path / "runs")
    live(config)
    path = folder_of(config).record_path
    whole = path.read_bytes()
    values = json.loads(whole)
    assert not altered(values)
    for damaged in damages(whole):
        path.write_bytes(damaged)
        tally["corruptions tried"] += 1
        try:
            found = RunRecord.read(path).as_dict()
        except DataError:
            tally["corruptions detected"] += 1
            with pytest.raises(report.Unreadable):
                report.read_record(path)
            continue
        assert {**found, "sha256": values["sha256"]} == values, "a damaged record was believed"
        tally["changes of layout alone"] += 1
        tally["corruptions tried"] -= 1
    assert tally["changes of layout alone"] < tally["corruptions tried"] / 10
