"""What is explained: trainers from a config as `lab` reads it, made small, and a few rows for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lab.config import RunConfig, build, parse
from lab.data import Split, load_dataset
from lab.errors import UsageError
from lab.overrides import explained
from lab.random import generator
from lab.trainers import Trainer
from lab.trainers.local import LocalTrainer

BOTH = ("backprop", "forward_forward")
# Small enough to be worked by hand; what the command line says comes after these and wins.
SMALL = {"depth": 2, "width": 2, "units": 2}
LISTED = {"channels": "[2,2]", "kernel": "[2,2]", "stride": "[1,1]"}  # where a model takes one for each block
SETTLING = {"iterations": "2", "counted": "[1,1]"}  # all iterations do the same; a second shows what the next one reads
GENERAL = ("trainer.epochs=1", "backend.dtype=float64", "backend.kernels=numpy")
# Rows that are made up where no data set is asked for: the first shape that the model takes.
SHAPES = ((2,), (1, 4, 4), (3, 2))
CLASSES = 2
BINNED = 4  # rows where targets are learned as bins: one row alone makes none


@dataclass(frozen=True)
class Setting:
    """The trainers to look at, by name, and the rows that each of them makes one step with."""

    configs: dict[str, RunConfig]
    rows: Split
    source: str
    overrides: tuple[str, ...]


def setting(overrides: Sequence[str], config_dir: str | None = None) -> Setting:
    """What these overrides ask for: `trainer=a,b` names the trainers side by side, all else is as for a run.

    config_dir: a folder of config files beside those of the lab.

    Raises UsageError for what is no option, and for a backend that does not count its memory.
    """
    asked = [o for o in overrides if o.startswith("trainer=")]
    rest = [o for o in overrides if not o.startswith("trainer=")]
    experiment = any(re.match(r"\+?experiment=", o) for o in rest)
    if experiment and not asked:  # it brings a trainer of its own
        groups: list[list[str]] = [[]]
    else:
        names = asked[-1].removeprefix("trainer=").strip("[]").split(",") if asked else BOTH
        groups = [[f"trainer={name}"] for name in dict.fromkeys(names)]
    configs = _configs(groups, rest, config_dir)
    config = next(iter(configs.values()))
    if any(c.backend["name"] != "numpy" for c in configs.values()):
        raise UsageError("explain counts the memory of the CPU's buffers; leave out backend, or use backend=numpy")
    usual = _composed([], config_dir)["data"]["name"]
    if any(re.match(r"\+?data[.=]", o) for o in rest) or (experiment and config.data["name"] != usual):
        data = load_dataset(config.data["name"], **config.data_options)
        train = data.train
        if train.y.dtype.kind == "f" and any(isinstance(build(c), LocalTrainer) for c in configs.values()):
            configs = _configs(groups, rest, config_dir, BINNED)
        n = max(int(c.trainer["batch_size"]) for c in configs.values())
        return Setting(configs, Split(train.x[:n], train.y[:n], scale=train.scale), data.name, tuple(overrides))
    n = int(config.trainer["batch_size"])
    return Setting(configs, made_up(list(configs.values()), n), "made up", tuple(overrides))


def trainer_of(config: RunConfig, rows: Split) -> Trainer:
    """A trainer of that config, built for those rows."""
    if rows.y.dtype.kind == "f":
        trainer = build(config)
        return trainer.build(rows.x.shape[1:], trainer.outputs_for(rows), "regression", rows.scale)
    classes = max(CLASSES, int(rows.y.max()) + 1)
    return build(config).build(rows.x.shape[1:], classes, "classification", rows.scale)


def made_up(configs: Sequence[RunConfig], n: int) -> Split:
    """n rows of a shape that every config's model takes, with labels in turn; the first flat row is 1, 0.5."""
    refused: UsageError | None = None
    for shape in SHAPES:
        x = np.round(generator(0, "explain").random((n, *shape)), 1)
        if shape == (2,):
            x[0] = 1, 0.5
        rows = Split(x, np.arange(n) % CLASSES)
        try:
            for config in configs:
                trainer_of(config, rows)
        except UsageError as error:
            refused = error
        else:
            return rows
    assert refused is not None
    raise UsageError(f"{refused}; name the data to explain it with, such as data=digits")


def _configs(
    groups: Sequence[list[str]], rest: Sequence[str], config_dir: str | None, batch: int = 1
) -> dict[str, RunConfig]:
    found = [_config(group, rest, config_dir, batch) for group in groups]
    return {config.trainer["name"]: config for config in found}


def _config(group: list[str], rest: Sequence[str], config_dir: str | None, batch: int) -> RunConfig:
    def parsed(*small: str) -> RunConfig:
        return parse(_composed([*group, *small, *rest], config_dir))

    whole = _composed([*group, *rest], config_dir)
    model = whole["model"]
    small = [f"model.{key}={value}" for key, value in SMALL.items() if key in model]
    small += [f"model.{key}={value}" for key, value in LISTED.items() if isinstance(model.get(key), list)]
    if not any(o.startswith("trainer.counted=") for o in rest):  # which may be beyond the second
        small += [f"trainer.{key}={value}" for key, value in SETTLING.items() if key in whole["trainer"]]
    try:
        return parsed(*small, *GENERAL, f"trainer.batch_size={batch}")
    except UsageError:  # some cannot learn from one row alone
        return parsed(*small, *GENERAL, f"trainer.batch_size={max(2, batch)}")


def _composed(overrides: list[str], config_dir: str | None) -> dict[str, Any]:
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    from lab.app import config_folder
    from lab.guard import guarded
    from lab.sweep.hooks import plain

    arguments = list(overrides)
    if config_dir is not None:
        if not Path(config_dir).is_dir():
            raise UsageError(f"--config-dir {config_dir} is no folder; name one that holds config files")
        overrides = [*overrides, f"hydra.searchpath=[file://{Path(config_dir).absolute()}]"]
        arguments = ["--config-dir", config_dir, *arguments]
    folder = str(config_folder())
    GlobalHydra.instance().clear()
    with explained(arguments, config_folder()), guarded(arguments), initialize_config_dir(folder, version_base="1.3"):
        return plain(compose("config", overrides=overrides))
