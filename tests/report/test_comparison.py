"""What a report makes of a comparison by protocol: best of n trials, costs, targets, measures, no times unclaimed."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from lab.report import load_records, make_report
from lab.report.advice import advice
from lab.report.budget import best_of, trials_to_match
from lab.report.compare import compare
from lab.report.fronts import on_front, profile
from lab.report.limits import limits
from lab.report.tables import make_tables
from lab.report.tables_of_budget import budget_sentences
from tests.report.compared import SEEDS, add_form, change, make_comparison, run_id
from tests.report.records import make_record, write


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_the_best_of_n_is_that_of_all_choices(n: int) -> None:
    values = [0.3, 0.9, 0.9, 0.1, math.nan]
    known = [0.0 if math.isnan(v) else v for v in values]
    every = np.sort([max(choice) for choice in itertools.combinations(known, n)])
    found = best_of(values, n)
    assert found.mean == pytest.approx(every.mean())
    assert (found.low, found.high) == (
        every[max(0, math.ceil(0.025 * every.size - 1e-9) - 1)], every[math.ceil(0.975 * every.size - 1e-9) - 1],
    )  # fmt: skip


def test_a_best_of_many_is_held_by_the_values_between_the_ends() -> None:
    values = [i / 100 for i in range(100)]
    found = best_of(values, 1)
    assert (found.low, found.high) == (0.02, 0.97) and found.mean == pytest.approx(0.495)


def test_how_many_trials_come_to_a_value() -> None:
    values = [0.1, 0.2, 0.9]
    assert trials_to_match(values, 0.39) == 1 and trials_to_match(values, 0.6) == 2
    assert trials_to_match(values, 0.9) == 3 and trials_to_match(values, 0.95) is None


def test_a_front_is_what_nothing_dominates() -> None:
    assert on_front({"a": (1, 5), "b": (2, 3), "c": (2, 6), "d": (3, 3)}) == {"a", "b"}
    assert on_front({"a": (1, 5), "b": (1, 5)}) == {"a", "b"}, "equal ones do not dominate each other"
    assert on_front({"a": (1, math.nan), "b": (2, 0.0)}) == {"a"}, "what one does not know decides nothing"


def test_a_profile_counts_a_miss_as_infinite() -> None:
    costs = {"a": {"x": 1.0, "y": 4.0, "z": math.inf}, "b": {"x": 3.0, "y": 2.0, "z": math.inf, "alone": 1.0}}
    found = profile(costs, (1, 2, 1e9))
    assert found["a"] == pytest.approx([1 / 3, 2 / 3, 2 / 3]) and found["b"] == pytest.approx([1 / 3, 1 / 3, 2 / 3])
    assert profile({}) == {}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_comparison(tmp_path_factory.mktemp("comparison"))


def test_its_tables(runs: Path) -> None:
    records = load_records(runs)
    tables = {table.key: table for table in make_tables(records, compare(records))}
    for table in tables.values():
        assert all(len(row) == len(table.columns) for row in table.rows), table.key
    heads = {key: [column.heading for column in table.columns] for key, table in tables.items()}
    shown = {
        key: [dict(zip(heads[key], [cell.text for cell in row], strict=True)) for row in table.rows]
        for key, table in tables.items()
    }
    budget = shown["budget"][0]
    assert budget["1 trial, %"] == "91.00 (90.00 to 92.00)" and budget["3 trials, %"] == "92.00"
    assert "one trial of backprop finds 91.00 % validation accuracy" in tables["budget"].caption
    forward = next(row for row in shown["targets"] if row["trainer"] == "forward-forward")
    assert (forward["reached"], forward["epochs to target"]) == ("5 of 6", "2") and "time to target, s" not in forward
    assert forward["within 1 times the best, %"] == "0" and forward["within 2 times the best, %"] == "83"
    sides = {row["trainer"]: row for row in shown["protocol"]}
    assert [sides["forward"][k] for k in ("body", "head's parameters", "all parameters")] == [
        "1,142,000", "10,000", "1,152,000",
    ]  # fmt: skip
    assert sides["forward"]["head"] == "goodness" and sides["backprop"]["trials on each data set"] == "3"
    assert shown["calibration"][0]["ECE, %"] == "3.50" and shown["calibration"][0]["temperature"] == "2.00"
    assert shown["corruption"][0] | {"noise, %": "70.00", "clean images, %": "98.00"} == shown["corruption"][0]
    assert [shown["calibration"][0][k] for k in ("ECE, scaled, %", "Brier score", "NLL")] == ["1.75", "0.100", "0.200"]
    assert {row["score"]: (row["AUROC, noise, %"], row["AUROC, digits, %"]) for row in shown["outliers"]} == {
        "probability by output": ("90.00", "70.00"), "goodness": ("95.00", "80.00"),
    }  # fmt: skip
    errors = [run["test_error"] for run in records.counted.to_dict("records") if run["series"] == "backprop"]
    assert shown["sizes"][0]["55,000 rows, %"] == f"{100 * np.mean(errors):.2f}" and len(errors) == 6
    assert [(row["100 rows, %"], row["trainer"]) for row in shown["sizes"]] == [
        ("20.00", "backprop"),
        ("20.00", "forward"),
    ]
    assert {row["on the front"] for row in shown["pareto"]} == {"yes"}


def _changed(folder: Path, keys: str, value: object, side: str = "forward") -> None:
    for seed in SEEDS:
        change(folder / "runs" / run_id("run", side, seed) / "record.json", keys, value)


def test_the_front_weighs_error_memory_and_operations(tmp_path: Path) -> None:
    found = make_comparison(tmp_path)

    def on_it() -> dict[str, str]:
        records = load_records(found)
        (table,) = [t for t in make_tables(records, compare(records)) if t.key == "pareto"]
        return {row[0].text: row[-1].text for row in table.rows}

    assert on_it() == {"backprop": "yes", "forward-forward": "yes"}, "it is worse and holds less"
    _changed(tmp_path, "memory.activations", 10**9)
    assert on_it() == {"backprop": "yes", "forward-forward": "no"}
    _changed(tmp_path, "cost.flops_per_step", 1.0)
    assert on_it() == {"backprop": "yes", "forward-forward": "yes"}, "it is worse and does less"


def test_a_trial_that_ended_badly_was_paid_for(tmp_path: Path) -> None:
    found = make_comparison(tmp_path)
    change(tmp_path / "trials" / run_id("trial", "forward", 2) / "record.json", "status", "diverged")
    records = load_records(found)
    (table,) = [t for t in make_tables(records, compare(records)) if t.key == "budget"]
    cells = {row[0].text: row for row in table.rows}
    assert [cells[side][-1].text for side in ("backprop", "forward")] == ["0", "1"]
    assert [cells[side][-1].number for side in ("backprop", "forward")] == [0, 1]
    assert cells["forward"][-2].text == "91.00" and cells["forward"][1].text == "60.33 (0.00 to 91.00)"
    assert table.caption.endswith("; forward needs 3 trials for that.")
    change(tmp_path / "trials" / run_id("trial", "forward", 1) / "record.json", "status", "failed")
    ledger = load_records(found).ledger
    assert ledger is not None
    assert budget_sentences(ledger)[0].endswith("; forward does not come to that in 3 trials (90.00 %).")


def test_the_largest_head_is_shown(tmp_path: Path) -> None:
    found = make_comparison(tmp_path)
    change(found / run_id("run", "forward", 2) / "record.json", "network.head_parameters", 12_000)
    records = load_records(found)
    (table,) = [t for t in make_tables(records, compare(records)) if t.key == "protocol"]
    assert [cell.text for cell in table.rows[1]][-5:-2] == ["1,142,000", "12,000", "1,154,000"]


def test_trials_that_lean_on_each_other_say_nothing_of_fewer(tmp_path: Path) -> None:
    found = make_comparison(tmp_path)
    change(tmp_path / "comparison.json", "protocol.tuning.sampler", "tpe")
    records = load_records(found)
    assert records.ledger is not None and budget_sentences(records.ledger) == []
    assert "budget" not in {table.key for table in make_tables(records, compare(records))}


def test_a_target_that_most_seeds_miss_is_never_reached(tmp_path: Path) -> None:
    found = make_comparison(tmp_path)
    for seed in SEEDS[:4]:
        change(found / run_id("run", "forward", seed) / "record.json", "measured.to_target.epochs", None)
    records = load_records(found)
    (table,) = [t for t in make_tables(records, compare(records)) if t.key == "targets"]
    heads = [column.heading for column in table.columns]
    rows = {row[0].text: dict(zip(heads, [cell.text for cell in row], strict=True)) for row in table.rows}
    assert (rows["forward-forward"]["reached"], rows["forward-forward"]["epochs to target"]) == ("2 of 6", "never")
    assert (rows["backprop"]["reached"], rows["backprop"]["epochs to target"]) == ("6 of 6", "1")


def test_times_that_are_not_claimed_are_not_shown(runs: Path, tmp_path: Path) -> None:
    page = make_report(runs, tmp_path / "out").read_text()
    for absent in ("samples a second</", "figure-throughput", "figure-time", "figure-curves_seconds"):
        assert absent not in page, absent
    assert "Times are not shown" in page and "Audit passed as far as recorded: 1 of 16 rules" in page
    assert load_records(make_comparison(tmp_path / "timed", timed=True)).runs["train_seconds"].notna().all()


def test_measures_that_are_no_numbers_do_no_harm(tmp_path: Path) -> None:
    found = make_comparison(tmp_path)
    for seed, odd in zip(SEEDS, ([], {"calibration": 3}, {"x": {"y": "z"}}, None, {"a": [None]}, "b"), strict=True):
        change(found / run_id("run", "backprop", seed) / "record.json", "final.measures", odd)
    records = load_records(found)
    assert make_tables(records, compare(records)) and len(records.runs) == 12


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"schema": 2}', '{"schema": 1, "protocol": {"name": "x"}}', "[" * 5000]
)
def test_a_ledger_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    found = make_comparison(tmp_path)
    (tmp_path / "comparison.json").write_text(text)
    assert load_records(found).ledger is None


def test_a_ledger_names_no_file_elsewhere(tmp_path: Path) -> None:
    found = make_comparison(tmp_path)
    whole = json.loads((tmp_path / "comparison.json").read_text())
    whole["studies"][0]["trials"] = ["../runs/" + run_id("run", "backprop", 0), 7, "/etc"]
    (tmp_path / "comparison.json").write_text(json.dumps(whole))
    ledger = load_records(found).ledger
    assert ledger is not None and ledger.studies[0].trials == ()


def test_tasks_on_one_data_set_are_told_apart_by_their_models(tmp_path: Path) -> None:
    found = make_comparison(tmp_path)
    task = {"name": "mnist_cnn", "data": "mnist", "model": ["model=cnn"], "sides": ["backprop", "forward"]}
    change(tmp_path / "comparison.json", "protocol.data", [{"name": "mnist", "target": 0.97}, task])
    records = load_records(found)
    assert records.ledger is not None
    assert [records.ledger.shown(name) for name in ("mnist", "mnist_cnn")] == ["MNIST with mlp", "MNIST with cnn"]
    tables = {table.key: table for table in make_tables(records, compare(records))}
    assert "Of the body: MNIST with cnn: model=cnn" in tables["protocol"].caption


def test_networks_on_other_rows_are_told_apart_by_their_names_alone(tmp_path: Path) -> None:
    for network, digest, rows in (("mlp", "a" * 10, 100), ("cnn", "c" * 10, 50)):
        for trainer in ("backprop", "forward_forward"):
            record = make_record(trainer, seed=0)
            record["network"]["label"] = network
            record["data"] |= {"digest": digest, "n_train": rows}
            write(tmp_path, record, run_id(network, trainer))
    records = load_records(tmp_path)
    assert set(records.runs["data"]) == {"MNIST"} and len(compare(records)) == 2
    assert any("different numbers of rows of MNIST" in said for said in limits(records, compare(records)))


def test_a_rule_that_sends_gradients_back_is_not_for_where_none_can_be_sent(tmp_path: Path) -> None:
    found = make_comparison(tmp_path)
    _changed(tmp_path, "family", "surrogate_backprop")
    (said,) = advice(load_records(found), compare(load_records(found)))
    assert said.startswith("Use forward-forward where memory for activations is short, not for accuracy: ")
    _changed(tmp_path, "memory.activations", 10**9)
    (said,) = advice(load_records(found), compare(load_records(found)))
    assert said.startswith("Nothing speaks for forward-forward: ")


def test_what_a_newcomer_is_told_follows_from_the_records(tmp_path: Path) -> None:
    found = make_comparison(tmp_path)
    (tmp_path / "remarks.txt").write_text("Said by\nits author.\n\n<b>Twice</b>\n")
    told = advice(load_records(found), compare(load_records(found)))
    assert told == [
        "Use forward-forward where memory for activations is short, or where no gradient can be sent back through the "
        "whole network, not for accuracy: with mlp 3x500, on 1 data set, it has 0.5 points more test error than "
        "backprop, and needs 0.67 times the memory for activations (0.91 times the peak memory), 1.0 times the "
        "operations of training and 10 passes for an answer instead of 1."
    ]
    add_form(tmp_path)
    change(tmp_path / "comparison.json", "protocol.question", "When would I use forward-forward?")
    told = advice(load_records(found), compare(load_records(found)))
    assert told[0].startswith("Use forward-forward where no gradient can be sent back through the whole network, not ")
    assert told[1] == (
        "Lean costs no accuracy that this comparison could see and spares memory for activations: with mlp 3x500, on 1 "
        "data set, it has the test error of backprop to a tenth of a point, and needs 0.20 times the memory for "
        "activations (1.0 times the peak memory) and 1.0 times the operations of training."
    ), "and so there is no need of forward-forward for that"
    for seed in SEEDS:  # as lean, and better by far
        change(found / run_id("run", "forward", seed) / "record.json", "final.test.error", 0.001)
        change(found / run_id("run", "forward", seed) / "record.json", "final.test.accuracy", 0.999)
    records = load_records(found)
    assert "points less test error" in (told := advice(records, compare(records)))[0]
    assert told[0].startswith("Forward-forward costs no accuracy that this comparison could see and spares memory for")
    page = make_report(found, tmp_path / "out").read_text()
    assert "Said by its author.</p>" in page and "&lt;b&gt;Twice" in page and "<b>Twice" not in page
    (tmp_path / "remarks.txt").write_bytes(b"\xff\xfe")
    assert load_records(found).ledger is not None and not load_records(found).ledger.remarks  # type: ignore[union-attr]
    change(tmp_path / "comparison.json", "protocol.baselines", [])
    for seed in SEEDS:  # one seed far worse, which is no clear difference; and half the operations
        path = found / run_id("run", "forward", seed) / "record.json"
        error = json.loads((found / run_id("run", "backprop", seed) / "record.json").read_text())["final"]["test"][
            "error"
        ]
        change(path, "final.test.error", error + 0.1 * (seed == 0))
        change(path, "final.test.accuracy", 1 - error - 0.1 * (seed == 0))
        change(path, "cost.flops_per_step", 0.5 * json.loads(path.read_text())["cost"]["flops_per_step"])
    for seed in SEEDS:
        shutil.rmtree(found / run_id("run", "lean", seed))
    records = load_records(found)
    (said,) = advice(records, compare(records))
    assert "could see and spares memory for activations and operations: " in said
    assert "has 1.7 points more test error than backprop" in said and "0.50 times the operations" in said
    for side, seed in itertools.product(("backprop", "forward"), SEEDS[1:]):
        shutil.rmtree(found / run_id("run", side, seed))
    records = load_records(found)
    assert advice(records, compare(records))[0].startswith("What forward-forward costs cannot be told from one seed: ")
    (tmp_path / "comparison.json").unlink()
    records = load_records(found)
    assert advice(records, compare(records)) == []
