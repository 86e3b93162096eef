"""Tables of results at a glance: a data set each, networks by trainers, named with what they follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab import registry
from lab.objectives.base import LocalObjective
from lab.report import load_records, make_report
from lab.report.grid import grids
from lab.report.variants import LOSSES, trainer_name
from tests.report.records import make_record, make_runs, write


def local(record: dict[str, Any], objective: str, family: str) -> dict[str, Any]:
    """The record as one of a local objective."""
    record["config"]["trainer"]["name"], record["config"]["objective"] = "local", {"name": objective}
    record["family"] = family
    record["run_id"] = f"{objective}-{record['run_id']}"
    return record


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two data sets; on one of them two local objectives as well, one with a second, worse setting."""
    made = make_runs(tmp_path / "runs", data=("mnist", "fashion_mnist"), epochs=2)
    for seed in (0, 1):
        write(made, local(make_record("predsim", "mlp 3x500", seed, epochs=2), "predsim", "local_supervised"))
        other = local(make_record("cwcomp", "mlp 3x500", seed, epochs=2), "cwcomp", "forward_forward")
        write(made, other)
        # worse by the validation rows, better by the test rows: it must not be the one that is shown
        flattered = local(make_record("cwcomp", "mlp 3x500", seed, epochs=2), "cwcomp", "forward_forward")
        flattered["config"]["optimizer"]["learning_rate"] = 0.5
        flattered["final"]["valid"] |= {"accuracy": 0.5, "error": 0.5}
        flattered["final"]["test"] |= {"accuracy": 0.999, "error": 0.001}
        write(made, flattered, f"flattered-{seed}")
    return made


def test_each_data_set_has_its_table_and_the_validation_rows_choose(runs: Path) -> None:
    found = load_records(runs)
    mnist, fashion = grids(found)
    assert [c.label for c in mnist.columns] == [
        "network", "backprop", "forward-forward", "local CwComp", "local predsim"
    ]  # fmt: skip
    assert [c.label for c in fashion.columns] == ["network", "backprop", "forward-forward"]
    assert (mnist.title, fashion.title) == ("Test error on MNIST, %", "Test error on Fashion-MNIST, %")
    shallow, deep = mnist.rows
    errors = found.runs[
        (found.runs["data"] == "MNIST") & (found.runs["network"] == "mlp 3x500") & (found.runs["trainer"] == "backprop")
    ]["test_error"]
    assert shallow[1].number == pytest.approx(100 * errors.mean()) and shallow[1].text.endswith(" (3)")
    assert shallow[3].number > 1 and shallow[3].text.endswith(" (2)") and deep[3].text == "\u2013"
    assert "best by validation error" in mnist.caption and "best by" not in fashion.caption
    assert "local CwComp is forward-forward and local predsim is local supervised" in mnist.caption


def test_one_network_on_one_data_set_needs_no_second_table(tmp_path: Path) -> None:
    assert not grids(load_records(make_runs(tmp_path / "runs", networks=["mlp 3x500"])))


def test_the_page_begins_with_them_and_leaves_none_of_an_earlier_report(runs: Path, tmp_path: Path) -> None:
    make_report(runs, tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert 0 < page.index('id="table-results_1"') < page.index('id="figures"') < page.index('id="table-summary"')
    assert "Test error on Fashion-MNIST, %" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert (tmp_path / "out" / "tables" / "results_1.tex").exists() and ">local supervised</td>" in page
    make_report(make_runs(tmp_path / "few", networks=["mlp 3x500"]), tmp_path / "out")
    assert not list((tmp_path / "out" / "tables").glob("results_*"))
    assert "results_" not in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_losses_of_the_output_are_those_that_no_block_is_asked_for() -> None:
    import lab

    assert lab.BackpropTrainer  # registers the parts
    losses = {n for n in registry.names("objective") if not issubclass(registry.part("objective", n), LocalObjective)}
    assert losses == set(LOSSES)


@pytest.mark.parametrize(
    ("trainer", "objective", "shown"),
    [
        ("backprop", "hinge", "backprop"), ("forward_forward", "goodness", "forward-forward"),
        ("forward_forward", "symba", "forward-forward SymBa"), ("local", "my_rule", "local my-rule"),
        ("feedback_alignment", "cross_entropy", "feedback-alignment"), ("local", "", "local"),
    ],
)  # fmt: skip
def test_a_trainer_is_named_with_its_local_objective(trainer: str, objective: str, shown: str) -> None:
    assert trainer_name({"config": {"trainer": {"name": trainer}, "objective": {"name": objective}}}) == shown
