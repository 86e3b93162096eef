"""Which runs a sweep's folder names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.report.sweeps import sweep_runs


def sweep(runs: Path, name: str, **files: str) -> None:
    folder = runs / "sweeps" / name
    folder.mkdir(parents=True)
    for file, text in files.items():
        (folder / file.replace("_", ".")).write_text(text)


def test_a_plan_gives_ids_and_configs(tmp_path: Path) -> None:
    plan = {"schema": 1, "name": "quick", "runs": [{"run_id": "a1", "config": {"seed": 0}, "overrides": ["seed=0"]}]}
    sweep(tmp_path, "quick-12345678", sweep_json=json.dumps(plan))
    assert sweep_runs([tmp_path], "quick-12345678") == [{"run_id": "a1", "config": {"seed": 0}}]
    assert sweep_runs([tmp_path], "quick") == [{"run_id": "a1", "config": {"seed": 0}}]


def test_other_forms_of_lists(tmp_path: Path) -> None:
    sweep(tmp_path, "s", a_json='["a", "b"]', b_jsonl='{"run_id": "c"}\nbroken\n"d"', c_txt="e\n\n../f\n", d_bin="g")
    assert [e["run_id"] for e in sweep_runs([tmp_path], "s")] == ["a", "b", "c", "d", "e"]


def test_an_unknown_sweep_is_an_error_that_names_the_known_ones(tmp_path: Path) -> None:
    sweep(tmp_path, "quick-1", a_txt="a")
    sweep(tmp_path, "quick-2", a_txt="b")
    for name in ("quik", "quick", "../../etc"):
        with pytest.raises(UsageError, match="known sweeps: quick-1, quick-2"):
            sweep_runs([tmp_path], name)


def test_a_sweep_without_ids_is_an_error(tmp_path: Path) -> None:
    sweep(tmp_path, "s", a_json="[" * 100_000)
    with pytest.raises(UsageError, match="names no run"):
        sweep_runs([tmp_path], "s")
