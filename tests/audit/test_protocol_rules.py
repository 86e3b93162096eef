"""The rules of a comparison by protocol: kept by one that is whole, each broken in the ways there are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.audit import OF_PROTOCOL, RULES, Evidence, audit
from lab.audit.rules import leakage
from lab.audit.section import audit_table
from lab.report.load import load_records, records_of
from tests.report.compared import SEEDS, add_form, change, make_comparison, run_id

TRIAL, RUN = run_id("trial", "forward", 0), run_id("run", "forward", 3)


@pytest.fixture(autouse=True)
def no_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leakage, "_shared", lambda digest, options: {"train and test": 0})


def of_trial(keys: str, value: object) -> Callable[[Path], None]:
    return lambda folder: change(folder / "trials" / TRIAL / "record.json", keys, value)


def of_run(keys: str, value: object) -> Callable[[Path], None]:
    return lambda folder: change(folder / "runs" / RUN / "record.json", keys, value)


def without(kind: str, name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / kind / name / "record.json").unlink()


BREAKS: list[tuple[str, Callable[[Path], None], str, str]] = [
    ("unequal_studies", without("trials", TRIAL), TRIAL, "forward has 2 of 3 trials on MNIST"),
    ("unequal_studies", of_trial("config.trainer.epochs", 9), TRIAL, "did not have the epochs, rows or seed"),
    ("unequal_studies", of_trial("config.seed", 3), TRIAL, "did not have the epochs, rows or seed"),
    ("unequal_studies", of_trial("data.n_train", 60000), TRIAL, "did not have the epochs, rows or seed"),
    ("opened_early", of_trial("final.test", {"accuracy": 0.9}), TRIAL, "1 trial of 6 opened the test rows"),
    ("opened_early", of_trial("final.right", "AAAA"), TRIAL, "opened the test rows"),
    ("other_setting", of_run("config.optimizer.learning_rate", 0.004), RUN, "the setting of their side's best trial"),
    ("other_setting", of_trial("final.valid.accuracy", 0.99), RUN, "the setting of their side's best trial"),
    ("other_setting", of_run("config.trainer.epochs", 7), RUN, "another seed or number of epochs"),
    ("other_setting", of_run("config.seed", 77), RUN, "another seed or number of epochs"),
]


@pytest.mark.parametrize("rule", OF_PROTOCOL)
def test_a_comparison_by_its_protocol_keeps_it(rule: str, tmp_path: Path) -> None:
    found = OF_PROTOCOL[rule](Evidence(load_records(make_comparison(tmp_path))))
    assert (found.verdict, found.runs) == ("pass", ()), found.sentence


@pytest.mark.parametrize(("rule", "broken", "at_fault", "words"), BREAKS)
def test_what_breaks_it_is_caught(
    rule: str, broken: Callable[[Path], None], at_fault: str, words: str, tmp_path: Path
) -> None:
    runs = make_comparison(tmp_path)
    broken(tmp_path)
    found = OF_PROTOCOL[rule](Evidence(load_records(runs)))
    assert found.verdict == "fail" and at_fault in found.runs
    assert words in found.sentence and found.sentence.endswith(".")


def with_a_form(folder: Path, seeds: int = len(SEEDS), rate: float = 0.003) -> Evidence:
    runs = make_comparison(folder)
    add_form(folder, seeds, rate)
    return Evidence(load_records(runs))


def test_a_side_in_another_form_has_its_trials_its_setting_and_its_seeds(tmp_path: Path) -> None:
    whole = with_a_form(tmp_path / "whole")
    assert {(c.first, c.second) for c in whole.comparisons} == {("backprop", "forward-forward"), ("backprop", "lean")}
    assert {f.rule: f.sentence for f in audit(whole) if f.verdict != "pass"} == {}
    other = OF_PROTOCOL["other_setting"](with_a_form(tmp_path / "other", rate=0.01))
    assert set(other.runs) == {run_id("run", "lean", seed) for seed in SEEDS} and "best trial" in other.sentence
    fewer = OF_PROTOCOL["other_setting"](with_a_form(tmp_path / "fewer", seeds=4))
    assert set(fewer.runs) == {run_id("run", "lean", seed) for seed in SEEDS[:4]}


def test_the_table_marks_each_verdict_with_its_own_word(tmp_path: Path) -> None:
    runs = make_comparison(tmp_path)
    of_run("config.seed", 77)(tmp_path)
    findings = audit(Evidence(load_records(runs)))
    marks = {row[0].text: row[1] for row in audit_table(findings).rows}
    assert {f.title: f.verdict for f in findings} == {title: cell.text[2:] for title, cell in marks.items()}
    assert marks["other setting"].strong and not marks["opened early"].strong
    assert {marks[title].text[0] for title in ("other setting", "opened early")} == {"\u2717", "\u2713"}


def test_every_rule_is_broken_here() -> None:
    assert {rule for rule, *_ in BREAKS} == set(OF_PROTOCOL)


def test_a_run_thrown_away_or_slipped_in_is_seen(tmp_path: Path) -> None:
    runs = make_comparison(tmp_path / "lost")
    (runs / RUN / "record.json").unlink()
    (runs / RUN).rmdir()
    evidence = Evidence(load_records(runs))
    assert RUN in RULES["left_out"](evidence).runs and RUN in OF_PROTOCOL["other_setting"](evidence).runs
    runs = make_comparison(tmp_path / "more")
    (runs / RUN).rename(runs / run_id("another"))
    found = OF_PROTOCOL["other_setting"](Evidence(load_records(runs)))
    assert run_id("another") in found.runs and "in no protocol" in found.sentence


def test_a_seed_that_the_ledger_was_relieved_of_is_missed(tmp_path: Path) -> None:
    runs = make_comparison(tmp_path)
    (runs / RUN / "record.json").unlink()
    (runs / RUN).rmdir()
    entries = json.loads((tmp_path / "comparison.json").read_text())["runs"]
    change(tmp_path / "comparison.json", "runs", [entry for entry in entries if entry["run_id"] != RUN])
    found = OF_PROTOCOL["other_setting"](Evidence(load_records(runs)))
    assert found.verdict == "fail" and run_id("run", "forward", 0) in found.runs


def test_more_trials_of_one_side_are_unequal(tmp_path: Path) -> None:
    runs = make_comparison(tmp_path)
    change(tmp_path / "comparison.json", "studies.0.trials", [])
    assert RULES["unequal_trials"](Evidence(load_records(runs))).verdict == "fail"


def test_all_rules_pass_and_none_of_a_protocol_is_asked_without_one(tmp_path: Path) -> None:
    records = load_records(make_comparison(tmp_path))
    assert [f.rule for f in audit(Evidence(records))] == [*RULES, *OF_PROTOCOL]
    assert {f.verdict for f in audit(Evidence(records))} == {"pass"}
    assert len(audit(Evidence(records_of({})))) == len(RULES)
    for rule in OF_PROTOCOL.values():
        assert rule(Evidence(records_of({}))).verdict == "cannot tell"


def test_claimed_times_are_asked_after(tmp_path: Path) -> None:
    claimed = Evidence(load_records(make_comparison(tmp_path, timed=True)))
    assert RULES["beside_load"](claimed).verdict == "fail"
