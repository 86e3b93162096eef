"""Rates and the time to a target, from epochs of unequal length."""

from __future__ import annotations

from typing import Any

import pytest

from lab.measure.rates import rates, to_target


def epochs(*figures: tuple[float, float], name: str = "accuracy") -> list[dict[str, Any]]:
    """(validation figure, seconds) of each epoch, 10 steps and 100 samples in each."""
    return [
        {"epoch": i, "step": 10 * i, "train_seconds": seconds, "samples_per_second": 100 / seconds,
         "valid": {name: figure}}
        for i, (figure, seconds) in enumerate(figures, 1)
    ]  # fmt: skip


def test_rates_are_medians_over_epochs() -> None:
    found = rates(epochs((0.5, 10.0), (0.6, 2.0), (0.7, 5.0)), flops_per_sample=7)
    assert found == {"samples_per_second": 20.0, "steps_per_second": 2.0, "flops_per_second": 140.0}
    assert set(rates([], 7).values()) == {None}
    assert rates(epochs((0.5, 1.0)), None)["flops_per_second"] is None


def test_the_target_is_reached_at_the_first_epoch_that_comes_to_it() -> None:
    run = epochs((0.5, 10.0), (0.9, 2.0), (0.8, 5.0), (0.95, 1.0))
    assert to_target(0.9, run) == {"target": 0.9, "epochs": 2, "seconds": pytest.approx(12.0)}
    assert to_target(0.91, run) == {"target": 0.91, "epochs": 4, "seconds": pytest.approx(18.0)}


def test_a_target_that_is_never_reached_has_no_time() -> None:
    assert to_target(0.99, epochs((0.5, 1.0))) == {"target": 0.99, "epochs": None, "seconds": None}


def test_without_a_target_or_validation_there_is_nothing_to_say() -> None:
    run = epochs((0.5, 1.0))
    assert to_target(None, run) is None
    assert to_target(0.5, [{**run[0], "valid": {}}]) is None
    assert to_target(0.4, epochs((0.5, 1.0), name="r2")) is not None
