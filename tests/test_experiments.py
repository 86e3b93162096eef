"""Every experiment of conf/ runs to its end, made small: few rows, few units, one epoch.

Those of each local rule run on images of both shapes, MNIST's and CIFAR-10's. Where CIFAR-10 was not fetched these are
made up, and the record says so.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.app import config_folder
from lab.config import parse
from lab.data import Dataset, load_dataset
from lab.data.dataset import Split
from lab.data.registry import entry
from lab.errors import DataError
from lab.objectives.base import ClassObjective, ContrastObjective, PairObjective
from lab.record.record import RunRecord
from lab.registry import names, part
from lab.run import run
from tests.test_conf import composed

SMALL = {"width": 20, "units": 10, "hidden": 20}


def smaller(values: dict[str, Any]) -> dict[str, Any]:
    """The same run on few rows, with few units: numbers of channels stay divisible by ten classes."""
    values["data"]["limit"] = 20
    values["trainer"]["batch_size"] = min(20, values["trainer"]["batch_size"])
    values["trainer"]["epochs"] = 1
    if isinstance(schedule := values["trainer"].get("schedule"), list):
        values["trainer"]["schedule"] = ["1-1"] * len(schedule)
    elif schedule == "greedy":
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


MADE_UP = "made-up images of CIFAR-10's shape"
# for each rule that learns images, the experiment that has it
RULES = {
    "backprop": "bp_3x1000", "goodness": "ff_3x1000", "goodness of a cnn": "ff_cnn", "symba": "symba_mlp",
    "cwcomp": "cwcomp_cnn", "deeper_forward": "deeper_forward_cnn", "mono_forward": "mono_forward_mlp",
    "predsim": "predsim_mlp", "predsim of a cnn": "predsim_cnn",
    "self_contrast": "self_contrast_mlp", "feedback alignment": "dfa_mnist",
}  # fmt: skip
NAMES = sorted(path.stem for path in config_folder().glob("experiment/*.yaml"))
TEXTS = [name for name in NAMES if "override /data: text" in (config_folder() / f"experiment/{name}.yaml").read_text()]


@cache
def photographs() -> Dataset:
    """CIFAR-10's first images, or made-up ones of its shape."""
    try:
        return load_dataset("cifar10", limit=20)
    except DataError:
        rng = np.random.default_rng(0)
        parts = [Split(rng.integers(0, 256, (20, 3, 32, 32)).astype(np.uint8), np.arange(20) % 10, 1 / 255)] * 3
        return Dataset("cifar10", *parts, "classification", 10, (3, 32, 32), digest="made up", source=MADE_UP)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in TEXTS])
def test_it_runs(name: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    values = smaller(composed(f"experiment={name}"))
    if values["data"]["name"] == "aesop":
        values["data"]["name"] = str(a_text(tmp_path_factory.getbasetemp()))
    config = parse({**values, "runs": str(tmp_path)})
    try:
        images = photographs() if config.data["name"] == "cifar10" else None
        record = run(config, data=images or data(config.data["name"], **config.data_options))
    except DataError as error:
        if "fetch" not in str(error):
            raise
        pytest.skip(f"{entry(config.data['name']).name} is not here")
    finished(record)


@pytest.mark.parametrize("name", TEXTS)
def test_it_runs_on_any_text(name: str, tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("what is predicted from ten characters is the one that follows. " * 20)
    values = smaller(composed(f"experiment={name}", f"data.name={tmp_path / 'book.txt'}"))
    values["data"]["valid"] = None
    record = run(parse({**values, "runs": str(tmp_path)}))
    finished(record)
    assert 0 < record.final["test"]["bits_per_character"] < 10


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_runs_on_images_of_both_shapes(rule: str, tmp_path: Path) -> None:
    values = composed(f"experiment={RULES[rule]}", "data=cifar10")
    assert composed(f"experiment={RULES[rule]}")["data"]["name"] == "mnist"  # with which `test_it_runs` runs it
    record = run(parse({**smaller(values), "runs": str(tmp_path)}), data=photographs())
    finished(record)
    assert record.data["shape"] == [3, 32, 32]
    assert (record.data["source"] == MADE_UP) == (photographs().digest == "made up")


def test_no_rule_is_forgotten() -> None:
    kinds = (PairObjective, ClassObjective, ContrastObjective)
    own = {
        name: part("objective", name) for name in names("objective")
    }  # other tests may have registered rules of theirs
    rules = {name for name, rule in own.items() if issubclass(rule, kinds) and rule.__module__.startswith("lab.")}
    assert rules == {composed(f"experiment={name}")["objective"]["name"] for name in RULES.values()} & rules
    assert len(rules) >= 7


def finished(record: RunRecord) -> None:
    """Check that a small run came to its end, with figures in their range."""
    assert record.status == "ok", record.reason
    assert record.data["n_train"] == 20 and math.isfinite(record.history[-1]["train_loss"])
    answer = record.final["test"]
    assert 0 <= answer["accuracy"] <= 1 if record.data["task"] == "classification" else math.isfinite(answer["rmse"])
