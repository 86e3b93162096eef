"""The sentence that a comparison comes down to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from lab.record.answers import packed
from lab.report.compare import compare
from lab.report.load import load_records
from lab.report.tables_of_tests import significance
from tests.report.records import make_record, write


def made(
    runs: Path, errors: Mapping[str, Mapping[int, float]], options: Mapping[str, Any] | None = None, tag: str = ""
) -> None:
    """Writes runs with these test errors by family and seed; speeds 4.1 to 1, activations 2.1 to 1."""
    for family, seeds in errors.items():
        for seed, error in seeds.items():
            record = make_record(family, seed=seed)
            record["final"]["test"] |= {"error": error, "accuracy": 1 - error}
            record["measured"]["samples_per_second"] = 41000.0 if family == "backprop" else 10000.0
            record["memory"]["activations"] = 2100 if family == "backprop" else 1000
            record["config"]["trainer"] |= options or {}
            write(runs, record, f"{family}-{seed}{tag}")


def sentences(runs: Path) -> list[str]:
    return [c.sentence for c in compare(load_records(runs))]


def test_a_clear_difference(tmp_path: Path) -> None:
    made(tmp_path, {"backprop": {0: 0.012, 1: 0.013, 2: 0.011}, "forward_forward": {0: 0.020, 1: 0.0205, 2: 0.0195}})
    assert sentences(tmp_path) == [
        "On MNIST with mlp 3x500, backprop is 0.8 points better (95 % interval 0.7 to 0.9, 3 paired seeds), trains 4.1 "
        "times as many samples a second and uses 2.1 times the activation memory."
    ]


def test_the_better_one_is_named_first_whoever_it_is(tmp_path: Path) -> None:
    made(tmp_path, {"backprop": {0: 0.030, 1: 0.031}, "forward_forward": {0: 0.020, 1: 0.0215}})
    (sentence,) = sentences(tmp_path)
    assert "forward-forward is 1.0 points better (95 % interval 0.7 to 1.3, 2 paired seeds)" in sentence
    assert "trains 0.24 times as many samples a second and uses 0.48 times the activation memory" in sentence


def test_an_interval_that_holds_zero_is_no_difference(tmp_path: Path) -> None:
    made(tmp_path, {"backprop": {0: 0.012, 1: 0.018, 2: 0.013}, "forward_forward": {0: 0.014, 1: 0.015, 2: 0.017}})
    (sentence,) = sentences(tmp_path)
    assert "no clear difference: backprop is 0.1 points better, but the 95 % interval (" in sentence
    assert "3 paired seeds) holds zero; backprop trains 4.1 times" in sentence


def test_an_end_beside_zero_is_not_rounded_to_it(tmp_path: Path) -> None:
    made(
        tmp_path, {"backprop": {0: 0.0100, 1: 0.0140, 2: 0.0120}, "forward_forward": {0: 0.0170, 1: 0.0184, 2: 0.0178}}
    )
    (sentence,) = sentences(tmp_path)
    assert "(95 % interval 0." in sentence and "interval 0.0 to" not in sentence


def test_one_seed_has_no_interval(tmp_path: Path) -> None:
    made(tmp_path, {"backprop": {0: 0.012}, "forward_forward": {0: 0.020}})
    assert "backprop is 0.8 points better (1 paired seed, so no interval), trains" in sentences(tmp_path)[0]


def test_equal_results_are_called_equal(tmp_path: Path) -> None:
    made(tmp_path, {"backprop": {0: 0.02}, "forward_forward": {0: 0.02}})
    assert "both have the same test accuracy (1 paired seed, so no interval)" in sentences(tmp_path)[0]


def test_no_shared_seed_is_no_comparison(tmp_path: Path) -> None:
    made(tmp_path, {"backprop": {0: 0.02}, "forward_forward": {1: 0.02}})
    assert sentences(tmp_path)[0].endswith("share no seed, so they are not compared.")


def test_a_seed_without_partner_is_left_out_and_named(tmp_path: Path) -> None:
    made(tmp_path, {"backprop": {0: 0.01, 1: 0.01, 2: 0.5}, "forward_forward": {0: 0.02, 1: 0.021}})
    (comparison,) = compare(load_records(tmp_path))
    assert comparison.difference.unpaired == ("2",)
    assert comparison.difference.interval.mean == pytest.approx(0.0105)


def test_variants_are_compared_where_what_varies_in_both_is_equal(tmp_path: Path) -> None:
    for epochs in (5, 10):
        made(tmp_path, {"backprop": {0: 0.01}, "forward_forward": {0: 0.02}}, {"epochs": epochs}, f"-{epochs}")
    pairs = [(c.first, c.second) for c in compare(load_records(tmp_path))]
    assert pairs == [(f"backprop (epochs={e})", f"forward-forward (epochs={e})") for e in (5, 10)]


def test_what_varies_in_one_only_is_compared_with_each(tmp_path: Path) -> None:
    made(tmp_path, {"backprop": {0: 0.01}})
    for theta in (1, 2):
        made(tmp_path, {"forward_forward": {0: 0.02}}, {"theta": theta}, f"-{theta}")
    assert [c.second for c in compare(load_records(tmp_path))] == [f"forward-forward (theta={t})" for t in (1, 2)]


def test_recorded_answers_make_the_comparison_over_rows_a_paired_one(tmp_path: Path) -> None:
    """900 of 1,000 rows are right for both, 60 for backprop alone, 20 for forward-forward alone."""
    right = np.arange(1000) < 900
    answers = {"backprop": right | (np.arange(1000) >= 940), "forward_forward": right | (np.arange(1000) // 20 == 45)}
    made(tmp_path, {family: {0: 1 - float(a.mean())} for family, a in answers.items()})
    alone = compare(load_records(tmp_path))[0]
    for family, a in answers.items():
        path = tmp_path / f"{family}-0" / "record.json"
        record = json.loads(path.read_text())
        record["data"]["n_test"], record["final"]["right"] = 1000, packed(a)
        path.write_text(json.dumps(record))
    (paired,) = compare(load_records(tmp_path))
    assert paired.rows_p == pytest.approx(stats.binomtest(20, 80).pvalue) and np.isnan(alone.rows_p)
    (row,) = significance([paired]).rows
    assert row[-1].text == "0.0000086" and len(significance([alone]).rows[0]) == len(row) - 1
    assert sum(paired.over_rows) / 2 == pytest.approx(0.04)
    assert paired.over_rows[0] == pytest.approx(0.04 - 1.96 * np.sqrt((0.08 - 0.04**2) / 999), abs=1e-5)


def test_missing_costs_leave_the_sentence_whole(tmp_path: Path) -> None:
    for family in ("backprop", "forward_forward"):
        record = make_record(family)
        record["memory"], record["measured"] = {}, {}
        write(tmp_path, record)
    assert sentences(tmp_path)[0].endswith("(1 paired seed, so no interval).")


def test_where_there_are_several_the_sentence_names_the_other_one(tmp_path: Path) -> None:
    for family in ("backprop", "forward_forward", "feedback_alignment"):
        for seed in range(3):
            write(tmp_path, make_record(family, seed=seed))
    found = [c.sentence for c in compare(load_records(tmp_path))]
    assert len(found) == 2 and all(" than forward-forward" in s or " than feedback-alignment" in s for s in found)
    (alone,) = compare(load_records(tmp_path, run_ids=[p.name for p in tmp_path.iterdir() if p.name[:2] != "fe"]))
    assert " than " not in alone.sentence
