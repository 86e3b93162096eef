"""What a search tried: one line a trial, chosen by the validation rows, counted by the audit."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from lab.audit import Evidence, audit
from lab.errors import UsageError
from lab.report import load_records, make_report, tuning
from lab.sweep.plan import Plan, Planned
from lab.trials import main
from tests.report.records import make_record, make_runs, write


def trial(folder: Path, family: str, rate: float, valid: float | None, *, seed: int = 0, epochs: int = 2) -> None:
    """A trial's record; without a validation accuracy it diverged. Its test rows say the contrary."""
    record = make_record(family, seed=seed, epochs=epochs, status="ok" if valid else "diverged")
    record["config"]["optimizer"]["learning_rate"] = rate
    if valid:
        record["final"]["valid"] |= {"accuracy": valid, "error": 1 - valid}
        record["final"]["test"] |= {"accuracy": 1 - valid, "error": valid}
    write(folder, record, f"{family[:2]}-{rate}-{seed}-{epochs}")


@pytest.fixture
def searched(tmp_path: Path) -> Path:
    """Three rates of backprop, of which one diverged, and two of forward-forward; one went on with a second seed."""
    folder = tmp_path / "tune"
    for rate, valid in ((0.001, 0.91), (0.01, 0.94), (0.1, None)):
        trial(folder, "backprop", rate, valid)
    trial(folder, "backprop", 0.01, 0.5, seed=1)
    trial(folder, "backprop", 0.01, 0.97, epochs=9)  # alone among runs of nine epochs: nothing was chosen there
    for rate, valid in ((0.01, 0.9), (0.02, 0.93)):
        trial(folder, "forward_forward", rate, valid)
    return folder


def test_a_search_is_kept_read_and_shown(searched: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_runs(tmp_path / "runs", networks=["mlp 3x500"])
    assert main([str(searched), "--out", str(tmp_path / "tuning.csv")]) == 0
    assert capsys.readouterr().out.startswith("5 trials of 2 searches: ")
    trials = tuning.read(tmp_path / "tuning.csv")
    assert tuning.write(trials) == (tmp_path / "tuning.csv").read_text(encoding="utf-8")
    assert [(t.trainer, t.option, t.value, t.chosen, t.status) for t in trials] == [
        ("backprop", "optimizer.learning_rate", "0.001", False, "ok"),
        ("backprop", "optimizer.learning_rate", "0.01", True, "ok"),
        ("backprop", "optimizer.learning_rate", "0.1", False, "diverged"),
        ("forward_forward", "optimizer.learning_rate", "0.01", False, "ok"),
        ("forward_forward", "optimizer.learning_rate", "0.02", True, "ok"),
    ]
    assert {(t.measure, t.epochs, t.rows, t.seed) for t in trials if t.status == "ok"} == {("accuracy", 2, 55000, "0")}
    make_report(tmp_path / "runs", tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "0.001: 91.00 %; 0.01: 94.00 %; 0.1: diverged" in page and "<strong>0.01</strong>" in page
    assert "not the same number of trials for all" in page


def test_a_search_over_networks_is_one_search_by_its_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, table = tmp_path / "runs", tmp_path / "tuning.csv"
    found = []
    for width, valid in ((250, 0.9), (500, 0.95), (1000, 0.93)):
        record = make_record("backprop", seed=0)
        record["config"]["model"]["width"], record["network"]["label"] = width, f"mlp 3x{width}"
        record["final"]["valid"] |= {"accuracy": valid, "error": 1 - valid}
        found.append(Planned(write(runs, record, f"w{width}").name, record["config"], {}, (f"model.width={width}",)))
    never = Planned("0123456789abcdef", found[0].config, {}, ("model.width=9",))
    Plan("search", runs, (*found, never)).write()
    with pytest.raises(UsageError, match="nothing was searched"):
        tuning.collect([runs])  # without the plan these are three networks with a run each
    (search,) = (runs / "sweeps").iterdir()
    assert main([str(search), "--out", str(table)]) == 0
    assert capsys.readouterr().out.startswith("3 trials of 1 search: ")
    trials = tuning.read(table)
    assert [(t.value, t.chosen) for t in trials] == [("250", False), ("500", True), ("1000", False)]
    assert {t.network for t in trials} == {"mlp 3x500"} and set(tuning.tried(trials).values()) == {3}
    assert main([str(search), "--out", str(table)]) == 0  # a table of trials is written anew


def test_a_file_of_another_kind_is_not_overwritten(searched: Path, tmp_path: Path) -> None:
    for name, text in (("README.md", "# Mine\n\nwords, words\n"), ("runs.csv", "run,x\na,1\n")):
        (tmp_path / name).write_text(text)
        with pytest.raises(UsageError, match="is there and is no table of trials"):
            main([str(searched), "--out", str(tmp_path / name)])
        assert (tmp_path / name).read_text() == text


def test_the_audit_counts_the_trials(searched: Path, tmp_path: Path) -> None:
    runs = make_runs(tmp_path / "runs", networks=["mlp 3x500"])
    main([str(searched), "--out", str(tmp_path / "tuning.csv")])
    found = {f.rule: f for f in audit(Evidence(load_records(runs)))}
    assert "3 of backprop and 2 of forward-forward" in found["unequal_trials"].sentence
    trial(searched, "forward_forward", 0.04, 0.92)
    main([str(searched), "--out", str(tmp_path / "tuning.csv")])
    records = load_records(runs)
    assert {f.rule: f.verdict for f in audit(Evidence(records))}["unequal_trials"] == "pass"
    assert tuning.sentence(records.trials).startswith("Settings were chosen by the validation rows, from 3 trials")
    assert tuning.sentence(()) == ""


def test_a_spreadsheet_runs_nothing_of_it_and_odd_records_are_no_trouble(tmp_path: Path) -> None:
    for rate, word in ((0.01, "=cmd|' /C calc'!A0"), (0.02, "plain")):
        record = make_record("backprop", seed=0)
        record["config"]["optimizer"] |= {"learning_rate": rate, "schedule": word}
        record["final"]["valid"] = "accuracy"
        write(tmp_path / "tune", record, word[1:3])
    bare = make_record("backprop", seed=0)
    del bare["config"]
    write(tmp_path / "tune", bare, "bare")
    assert main([str(tmp_path / "tune"), "--out", str(tmp_path / "tuning.csv")]) == 0
    lines = list(csv.reader((tmp_path / "tuning.csv").open(encoding="utf-8")))
    assert not any(cell.startswith(("=", "+", "-", "@")) for line in lines for cell in line)
    assert any("=cmd" in cell for line in lines for cell in line)


def test_mistakes_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no"):
        tuning.collect([tmp_path])
    trial(tmp_path / "one", "backprop", 0.1, 0.9)
    with pytest.raises(UsageError, match="nothing was searched"):
        tuning.collect([tmp_path / "one"])
    table = tmp_path / "tuning.csv"
    for text in ("data,network\nmnist,mlp\n", "\xff", "a" * 2**21):
        table.write_text(text, encoding="latin-1")
        with pytest.raises(UsageError, match="trials"):
            tuning.read(table)
