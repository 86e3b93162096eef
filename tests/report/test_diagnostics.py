"""Diagnostics of blocks in a report: loaded as they are, drawn where they are, and not missed where they are not."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from lab.diagnose import DIAGNOSTICS
from lab.report import make_report
from lab.report.load import load_records
from lab.report.metrics import DIAGNOSTICS as SHOWN
from lab.report.metrics import METRICS
from tests.report.records import make_record, write
from tests.report.test_figures import assert_readable, drawn


def diagnosed(family: str, seed: int, network: str = "mlp 3x500", **more: Any) -> dict[str, Any]:
    """A made-up record whose cosine is 0.1 block - 0.01 epoch, and of whose units a tenth a block is dead."""
    record = make_record(family, network, seed)
    depth = len(record["network"]["blocks"])
    for epoch in record["history"]:
        epoch["blocks"] = [
            {"name": f"block{b}", "cosine": 0.1 * b - 0.01 * epoch["epoch"], "dead_units": 0.1 * b, **more}
            for b in range(1, depth + 1)
        ]
    record["config"]["diagnose"] = ["cosine", "dead_units"]
    return record


def test_the_report_knows_every_diagnostic() -> None:
    assert (*SHOWN, "histograms") == DIAGNOSTICS and set(SHOWN) <= set(METRICS)


def test_numbers_are_loaded_as_they_are_and_untrue_ones_are_not(tmp_path: Path) -> None:
    write(tmp_path, diagnosed("forward_forward", 0, saturation=1.5, weight_norms=-1.0, pairwise_errors=math.nan))
    frame = load_records(tmp_path).diagnostics
    assert set(frame["figure"]) == {"cosine", "dead_units"} and len(frame) == 2 * 3 * 8
    row = frame[(frame["figure"] == "cosine") & (frame["position"] == 2) & (frame["epoch"] == 5)].iloc[0]
    assert row["value"] == pytest.approx(0.15) and row["block"] == "block2"


def test_figures_are_drawn_where_something_was_diagnosed(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    write(plain, make_record("backprop"))
    assert not [key for key in drawn(plain) if key.startswith("diagnose")]
    runs = tmp_path / "runs"
    for seed in (0, 1):
        write(runs, diagnosed("backprop", seed))
        write(runs, diagnosed("forward_forward", seed))
    figures = drawn(runs)
    assert {key for key in figures if key.startswith("diagnose")} == {"diagnose_cosine", "diagnose_dead_units"}
    cosine = figures["diagnose_cosine"]
    assert_readable(cosine)
    assert [p.alt.split(",")[0] for p in cosine.panels] == ["backprop", "forward-forward"]
    assert "block 3 0.220" in cosine.panels[0].alt and "20.0" in figures["diagnose_dead_units"].panels[0].alt


def test_of_many_blocks_some_are_drawn(tmp_path: Path) -> None:
    record = diagnosed("backprop", 0)
    record["network"]["blocks"] = [{"name": f"block{b}"} for b in range(1, 21)]
    for epoch in record["history"]:
        epoch["blocks"] = [{"name": f"block{b}", "cosine": 0.5} for b in range(1, 21)]
    write(tmp_path, record)
    figure = drawn(tmp_path)["diagnose_cosine"]
    assert_readable(figure)
    assert figure.notes == ("Of 20 blocks 7 are drawn.",)


def test_runs_with_and_without_diagnostics_are_seeds_of_one_experiment(tmp_path: Path) -> None:
    write(tmp_path, diagnosed("backprop", 0))
    write(tmp_path, make_record("backprop", seed=1))
    assert set(load_records(tmp_path).runs["series"]) == {"backprop"}


def test_files_of_diagnostics_go_when_nothing_is_diagnosed_any_more(tmp_path: Path) -> None:
    write(tmp_path / "runs", diagnosed("backprop", 0))
    make_report(tmp_path / "runs", tmp_path / "out")
    picture = tmp_path / "out" / "figures" / "diagnose_cosine.png"
    assert picture.exists()
    write(tmp_path / "runs", make_record("backprop"), diagnosed("backprop", 0)["run_id"])
    make_report(tmp_path / "runs", tmp_path / "out")
    assert not picture.exists()
