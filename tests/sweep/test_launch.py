"""A worker that dies ends its own run and nothing else; asked for again, the run ends as if nothing had been."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.config import RunConfig, parse
from lab.errors import DataError, UsageError
from lab.record.checkpoint import read_checkpoint
from lab.record.record import RunRecord
from lab.record.store import RunFolder, Store
from lab.sweep.launch import Outcome, launch, name_run
from lab.sweep.screen import Screen
from tests.sweep.conftest import raw_config
from tests.sweep.parts import VARIABLE


def make(config: RunConfig, keep: bool = False) -> tuple[Outcome, str]:
    stream = io.StringIO()
    return launch(config, Screen(stream), keep=keep), stream.getvalue()


def folder_of(config: RunConfig) -> RunFolder:
    return Store(config.runs).run(name_run(config))


def reproducible(record: RunRecord | None) -> dict[str, Any]:
    assert record is not None
    return {key: value for key, value in record.as_dict().items() if key != "measured"}


def weights(config: RunConfig) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in read_checkpoint(folder_of(config).checkpoint)[0].items()}


def test_a_run_leaves_a_whole_record(small: RunConfig) -> None:
    outcome, text = make(small)
    record = outcome.record
    assert record is not None and (outcome.status, outcome.exit_code) == ("ok", 0), text
    assert record.run_id == outcome.run_id == folder_of(small).path.name
    assert record.final["test"]["accuracy"] > 0.5 and len(record.history) == 3
    assert record.data["n_train"] + record.data["n_valid"] + record.data["n_test"] == 100
    assert record.family == "backprop" and record.memory["peak"] > 0 and record.cost["rows_per_sample"] == 1
    seconds = record.measured["seconds"]
    assert seconds["total"] == pytest.approx(sum(seconds.values()) - seconds["total"])
    assert record.measured["environment"]["blas_threads"] == 1  # set before numpy was loaded
    names = {path.name for path in folder_of(small).path.iterdir()}
    assert names - {"checkpoint-previous.safetensors"} == {  # written where there was time for a second one
        "checkpoint-best.safetensors", "checkpoint.safetensors", "config.json", "lock", "log.txt", "record.json"
    }  # fmt: skip
    assert "run  troubled  mlp 2x8  rows  seed 0" in text and "run  ok  test" in text


def test_a_finished_run_is_not_made_again(small: RunConfig) -> None:
    first, _ = make(small)
    written = folder_of(small).record_path.stat().st_mtime_ns
    again, text = make(small)
    assert "done already" in text and again.record == first.record
    assert folder_of(small).record_path.stat().st_mtime_ns == written


def test_two_runs_of_one_config_are_equal_to_the_last_bit(small: RunConfig, rows: Path, tmp_path: Path) -> None:
    other = parse(raw_config(tmp_path, runs=str(tmp_path / "elsewhere")))
    assert reproducible(make(small)[0].record) == reproducible(make(other)[0].record)
    assert weights(small) == weights(other)


@pytest.mark.parametrize("trouble", ["kill@13", "kill@16", "segfault@20", "exit@13", "kill@test"])
def test_a_killed_worker_is_recorded_and_the_run_resumes_bit_for_bit(
    small: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    whole = parse(raw_config(tmp_path, runs=str(tmp_path / "whole")))
    expected, _ = make(whole)
    monkeypatch.setenv(VARIABLE, trouble)
    monkeypatch.setenv("LAB_TEST_SLOW", "0.02")  # so that there is time for a checkpoint in the middle
    dead, text = make(small)
    assert (dead.status, dead.exit_code) == ("failed", 1)
    word = {"kill": "SIGKILL (out of memory?)", "segfault": "SIGSEGV", "exit": "status 3"}[trouble.split("@")[0]]
    assert word in (dead.reason or "") and word in text and "log.txt" in (dead.reason or "")
    assert folder_of(small).checkpoint.exists()

    monkeypatch.delenv(VARIABLE)
    again, text = make(small)
    assert again.status == "ok" and "resumed after epoch" in text
    assert again.record is not None and again.record.measured["resumed"] is True
    assert reproducible(again.record) == reproducible(expected.record)
    assert weights(small) == weights(whole)
    kept = folder_of(small).path / "record-1.json"
    assert RunRecord.read(kept).status == "failed"


def test_a_killed_parent_and_worker_leave_a_run_that_resumes(small: RunConfig, tmp_path: Path) -> None:
    folder = folder_of(small)
    folder.write_config(name_run(small), small.as_dict())
    environment = {**os.environ, VARIABLE: "kill@20", "LAB_TEST_SLOW": "0.02"}
    command = [sys.executable, "-m", "lab.sweep.worker", str(folder.path), "tests.sweep.parts"]
    assert subprocess.run(command, env=environment, capture_output=True, timeout=60).returncode == -signal.SIGKILL
    assert folder.checkpoint.exists() and not folder.record_path.exists()
    again, text = make(small)
    assert again.status == "ok" and "resumed" in text


@pytest.mark.parametrize(
    ("trouble", "status", "code", "words"),
    [
        ("memory@13", "out_of_memory", 71, "1.00 EiB"),
        ("raise@13", "failed", 1, "ZeroDivisionError: a part of the user's own is wrong"),
    ],
)
def test_how_a_run_ended_is_data(
    small: RunConfig, monkeypatch: pytest.MonkeyPatch, trouble: str, status: str, code: int, words: str
) -> None:
    monkeypatch.setenv(VARIABLE, trouble)
    outcome, _ = make(small)
    assert (outcome.status, outcome.exit_code) == (status, code) and words in (outcome.reason or "")
    assert outcome.record is not None and outcome.record.measured["environment"]["python"]
    if status == "failed":
        assert "Traceback" in folder_of(small).log.read_text()


def test_a_loss_that_is_not_finite_ends_as_diverged(rows: Path, tmp_path: Path) -> None:
    config = parse(raw_config(tmp_path, optimizer={"name": "sgd", "learning_rate": 1e30}))
    outcome, text = make(config)
    assert (outcome.status, outcome.exit_code) == ("diverged", 65)
    assert "step" in (outcome.reason or "") and "output" in (outcome.reason or "") and "diverged" in text
    assert "done already" in make(config)[1]  # it would end the same way


def test_a_run_that_takes_too_long_is_stopped(rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_TEST_SLOW", "0.2")
    outcome, _ = make(parse(raw_config(tmp_path, timeout=2)))
    assert outcome.status == "timeout" and outcome.reason == "not done after 2 s"
    monkeypatch.delenv("LAB_TEST_SLOW")
    assert make(parse(raw_config(tmp_path)))[0].status == "ok"  # from its checkpoint


def test_what_a_part_prints_is_no_progress(small: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "print@5")
    _, text = make(small)
    assert "99" not in text and "99" in folder_of(small).log.read_text()


def test_a_network_that_does_not_fit_is_refused_and_leaves_nothing(rows: Path, tmp_path: Path) -> None:
    config = parse(raw_config(tmp_path, trainer={"name": "forward_forward", "epochs": 1}, model={"name": "linear"}))
    outcome, _ = make(config)
    assert (outcome.status, outcome.exit_code) == ("refused", UsageError.exit_code)
    assert "no hidden block" in (outcome.reason or "")
    assert not folder_of(config).path.exists()
    kept, _ = make(config, keep=True)  # in a sweep, where a report shall show it
    assert kept.status == "failed" and kept.exit_code == 2 and folder_of(config).record() == kept.record
    make(config, keep=True)
    assert not list(folder_of(config).path.glob("record-*.json"))  # the same end is not told twice


def test_data_that_changed_since_is_refused(small: RunConfig, rows: Path, tally: Counter[str]) -> None:
    folder, name = folder_of(small), name_run(small)
    folder.write_config(name, small.as_dict())
    np.savez(rows, x=np.ones((100, 6)), y=np.arange(100) % 2)
    done = subprocess.run(
        [sys.executable, "-m", "lab.sweep.worker", str(folder.path), "tests.sweep.parts"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 66 and "changed since" in done.stderr and not folder.record_path.exists()
    assert name_run(small) != name
    tally["damaged data files refused"] += 1


def test_a_damaged_checkpoint_is_set_aside(small: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "kill@20")
    monkeypatch.setenv("LAB_TEST_SLOW", "0.1")  # so that there is time for two checkpoints, on a busy machine too
    make(small)
    monkeypatch.delenv(VARIABLE)
    monkeypatch.delenv("LAB_TEST_SLOW")
    checkpoint = folder_of(small).checkpoint
    data = bytearray(checkpoint.read_bytes())
    data[-1] ^= 1
    checkpoint.write_bytes(data)
    outcome, text = make(small)
    assert outcome.status == "ok" and "from checkpoint-" in text and "SHA-256" in text
    assert outcome.record is not None and "SHA-256" in outcome.record.measured["notes"][0]
    assert checkpoint.with_name("checkpoint.safetensors.bad").exists()


def test_folders_of_another_version_are_refused(small: RunConfig) -> None:
    make(small)
    folder = folder_of(small)
    record = json.loads(folder.record_path.read_text())
    folder.record_path.write_text(json.dumps({**record, "schema": 7}))
    with pytest.raises(DataError, match=r"schema 7.*move its folder away"):
        make(small)


def test_a_run_that_another_process_makes_is_waited_for(small: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_TEST_SLOW", "0.05")
    folder = folder_of(small)
    folder.write_config(name_run(small), small.as_dict())
    command = [sys.executable, "-m", "lab.sweep.worker", str(folder.path), "tests.sweep.parts"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()  # it has begun, so it holds the lock
        outcome, text = make(small)
        other.stdout.read()
    assert other.returncode == 0 and outcome.status == "ok" and "another process" in text
    assert not list(folder.path.glob("record-*.json"))


def test_ctrl_c_stops_after_a_checkpoint(small: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_TEST_SLOW", "0.1")
    threading.Timer(2.5, os.kill, [os.getpid(), signal.SIGINT]).start()
    before = signal.getsignal(signal.SIGINT)
    outcome, text = make(small)
    assert (outcome.status, outcome.exit_code) == ("stopped", 75) and "checkpoint" in text
    assert signal.getsignal(signal.SIGINT) is before
    assert folder_of(small).checkpoint.exists() and not folder_of(small).record_path.exists()
    monkeypatch.delenv("LAB_TEST_SLOW")
    assert "resumed" in make(small)[1]


def test_a_worker_whose_parent_is_gone_stops(small: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_TEST_SLOW", "0.3")
    folder = folder_of(small)
    folder.write_config(name_run(small), small.as_dict())
    command = [sys.executable, "-m", "lab.sweep.worker", str(folder.path), "tests.sweep.parts"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        worker.stdout.close()
        began = time.monotonic()
        assert worker.wait(timeout=30) == 75
    assert time.monotonic() - began < 8
    assert folder.checkpoint.exists() and not folder.record_path.exists()


def test_a_worker_refuses_what_is_no_run_folder(tmp_path: Path) -> None:
    def worker(*arguments: str) -> tuple[int, str]:
        done = subprocess.run([sys.executable, "-m", "lab.sweep.worker", *arguments], capture_output=True, text=True)
        return done.returncode, done.stderr

    assert worker() == (2, "give one run folder: python -m lab.sweep.worker RUN_DIR [MODULE ...]\n")
    code, text = worker(str(tmp_path))
    assert code == 66 and "does not exist" in text and "Traceback" not in text
    (tmp_path / "config.json").write_text('{"schema": 2}')
    code, text = worker(str(tmp_path))
    assert code == 66 and "schema 2" in text and list(tmp_path.iterdir()) == [tmp_path / "config.json"]
