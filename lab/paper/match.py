"""Which records are of an experiment: those whose config says what the experiment says, however many rows and epochs.

Two configs are compared option by option. What cannot move a result by more than rounding (backend), or only says what
is looked at, is left out; so are `SCALE`, the options by which a run is made smaller: a smaller run is of the
experiment too, and is shown as a part of it. A record of an experiment as it was before its file changed is of another
setting, and is not found; one that was made before an option existed is taken to have had the option's default.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from lab.errors import UsageError
from lab.registry import part
from lab.report import variants
from lab.report.read import Unreadable, number, read_record, walk
from lab.schema import options

SCALE = ("trainer.epochs", "data.limit", "data.valid")
GROUPS = ("model", "trainer", "optimizer", "objective", "readout")
UNCOUNTED = ("backend.", "test", "imports")


@dataclass(frozen=True)
class Found:
    """One record that ended ok and answered the test rows."""

    run_id: str
    folder: Path
    seed: str
    record: dict[str, Any] = field(compare=False)
    flat: dict[str, str] = field(compare=False)

    def at(self, *path: str) -> Any:
        """What stands at a path of the record."""
        return walk(self.record, *path)

    @property
    def epochs(self) -> int:
        """Epochs that were trained, which early stopping may have made fewer than asked for."""
        return len(self.record.get("history") or ())

    @property
    def rows(self) -> int:
        """Training rows."""
        return int(number(self.at("data", "n_train")))


@dataclass(frozen=True)
class Wanted:
    """An experiment's options, flat, and the epochs that it trains."""

    flat: Mapping[str, str]
    epochs: int


def records_under(folders: Sequence[Path]) -> list[Found]:
    """Every readable record that ended ok, in the order of run ids. Raises UsageError for what is no folder."""
    found = {}
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{str(folder)!r} is no folder; name the one that holds the runs")
        for path in sorted(folder.glob("*/record.json")):
            try:
                record = read_record(path)
            except Unreadable:
                continue
            if record["status"] == "ok" and isinstance(record.get("config"), dict):
                seed = variants.seed_name(record)
                name = path.parent.name
                found[name] = Found(name, path.parent, seed, record, flat(record["config"]))
    return [found[name] for name in sorted(found)]


@cache
def experiment(name: str, overrides: tuple[str, ...] = ()) -> Wanted | None:
    """What conf/experiment/<name>.yaml says, with overrides; None where there is no such file."""
    from lab.app import config_folder
    from lab.sweep.compose import composed

    if not (config_folder() / "experiment" / f"{name}.yaml").is_file():
        return None
    config = composed([f"experiment={name}", *overrides])
    return Wanted(flat(config.resolved()), config.epochs)


def flat(config: Mapping[str, Any]) -> dict[str, str]:
    """The options that count, flat."""
    every = variants.settings(config)
    return {k: v for k, v in every.items() if not k.startswith(UNCOUNTED) and k not in SCALE}


def of_experiment(
    found: Sequence[Found], name: str, overrides: tuple[str, ...] = (), free: Sequence[str] = ()
) -> list[Found]:
    """The records of an experiment. `free`: options that may have any value."""
    wanted = experiment(name, overrides)
    if wanted is None:
        return []
    return [one for one in found if _fits(one.flat, wanted.flat, free)]


def _fits(have: Mapping[str, str], wanted: Mapping[str, str], free: Sequence[str]) -> bool:
    """Whether all options but the free ones agree; what a record does not know of had its default."""
    counted = wanted.keys() - set(free)
    if have.keys() - set(free) - counted:
        return False
    return all(have.get(key) == wanted[key] if key in have else _is_default(key, wanted) for key in counted)


def _is_default(key: str, wanted: Mapping[str, str]) -> bool:
    """Whether an option has the value that its part's signature gives it."""
    group, _, name = key.partition(".")
    if not name or group not in GROUPS or f"{group}.name" not in wanted:
        return False
    option = options(part(group, json.loads(wanted[f"{group}.name"]))).get(name)
    return option is not None and json.dumps(option.default, sort_keys=True) == wanted[key]


def latest_of_each_seed(found: Sequence[Found]) -> list[Found]:
    """One record a seed, that which finished last, so that a run made again counts once."""
    order = sorted(found, key=lambda one: (str(one.at("measured", "finished")), one.run_id))
    return sorted({one.seed or one.run_id: one for one in order}.values(), key=lambda one: (len(one.seed), one.seed))
