"""What was aimed at: read from the file beside the runs, set against the means, said where it is missed."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.report import aims, load_records, make_report
from lab.report.extract import COLUMNS
from lab.report.metrics import METRICS
from tests.report.records import make_record, write

HEAD = "data,network,trainer,measure,aim\n"
MISSED = "MNIST,mlp 3x500,backprop,test_accuracy,0.981\n"
KEPT = "MNIST,mlp 3x500,backprop,test_error,0.025\n"
ABSENT = "CIFAR-10,mlp 3x500,backprop,test_accuracy,0.5\n"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two seeds of backprop on MNIST that reach 97 and 98 % of the test rows."""
    for seed, accuracy in ((0, 0.97), (1, 0.98)):
        record = make_record("backprop", seed=seed)
        record["final"]["test"] |= {"accuracy": accuracy, "error": 1 - accuracy}
        write(tmp_path / "runs", record, f"seed{seed}")
    return tmp_path / "runs"


def test_each_aim_is_set_against_the_mean(runs: Path) -> None:
    (runs.parent / "aims.csv").write_text(HEAD + MISSED + KEPT + ABSENT, encoding="utf-8")
    records = load_records(runs)
    table = aims.aims_table(records.aims, records.counted)
    assert [row[-1].text for row in table.rows] == ["short by 0.60 points", "reached", "no such run"]
    assert [row[4].text for row in table.rows] == ["98.10", "2.50", "50.00"]
    assert table.rows[0][5].text.startswith("97.50 ± ") and table.rows[2][5].text == "–"
    assert [row[6].text for row in table.rows] == ["2", "2", "–"]
    assert "1 of 3 aims reached" in table.caption
    make_report(runs, runs.parent / "out")
    page = (runs.parent / "out" / "index.html").read_text(encoding="utf-8")
    assert "Aims, and what was reached" in page and "short by 0.60 points" in page
    assert "short by 0.60 points" in (runs.parent / "out" / "tables" / "aims.tex").read_text(encoding="utf-8")


def test_exactly_reached_is_reached_and_a_hair_is_not() -> None:
    exact = aims.Aim("MNIST", "mlp", "backprop", "test_accuracy", 0.992)
    assert exact.short((0.9917 + 0.9924 + 0.9919) / 3) == 0
    assert aims._verdict(exact.metric, exact.short(0.99193)).text == "short by 0.007 points"


def test_an_aim_without_a_result_says_why(runs: Path) -> None:
    other = make_record("backprop", seed=0, epochs=2)
    write(runs, other, "another")
    (runs.parent / "aims.csv").write_text(HEAD + MISSED + MISSED.replace("backprop", "backprop (epochs=2)"))
    records = load_records(runs)
    assert "backprop (epochs=2)" in set(records.runs["series"])
    table = aims.aims_table(records.aims, records.counted)
    assert table.rows[0][-1].text == "not one setting" and table.rows[1][-1].text.startswith("short by")
    (runs.parent / "aims.csv").write_text(HEAD + "MNIST,mlp 3x500,backprop (epochs=2),energy_gpu,5\n")
    records = load_records(runs)
    assert aims.aims_table(records.aims, records.counted).rows[0][-1].text == "not measured"


@pytest.mark.parametrize("measure", [m.key for m in METRICS.values() if m.better])
def test_every_measure_of_a_run_can_be_aimed_at_and_no_other(measure: str, runs: Path) -> None:
    (runs.parent / "aims.csv").write_text(HEAD + f"MNIST,mlp 3x500,backprop,{measure},0.5\n", encoding="utf-8-sig")
    if measure in COLUMNS["runs"]:
        records = load_records(runs)
        assert len(aims.aims_table(records.aims, records.counted).rows) == 1
    else:
        with pytest.raises(UsageError, match="holds no aims"):
            load_records(runs)


def test_without_a_file_there_are_no_aims(runs: Path) -> None:
    assert load_records(runs).aims == ()
    make_report(runs, runs.parent / "out")
    assert "Aims, and" not in (runs.parent / "out" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "data,network\nMNIST,mlp\n", HEAD + "MNIST,mlp,backprop,test_loss,0.1\n", HEAD + "MNIST,mlp,backprop,x(1),1\n",
        HEAD + "MNIST,mlp,backprop,test_accuracy,98\n", HEAD + "MNIST,mlp,backprop,test_accuracy,nan\n",
        HEAD + "MNIST,mlp,backprop,test_accuracy,\n", "\xff", HEAD + "a" * 2**16, "",
        HEAD + "MNIST,mlp\n", HEAD + MISSED + MISSED, HEAD.replace(",", ";"),
    ],
)  # fmt: skip
def test_a_file_without_sense_is_one_sentence(runs: Path, text: str) -> None:
    (runs.parent / "aims.csv").write_text(text, encoding="latin-1")
    with pytest.raises(UsageError, match="holds no aims"):
        load_records(runs)
