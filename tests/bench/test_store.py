"""The bench of the store: it counts what the disk is asked, and its made-up runs are read as real ones."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from lab.bench import store_page
from lab.bench.counted_disk import CountedDisk, counted, locks_and_looks
from lab.bench.store import Plan, measure, real_records
from lab.errors import UsageError
from lab.record import storage
from lab.record.store import Store
from lab.report import load_records


def test_operations_are_counted_by_file_and_done(tmp_path: Path) -> None:
    folder = Store(tmp_path).run("0" * 16)
    with counted(CountedDisk()) as disk, locks_and_looks(tmp_path) as seen:
        folder.write_config("0" * 16, {"seed": 0})
        with folder.lock():
            pass
    storage.write_json_atomic(tmp_path / "config.json", {})  # not counted any more
    folder.record()
    one = dict.fromkeys(("create", "write", "fsync", "close", "replace", "fsync_folder"), 1)
    assert dict(disk.counts) == {("folder", "mkdir"): 2, **{("config", name): n for name, n in one.items()}}
    assert seen["locked or unlocked"] == 2 and seen["lock files opened"] == 1
    assert folder.read_config()[1] == {"seed": 0}


def test_made_up_runs_are_read_as_real_ones(tmp_path: Path) -> None:
    """Each is another run, of a setting and a seed that no other has, and none is damaged or left out."""
    result = measure(Plan((50,), keep=str(tmp_path / "kept")))
    runs = load_records(tmp_path / "kept" / "store-50").runs
    assert len(runs) == 50 and set(runs["status"]) == {"ok"} and runs["counted"].all()
    assert runs["series"].nunique() == 2 and runs["test_error"].nunique() == 50
    assert [(s["side"], s["read"]) for s in result["stores"]] == [("load", 50), ("report", 50)]
    assert all(s["cpu_seconds"] > 0 and s["operations_a_run"] > 10 and s["files_a_run"] == 3 for s in result["stores"])
    page = store_page.save(result, tmp_path / "out")
    assert "lookupcache" in page.read_text() and f"{result['one_run'][0]['seen']['looks']}" in page.read_text()
    rows = list(csv.DictReader((tmp_path / "out" / "store.csv").open()))
    assert {"runs": "1", "of": "backprop", "what": "record fsync", "value": "1"} in rows


def test_a_folder_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--records"):
        real_records(tmp_path)
