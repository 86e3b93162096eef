"""Every sweep of conf/ in its smoke form: each value of each of its options is run once, on few rows with few units."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from lab.app import config_folder
from lab.config import parse
from lab.errors import DataError
from lab.run import run
from tests.test_conf import composed
from tests.test_experiments import data, smaller

SWEEPS = sorted(path.stem for path in config_folder().glob("sweep/*.yaml"))


def values(name: str) -> dict[str, list[str]]:
    """The options that a sweep varies, with the values of each."""
    found = OmegaConf.load(config_folder() / "sweep" / f"{name}.yaml")
    return {str(key): str(text).split(",") for key, text in found.hydra.sweeper.params.items()}


def points(name: str) -> list[list[str]]:
    """As many of its runs as its longest list has values: together they have every value of every option."""
    options = values(name)
    return [
        [f"{key}={choices[i % len(choices)]}" for key, choices in options.items()]
        for i in range(max(map(len, options.values())))
    ]


@pytest.mark.parametrize(("name", "point"), [(name, point) for name in SWEEPS for point in points(name)])
def test_its_runs_end_well(name: str, point: list[str], tmp_path: Path) -> None:
    asked = composed(f"+sweep={name}", *point)
    config = parse({**smaller(asked), "runs": str(tmp_path)})
    try:
        record = run(config, data=data(config.data["name"], **config.data_options))
    except DataError as error:
        if "fetch" not in str(error):
            raise
        pytest.skip(str(error))
    assert record.status == "ok", record.reason
    assert math.isfinite(record.history[-1]["train_loss"]) and 0 <= record.final["test"]["accuracy"] <= 1


@pytest.mark.parametrize("name", SWEEPS)
def test_each_of_its_options_changes_the_run(name: str) -> None:
    """Every value makes another config than the first one does, as it would not where an experiment overrides it."""
    first = {key: choices[0] for key, choices in values(name).items()}
    seen: dict[str, Any] = {}
    for key, choices in values(name).items():
        configs = []
        for choice in choices:
            point = [f"{k}={choice if k == key else v}" for k, v in first.items()]
            configs.append(str(sorted(parse(composed(f"+sweep={name}", *point)).resolved().items())))
        seen[key] = len(set(configs)) == len(choices)
    assert all(seen.values()), seen


def test_phases_remember_by_a_running_average() -> None:
    for momentum in ("0.9", "0.999"):
        optimizer = parse(composed("+sweep=ff_sleep", f"optimizer.momentum={momentum}")).optimizer
        assert optimizer is not None and optimizer["dampening"] == optimizer["momentum"] == float(momentum)
