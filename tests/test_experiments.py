"""Every experiment of conf/ runs to its end, made small: few rows, few units, one epoch."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.app import config_folder
from lab.config import parse
from lab.data import load_dataset
from lab.data.registry import entry
from lab.errors import DataError
from lab.run import run
from tests.test_conf import composed

SMALL = {"width": 20, "units": 10, "hidden": 20}


def smaller(values: dict[str, Any]) -> dict[str, Any]:
    """The same run on few rows, with few units: numbers of channels stay divisible by ten classes."""
    values["data"]["limit"] = 20
    values["trainer"]["batch_size"] = min(20, values["trainer"]["batch_size"])
    values["trainer"]["epochs"] = 1
    if values["trainer"].get("schedule") == "greedy":
        values["trainer"]["epochs"] = values["model"].get("depth", len(values["model"].get("channels", [1])))
    model = values["model"]
    for option in ("strings", "length"):
        if option in values["trainer"]:
            values["trainer"][option] = 4
    for option, most in SMALL.items():
        if isinstance(model.get(option), int):
            model[option] = min(most, model[option])
    if "channels" in model:
        model["channels"] = [min(20, channels) for channels in model["channels"]]
    values["backend"]["threads"] = 1
    return values


data = cache(load_dataset)  # most of the time would go into reading MNIST again and again


@cache
def a_text(folder: Path) -> Path:
    """A text in the place of Aesop's, which has to be fetched: as many windows, of letters with some order."""
    path = folder / "text.txt"
    rng = np.random.default_rng(0)
    path.write_text("".join(rng.choice(["the fox ", "a goose, ", "It was\nkilled. "], 4000)))
    return path


@pytest.mark.parametrize("name", sorted(path.stem for path in config_folder().glob("experiment/*.yaml")))
def test_it_runs(name: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    values = smaller(composed(f"experiment={name}"))
    if values["data"]["name"] == "aesop":
        values["data"]["name"] = str(a_text(tmp_path_factory.getbasetemp()))
    config = parse({**values, "runs": str(tmp_path)})
    try:
        record = run(config, data=data(config.data["name"], **config.data_options))
    except DataError as error:
        if "fetch" not in str(error):
            raise
        pytest.skip(f"{entry(config.data['name']).name} is not here")
    assert record.status == "ok", record.reason
    assert record.data["n_train"] == 20 and math.isfinite(record.history[-1]["train_loss"])
    answer = record.final["test"]
    assert 0 <= answer["accuracy"] <= 1 if record.data["task"] == "classification" else math.isfinite(answer["rmse"])
