"""Records of every kind become frames, and none of them stops a report."""

from __future__ import annotations

import copy
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import UsageError
from lab.report.compare import compare
from lab.report.extract import COLUMNS
from lab.report.limits import limits
from lab.report.load import Records, load_records
from lab.report.tables import make_tables
from lab.report.terminal import summary_text
from lab.report.write import runs_csv
from tests.report import records
from tests.report.conftest import Made
from tests.report.records import make_record, make_runs, write


def test_whole_records_fill_every_frame(whole: Made) -> None:
    found = load_records(whole.runs)
    assert {name: list(getattr(found, name).columns) for name in COLUMNS} == COLUMNS
    assert found.counts == {"ok": 12} and len(found.counted) == 12 and not found.notes
    assert len(found.epochs) == 12 * 8 and len(found.blocks) == 2 * 6 * (3 + 8)
    assert set(found.seconds["part"]) == {"train", "evaluate", "other"} and len(found.seconds) == 36
    assert list(found.runs["series"].unique()) == ["backprop", "forward-forward"]


def test_numbers_arrive_unchanged(tmp_path: Path) -> None:
    record = make_record("forward_forward", seed=2)
    write(tmp_path, record)
    run = load_records(tmp_path).runs.iloc[0]
    assert run["test_accuracy"] == record["final"]["test"]["accuracy"]
    assert run["test_accuracy_softmax"] == record["final"]["test"]["accuracy_softmax"]
    assert run["memory_activations"] == record["memory"]["activations"]
    assert run["train_seconds"] == record["measured"]["seconds"]["train"]
    assert (run["seed"], run["data"], run["network"]) == ("2", "MNIST", "mlp 3x500")


def test_why_a_gpu_made_steps_one_by_one_is_told(tmp_path: Path) -> None:
    for seed, graphs in enumerate((None, {"used": True, "reason": None}, {"used": False, "reason": "schedule=greedy"})):
        record = make_record(seed=seed)
        record["measured"]["graphs"] = graphs
        write(tmp_path, record)
    found = load_records(tmp_path)
    assert sorted(found.runs["one_by_one"]) == ["", "", "schedule=greedy"]
    (told,) = [sentence for sentence in limits(found, compare(found)) if "one by one" in sentence]
    assert told.startswith("1 run of 3 had a GPU") and told.endswith("(schedule=greedy).")


def test_elapsed_is_the_sum_of_training_seconds(tmp_path: Path) -> None:
    record = make_record()
    write(tmp_path, record)
    seconds = [e["train_seconds"] for e in record["measured"]["epochs"]]
    assert load_records(tmp_path).epochs["elapsed"].tolist() == pytest.approx([sum(seconds[: i + 1]) for i in range(8)])
    del record["measured"]["epochs"][3]
    write(tmp_path, record)
    assert load_records(tmp_path).epochs["elapsed"].isna().tolist() == [False] * 3 + [True] * 5


REASONS = {
    "truncated": "not whole JSON",
    "empty": "not whole JSON",
    "list": "does not hold an object",
    "deep": "nested deeper",
    "nested": "nested deeper",
    "digits": "too long",
    "schemaless": "no schema",
    "future": "schema 2, newer",
    "unheard": "splendid",
    "binary": "not UTF-8",
    "folder": "not a file",
    "unfinished": "not finished",
    "diverged": "block2 became nan at step 811",
    "failed": "truncated at byte 4096",
}


@pytest.mark.parametrize("name", REASONS)
def test_a_bad_record_is_listed_with_its_reason(bad: Made, name: str, tally: Counter[str]) -> None:
    runs = load_records(bad.runs).runs.set_index("run_id")
    assert REASONS[name] in runs.loc[name, "reason"]
    assert not runs.loc[name, "counted"]
    tally["bad records that a report lists with their reason"] += 1


def test_every_run_has_a_status(bad: Made) -> None:
    found = load_records(bad.runs)
    assert found.counts == {
        "ok": 8, "diverged": 1, "out_of_memory": 1, "failed": 1, "timeout": 1, "missing": 1, "unreadable": 11,
    }  # fmt: skip
    assert len(found.counted) == 6


def test_what_cannot_be_true_is_left_out_and_said(bad: Made) -> None:
    found = load_records(bad.runs)
    run = found.runs.set_index("run_id").loc["notnumbers"]
    assert math.isnan(run["test_accuracy"]) and math.isnan(run["memory_peak"]) and math.isnan(run["train_seconds"])
    said = [what for name, what in found.notes if name == "notnumbers"]
    assert any("peak memory is -5" in s for s in said) and any("test accuracy is nan" in s for s in said)


def test_accuracy_and_error_give_each_other(tmp_path: Path) -> None:
    for name, missing in (("a", "accuracy"), ("b", "error")):
        record = make_record()
        del record["final"]["test"][missing]
        write(tmp_path, record, name)
    runs = load_records(tmp_path).runs
    assert (runs["test_accuracy"] + runs["test_error"]).tolist() == [1.0, 1.0]


