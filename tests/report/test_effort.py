"""The figures of effort: learning curves against work and energy, the best of n trials, error against rows."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from lab.report import load_records
from lab.report.budget import best_of
from lab.report.figure import Figure, Look
from lab.report.figures_of_effort import _best, _errors, budget, effort, sizes, styles_of_sides
from lab.report.figures_of_lines import ENERGY, OPERATIONS, SECONDS, curves
from lab.report.scales import fitted, padded, place_on, spaced
from lab.report.style import series_style, styled
from lab.report.tables_beyond import errors_by_rows, exponent
from tests.report.compared import change, make_comparison, run_id
from tests.report.records import TRAINERS, make_record, write
from tests.report.test_figures import assert_readable


@pytest.fixture(scope="module")
def look(tmp_path_factory: pytest.TempPathFactory) -> Look:
    return Look(load_records(make_comparison(tmp_path_factory.mktemp("comparison"))))


def drawn(look: Look, figure: object) -> Figure:
    with styled():
        found = figure(look, look.records.ledger)  # type: ignore[operator]
    assert isinstance(found, Figure)
    assert_readable(found)
    return found


def test_the_best_of_n_trials_falls_to_the_best_of_all(look: Look) -> None:
    figure = drawn(look, budget)
    assert "backprop 9.00 % by one, 8.00 % by 3" in figure.panels[0].alt
    ledger = look.records.ledger
    assert ledger is not None
    steps = _best(ledger.studies[0], series_style(0), [1, 2, 3])
    values = [0.9, 0.91, 0.92]
    for n, x, y, low, high in zip((1, 2, 3), steps.x, steps.y, steps.low, steps.high, strict=True):
        best = best_of(values, n)
        assert x == n and (y, low, high) == pytest.approx(
            (100 - 100 * best.mean, 100 - 100 * best.high, 100 - 100 * best.low)
        )
        assert low <= y <= high


def test_a_side_has_the_colour_of_its_runs(look: Look) -> None:
    ledger = look.records.ledger
    assert ledger is not None
    assert styles_of_sides(look, ledger) == {
        "backprop": look.styles["backprop"], "forward": look.styles["forward-forward"],
    }  # fmt: skip


def test_errors_by_rows_end_with_all_of_them(look: Look) -> None:
    ledger = look.records.ledger
    assert ledger is not None
    errors = errors_by_rows(ledger, look.records)
    assert {who: sorted(by) for who, by in errors.items()} == {
        ("mnist", "backprop"): [100, 55000], ("mnist", "forward"): [100, 55000],
    }  # fmt: skip
    assert errors["mnist", "backprop"][100] == pytest.approx([0.2]) and len(errors["mnist", "forward"][55000]) == 6
    assert "backprop 20.00 % from 100, " in drawn(look, sizes).panels[0].alt


def test_an_exponent_is_that_of_the_power_law() -> None:
    law = {n: [0.9 * 2 * n**-0.35, 1.1 * 2 * n**-0.35] for n in (1000, 3000, 10_000, 55_000)}
    assert exponent(law) == pytest.approx(-0.35)
    assert exponent({10: [0.4], 100: [0.1], 1000: [0.2]}) == pytest.approx(math.log(0.5) / math.log(100))
    assert math.isnan(exponent({10: [0.4], 100: [0.2]})) and math.isnan(exponent({1: [0.0], 2: [0.1], 3: [0.1]}))


def test_an_interval_of_errors_stays_within_what_can_be() -> None:
    steps = _errors({1000: [0.5, 0.99], 10: [0.3]}, series_style(0))
    assert steps.x == (10.0, 1000.0) and steps.y == pytest.approx((30.0, 74.5))
    assert (steps.low[1], steps.high[1]) == (0.0, 100.0) and math.isnan(steps.low[0])


def test_one_trial_is_no_curve(tmp_path: Path) -> None:
    runs = make_comparison(tmp_path)
    for number in (0, 1):
        whole = json.loads((tmp_path / "comparison.json").read_text())["studies"][number]["trials"]
        change(tmp_path / "comparison.json", f"studies.{number}.trials", whole[:1])
    with styled():
        assert [f.key for f in effort(Look(load_records(runs)))] == ["sizes"]


def test_trials_that_were_not_drawn_at_random_have_no_such_figure(tmp_path: Path) -> None:
    runs = make_comparison(tmp_path)
    change(tmp_path / "comparison.json", "protocol.tuning.sampler", "tpe")
    found = Look(load_records(runs))
    with styled():
        assert [f.key for f in effort(found)] == ["sizes"]


def test_curves_against_operations_stand_at_steps_times_cost(tmp_path: Path) -> None:
    record = make_record(epochs=3)
    write(tmp_path, record)
    records = load_records(tmp_path)
    cost = record["cost"]["flops_per_step"]
    assert list(records.epochs["flops"]) == pytest.approx([550 * n * cost for n in (1, 2, 3)])
    with styled():
        assert_readable(curves(Look(records), OPERATIONS))


def test_energy_is_shared_out_by_the_seconds_of_training(tmp_path: Path) -> None:
    record = make_record(epochs=2)
    record["measured"]["energy_joules"] = 50.0
    write(tmp_path, record)
    records = load_records(tmp_path)
    assert records.epochs["joules"].iloc[-1] == pytest.approx(50.0)
    first, whole = records.epochs["elapsed"]
    assert records.epochs["joules"].iloc[0] == pytest.approx(50 * first / whole)
    with styled():
        assert not curves(Look(records), ENERGY).missing
    del record["measured"]["energy_joules"]
    write(tmp_path, record)
    with styled():
        assert "with the energy of each epoch" in curves(Look(load_records(tmp_path)), ENERGY).missing


def test_a_resumed_run_has_operations_and_no_times(tmp_path: Path) -> None:
    for family in TRAINERS:
        record = make_record(family, epochs=2)
        record["measured"] |= {"resumed": family == "backprop", "energy_joules": 3.0}
        write(tmp_path, record)
    epochs = load_records(tmp_path).epochs.set_index("trainer")
    assert epochs.loc["backprop", ["elapsed", "joules", "epoch_seconds"]].isna().all(axis=None)
    assert epochs.loc["backprop", "flops"].notna().all()
    assert epochs.loc["forward-forward", ["elapsed", "joules"]].notna().all(axis=None)
    with styled():
        figure = curves(Look(load_records(tmp_path), "A reason."), SECONDS)
    assert figure.notes[0] == "A reason."


def test_a_baseline_without_runs_on_fewer_rows_is_not_drawn(tmp_path: Path) -> None:
    runs = make_comparison(tmp_path)
    change(tmp_path / "sizes" / run_id("fewer", "forward") / "record.json", "final.test.accuracy", None)
    look = Look(load_records(runs))
    assert "forward" not in drawn(look, sizes).alt


def test_a_task_without_runs_on_fewer_rows_has_no_panel(tmp_path: Path) -> None:
    runs = make_comparison(tmp_path)
    change(tmp_path / "comparison.json", "protocol.data", [{"name": "mnist"}, {"name": "digits"}])
    assert [panel.alt.split(",")[0] for panel in drawn(Look(load_records(runs)), sizes).panels] == ["MNIST"]


def test_axes() -> None:
    assert padded(2.0, 2.0, True)[1] / padded(2.0, 2.0, True)[0] == pytest.approx(1.6)
    assert padded(0.0, 10.0, False) == pytest.approx((0.0, 10.8)) and padded(-1.0, 1.0, False)[0] < -1
    assert place_on((1.0, 100.0), 200.0, True)(10.0) == pytest.approx(100.0)
    assert place_on((0.0, 10.0), 200.0, False)(2.5) == pytest.approx(50.0)
    assert fitted([1.0, 2.0], [0.9, 50.0], False) == pytest.approx((0.84, 2.56))
    low, high = fitted([1.0, 4.0], [-3.0, math.nan, 4.0], True)
    assert 0 < low < 1 and 4 < high < 5
    ticks = [1.0, 1.01, 2.0, 5.0, 10.0]
    assert spaced(ticks, place_on((1.0, 10.0), 300.0, True), 300.0, 14.0) == [1.0, 2.0, 5.0, 10.0]
    assert spaced(ticks, place_on((1.0, 10.0), 300.0, True), 300.0, 0.0)[-1] == 5.0
