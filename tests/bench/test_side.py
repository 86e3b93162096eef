"""One side in a process of its own: turns, facts, and what is said when it fails."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from lab.bench import child
from lab.bench.side import Side
from lab.bench.work import SUBJECTS, Entry
from tests.bench.tools import work

ENTRIES = {(e.family, e.name): e for e in SUBJECTS}


def entry(name: str, family: str = "backprop") -> Entry:
    return ENTRIES[family, name]


def test_turns_then_facts_then_turns() -> None:
    with Side(entry("lab"), work("backprop", threads=1)) as side:
        first = side.turn(4, 2)
        facts = side.facts(memory=True)
        second = side.turn(3, 0)
    assert side.failure == ""
    assert len(first) == 4 and len(second) == 3 and min(first + second) > 0
    environment = facts["environment"]
    assert environment["variables"]["OPENBLAS_NUM_THREADS"] == "1"
    assert environment["variables"]["OPENBLAS_THREAD_TIMEOUT"] == "10"
    assert environment["blas_threads"] == 1
    assert facts["cost"]["flops_per_step"] > 0
    assert facts["process_peak_bytes"] > facts["memory"]["resident"] > 0
    memory = facts["memory"]
    assert memory["transient"] == memory["kinds"]["peak"] - memory["resident"] > 0
    assert memory["activations"] == memory["kinds"]["activations"]


def test_a_package_that_is_not_there_is_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('No module named torch')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Side(entry("torch"), work("backprop")) as side:
        assert side.turn(1, 0) == []
        assert side.facts(memory=True) == {}
    assert "No module named torch" in side.failure and "extra bench" in side.failure


def test_a_wrong_work_is_the_reason() -> None:
    with Side(entry("lab"), work("backprop", rows=10)) as side:
        assert side.turn(1, 0) == []
    assert "make no batch of 20" in side.failure


def test_a_killed_process_is_the_reason() -> None:
    with Side(entry("gemm-numpy"), work("backprop")) as side:
        assert len(side.turn(1, 0)) == 1
        os.kill(side._process.pid, signal.SIGKILL)
        assert side.turn(1, 0) == []
    assert "-9" in side.failure


def test_a_process_that_does_not_answer_is_ended() -> None:
    with Side(entry("gemm-numpy"), work("backprop"), patience=0.01) as side:
        assert side.turn(1, 0) == []
        assert side.failure == "no answer after 0.01 s"
    assert side._process.returncode is not None


def test_the_end_of_the_parent_is_the_childs_end() -> None:
    side = Side(entry("gemm-numpy"), work("backprop"))
    assert side.turn(2, 0)
    side.close()
    assert side._process.returncode == 0


def test_steps_ahead_of_a_turn_and_waiting_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(child, "perf_counter", lambda: now)
    answers: list[dict[str, Any]] = []
    orders = io.StringIO('{"do": "turn", "steps": 2, "warm_up": 3}\n{"do": "turn", "steps": 1, "warm_up": 0}\n')
    turns = child.Turns(orders, answers.append)
    turns.wait()
    for seconds in (100.0, 50.0, 10.0, 1.0, 2.0):
        now += seconds
        turns()
    assert answers == [{"seconds": [1.0, 2.0]}]
    now += 4.0
    with pytest.raises(child.Enough):  # there is no order after the second turn
        turns()
    assert answers[1:] == [{"seconds": [4.0]}]
    assert turns.next is None


def test_threads_are_set_before_numpy_is_loaded() -> None:
    import subprocess
    import sys

    code = "import sys, lab.bench.child; print(sorted({'numpy', 'torch', 'numba'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_entries_are_unique_and_their_classes_exist() -> None:
    import importlib

    assert len(ENTRIES) == len(SUBJECTS)
    for found in SUBJECTS:
        module, _, name = found.home.partition(":")
        made: Any = getattr(importlib.import_module(module), name)
        assert {"train", "facts", "memory"} <= set(dir(made)), found.home