def test_limits_to_ids_and_names_what_is_missing(whole: Made) -> None:
    expected = [{"run_id": "lost", "config": {"trainer": {"name": "backprop"}, "seed": 7}}]
    found = load_records(whole.runs, run_ids=["ba-mlp-3x500-mnist-s0"], expected=expected)
    assert found.expected == 2 and found.counts == {"ok": 1, "missing": 1}
    lost = found.runs.set_index("run_id").loc["lost"]
    assert (lost["trainer"], lost["seed"], lost["folder"]) == ("backprop", "7", "")


def test_ids_are_names_and_never_paths(tmp_path: Path) -> None:
    write(tmp_path, make_record(), "secret")
    make_runs(tmp_path / "runs", seeds=[0], networks=["mlp 3x500"])
    found = load_records(tmp_path / "runs", run_ids=["../secret", str(tmp_path / "secret")])
    assert found.counts == {"missing": 2}


def test_a_seed_counts_once(tmp_path: Path) -> None:
    early, late = make_record(seed=1), make_record(seed=1)
    late["code_version"], late["measured"]["finished"] = "0.2.0", "2025-02-01T00:00:00Z"
    write(tmp_path, early, "early")
    write(tmp_path, late, "late")
    found = load_records(tmp_path)
    assert list(found.counted["run_id"]) == ["late"]
    assert any(run == "early" and "counted once" in what for run, what in found.notes)


def test_one_run_in_two_folders_is_one_run(tmp_path: Path) -> None:
    for root in ("a", "b"):
        write(tmp_path / root, make_record())
    found = load_records([tmp_path / "a", tmp_path / "b"])
    assert len(found.runs) == 1 and "found twice" in found.notes[0][1]


def test_other_options_are_other_series_and_not_more_seeds(tmp_path: Path) -> None:
    for rate in (0.01, 0.1):
        for seed in (0, 1):
            record = make_record(seed=seed)
            record["config"]["optimizer"]["learning_rate"] = rate
            write(tmp_path, record, f"{rate}-{seed}")
    found = load_records(tmp_path)
    assert sorted(found.runs["series"].unique()) == ["backprop (learning_rate=0.01)", "backprop (learning_rate=0.1)"]


def test_data_sets_of_one_name_and_other_contents_stay_apart(tmp_path: Path) -> None:
    for digest in ("aaaaaaaabb", "cccccccccc"):
        record = make_record()
        record["data"]["digest"] = digest
        write(tmp_path, record, digest)
    assert sorted(load_records(tmp_path).runs["data"]) == ["MNIST (aaaaaaaa)", "MNIST (cccccccc)"]


def test_the_sweeps_folder_is_no_run(tmp_path: Path) -> None:
    write(tmp_path, make_record())
    (tmp_path / "sweeps" / "quick").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    assert len(load_records(tmp_path).runs) == 1


def test_one_run_folder_is_a_runs_folder_of_one(tmp_path: Path) -> None:
    assert list(load_records(write(tmp_path, make_record(), "one")).runs["run_id"]) == ["one"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file or directory"):
        load_records(tmp_path / "runs")


def test_regression_is_judged_by_its_rmse(tmp_path: Path) -> None:
    for family in records.TRAINERS:
        for seed in (0, 1, 2):
            write(tmp_path, make_record(family, seed=seed, data="diabetes", task="regression"))
    found = load_records(tmp_path)
    assert found.runs["test_error"].isna().all() and len(found.counted) == 6
    sentence = compare(found)[0].sentence
    assert "backprop has a test RMSE" in sentence and "lower" in sentence


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**400) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(p for key, v in inner for p in paths(v, (*path, key)))]


WHOLE = make_record("forward_forward", epochs=2)
PATHS = [p for p in paths(WHOLE) if p]


@given(st.lists(st.tuples(st.sampled_from(PATHS), JSON), min_size=1, max_size=6))
def test_no_content_of_a_record_stops_it(tmp_path_factory: pytest.TempPathFactory, changes: list[Any]) -> None:
    record: Any = copy.deepcopy(WHOLE)
    for path, value in changes:
        parent = record
        for key in path[:-1]:
            parent = parent[key] if isinstance(parent, dict) and key in parent else None
        if isinstance(parent, dict):
            parent[path[-1]] = value
    runs = tmp_path_factory.mktemp("runs")
    for name, content in (("altered", record), ("whole", make_record())):
        (runs / name).mkdir()
        (runs / name / "record.json").write_text(json.dumps(content))
    told(load_records(runs))


def told(found: Records) -> None:
    """Everything of a report but its figures."""
    comparisons = compare(found)
    tables = make_tables(found, comparisons)
    for sentence in [*limits(found, comparisons), *(c.sentence for c in comparisons), summary_text(found.runs)]:
        sentence.encode("utf-8")
    assert runs_csv(found).count("\n") == len(found.runs) + 1
    assert tables[-1].key == "runs" and len(tables[-1].rows) == len(found.runs)


@pytest.mark.parametrize("seconds", [-5.0, 1e308, math.nan, "3", None])
def test_a_time_that_cannot_be_leaves_later_sums_unknown(tmp_path: Path, seconds: Any) -> None:
    record = make_record(epochs=3)
    record["measured"]["epochs"][1]["train_seconds"] = seconds
    write(tmp_path, record)
    epochs = load_records(tmp_path).epochs
    assert epochs["elapsed"].isna().tolist() == [False, True, True]
    assert epochs["epoch_seconds"].isna().tolist() == [False, True, False]
