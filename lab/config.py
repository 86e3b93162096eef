"""The config of a run: read from plain values, checked against the parts' signatures, turned into objects.

No class is ever looked up by a name in a file except in the registry, and nothing below `lab.run` sees a config.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lab.backend import Kernels
from lab.diagnose.names import DIAGNOSTICS, Diagnostic
from lab.errors import UsageError
from lab.quality.names import MEASURES, Measure
from lab.registry import names, part, unknown
from lab.schema import Option, convert, fill, options, suits

if TYPE_CHECKING:
    from lab.data import Augment
    from lab.trainers import EarlyStop, Trainer

# What `build` gives a trainer besides its own options.
GIVEN = ("network", "optimizer", "objective", "readout", "seed", "backend", "dtype", "threads", "kernels")
CHOSEN = ("optimizer", "objective", "readout")  # groups that a trainer may take, or not

_DATA = {
    "name": Option("name", str),
    "valid": Option("valid", int | float | None, None),
    "limit": Option("limit", int | None, None),
}
_FEWER = {"train": Option("train", int | None, None)}
_BACKEND = {
    "dtype": Option("dtype", Literal["float32", "float64"], "float32"),
    "threads": Option("threads", int, 2),
    "kernels": Option("kernels", Kernels, "auto"),
}
_EPOCHS = Option("epochs", int)
_TOP = {
    "seed": Option("seed", int, 0),
    "runs": Option("runs", str, "runs"),
    "name": Option("name", str, "sweep"),
    "progress": Option("progress", bool, True),
    "timeout": Option("timeout", float | None, None),
    "imports": Option("imports", list[str], []),
    "allow_env_change": Option("allow_env_change", bool, False),
    "rerun": Option("rerun", Literal["stale"] | None, None),
    "retries": Option("retries", int, 3),
    "target": Option("target", float | None, None),
    "idle_watts": Option("idle_watts", float | None, None),
    "idle_seconds": Option("idle_seconds", float, 0.0),
    "diagnose": Option("diagnose", list[Diagnostic], []),
    "measures": Option("measures", list[Measure], []),
    "test": Option("test", Literal["opened", "closed"], "opened"),
}
_IN_RECORD = ("seed", "imports", "diagnose", "measures", "test")  # of these, what changes what a record holds
_SECTIONS = ("data", "model", "trainer", "optimizer", "objective", "readout", "backend")
_EXTRAS = ("augment", "stop")  # groups that a run may do without; then they do not count in its id


@dataclass(frozen=True)
class RunConfig:
    """One run, checked: every section holds all of its options, `name` first, in normal form.

    optimizer, objective and readout are None where the trainer takes none, or where its default is meant; augment and
    stop are None where training images are left as they are, and where all epochs are trained.
    What says where and how, and does not change a result: runs, name, progress, timeout (seconds), allow_env_change
    (go on from a checkpoint of another build), rerun ("stale": make runs of another code version anew), retries,
    target (see lab.measure.rates), idle_watts and idle_seconds (see lab.measure.energy).
    """

    seed: int
    data: dict[str, Any]
    model: dict[str, Any]
    trainer: dict[str, Any]
    optimizer: dict[str, Any] | None
    objective: dict[str, Any] | None
    readout: dict[str, Any] | None
    backend: dict[str, Any]
    augment: dict[str, Any] | None = None
    stop: dict[str, Any] | None = None
    runs: str = "runs"
    name: str = "sweep"
    progress: bool = True
    timeout: float | None = None
    imports: tuple[str, ...] = field(default=())
    allow_env_change: bool = False
    rerun: Literal["stale"] | None = None
    retries: int = 3
    target: float | None = None
    idle_watts: float | None = None
    idle_seconds: float = 0.0
    diagnose: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    test: Literal["opened", "closed"] = "opened"

    def resolved(self) -> dict[str, Any]:
        """What affects the result: the config that a record holds and the run's id is made from.

        The user's own modules count by their source (of each file named in imports, not of what it imports in turn).
        What is diagnosed or measured, and whether the test rows are opened, changes no weight, but a record without it
        is another one.
        """
        code = {"imports": {module: _digest(module) for module in self.imports}} if self.imports else {}
        extras = {group: section for group in _EXTRAS if (section := getattr(self, group)) is not None}
        asked: dict[str, Any] = {"diagnose": list(self.diagnose)} if self.diagnose else {}
        asked |= {"measures": list(self.measures)} if self.measures else {}
        asked |= {"test": self.test} if self.test != "opened" else {}
        sections = {section: getattr(self, section) for section in _SECTIONS}
        return {"seed": self.seed, **sections, **extras, **asked, **code}

    def as_dict(self) -> dict[str, Any]:
        """Everything, as plain values that `parse` takes back."""
        return {**self.resolved(), **self.how()}

    def how(self) -> dict[str, Any]:
        """What does not affect the result."""
        rest = {key: getattr(self, key) for key in _TOP if key not in _IN_RECORD}
        return {**rest, "imports": list(self.imports)}

    @property
    def data_options(self) -> dict[str, Any]:
        """What `load_dataset` is given beside the name."""
        return {key: value for key, value in self.data.items() if key != "name"}

    @property
    def epochs(self) -> int:
        """How many epochs the run trains in all."""
        return int(self.trainer["epochs"])


def parse(raw: Mapping[str, Any]) -> RunConfig:
    """Check plain values (from YAML, JSON or the command line) and fill in what was left out.

    Raises UsageError for every wrong key, value or type, naming the place, what stands there and what may; the parts
    are made once on the way, so that what they refuse (depth=0, a negative rate) is refused here too.
    """
    top = {key: raw[key] for key in raw if key not in (*_SECTIONS, *_EXTRAS)}
    for key in top:
        if key not in _TOP:
            raise UsageError(unknown("option", key, (*_TOP, *_SECTIONS, *_EXTRAS)))
    found = {key: convert(top.get(key, option.default), option.hint, key) for key, option in _TOP.items()}
    if not 0 <= found["seed"] < 2**32:
        raise UsageError(f"seed={found['seed']} is out of range; give a whole number from 0 to {2**32 - 1}")
    if found["timeout"] is not None and found["timeout"] <= 0:
        raise UsageError(f"timeout={found['timeout']:g} is no time; give seconds above 0, or null for none")
    if not 0 <= found["retries"] <= 3:
        raise UsageError(f"retries={found['retries']} is out of range; give 0 to 3 tries more for a killed run")
    if found["target"] is not None and not 0 < found["target"] <= 1:
        raise UsageError(f"target={found['target']:g} is no fraction; write 97 % as target=0.97")
    if (found["idle_watts"] or 0.0) < 0 or not 0 <= found["idle_seconds"] <= 600:
        raise UsageError(
            f"idle_watts={found['idle_watts']} idle_seconds={found['idle_seconds']:g} measure nothing; give watts "
            "from 0 on, or seconds from 0 to 600"
        )
    if not found["runs"].strip():
        raise UsageError("runs is empty; name the folder that runs are kept in, such as runs=runs")
    _check_path(found["runs"], "runs")
    found["diagnose"] = tuple(name for name in DIAGNOSTICS if name in found["diagnose"])  # their order says nothing
    found["measures"] = tuple(name for name in MEASURES if name in found["measures"])
    if found["measures"] and found["test"] == "closed":
        raise UsageError("measures are made on the test rows, which test=closed keeps shut; leave one of them out")
    _import(found["imports"])

    trainer = _section("trainer", raw.get("trainer"), {"epochs": _EPOCHS}, leave_out=GIVEN)
    if trainer["epochs"] < 1:
        raise UsageError(f"trainer.epochs={trainer['epochs']} trains nothing; give 1 or more")
    backend = _section("backend", raw.get("backend"), _BACKEND, leave_out=(*_BACKEND, "xp"))
    if backend["threads"] < 1:
        raise UsageError(f"backend.threads={backend['threads']} is no number of threads; give 1 or more")
    takes = options(part("trainer", trainer["name"]))
    # checked also where the trainer takes none: a misspelt option is one, whoever would have read it
    given = {group: None if raw.get(group) is None else _section(group, raw[group]) for group in CHOSEN}
    chosen = {group: section if group in takes else None for group, section in given.items()}
    sections = {
        "data": _data(raw.get("data")),
        "model": _section("model", raw.get("model")),
        "trainer": trainer,
        "backend": backend,
        **chosen,
        **{group: _section(group, raw[group]) for group in _EXTRAS if raw.get(group) is not None},
    }
    for group in _EXTRAS:
        _make(group, sections.get(group))
    config = RunConfig(**{**found, **sections})
    # On the CPU's backend, whichever is asked for: whoever only checks should not occupy a GPU.
    build(replace(config, backend={**backend, "name": "numpy"}))
    return config


def augment(config: RunConfig) -> Augment | None:
    """How training images are changed."""
    found: Augment | None = _make("augment", config.augment)
    return found


def early_stop(config: RunConfig) -> EarlyStop | None:
    """When training ends early."""
    found: EarlyStop | None = _make("stop", config.stop)
    return found


def build(config: RunConfig) -> Trainer:
    """The trainer that a config describes; the data decides its network's shapes later, in `Trainer.build`."""
    kind = part("trainer", config.trainer["name"])
    given: dict[str, Any] = {
        "seed": config.seed,
        "backend": config.backend["name"],
        "dtype": config.backend["dtype"],
        "threads": config.backend["threads"],
        "kernels": config.backend["kernels"],
        **{group: _make(group, getattr(config, group)) for group in CHOSEN},
    }
    taken = options(kind)
    for group in CHOSEN:
        if given[group] is not None and group in taken and not suits(type(given[group]), taken[group].hint):
            fitting = [name for name in names(group) if suits(part(group, name), taken[group].hint)]
            raise UsageError(
                f"{group}={getattr(config, group)['name']} does not suit trainer={config.trainer['name']}; "
                f"valid: {', '.join(fitting)}"
            )
    own = {key: value for key, value in config.trainer.items() if key not in ("name", "epochs")}
    trainer: Trainer = kind(
        _make("model", config.model), **{key: value for key, value in given.items() if key in taken}, **own
    )
    return trainer


def _section(
    group: str, raw: Any, extra: Mapping[str, Option] | None = None, leave_out: tuple[str, ...] = ()
) -> dict[str, Any]:
    if not isinstance(raw, Mapping) or "name" not in raw:
        raise UsageError(f"{group} needs a name; choose one with {group}=NAME, valid: {', '.join(names(group))}")
    name = convert(raw["name"], str, f"{group}.name")
    try:
        kind = part(group, name)
    except UsageError as error:
        raise UsageError(f"{group}.name: {error}") from None
    schema = {**(extra or {}), **options(kind, leave_out)}
    given = {str(key): value for key, value in raw.items() if key != "name"}
    return {"name": name, **fill(given, schema, group)}


def _data(raw: Any) -> dict[str, Any]:
    """The section, with the options of the data set that it names; of a file they are those of its kind."""
    from lab.data.load import reader

    if not isinstance(raw, Mapping):
        raise UsageError("data needs a name; choose one with data=NAME, or data=npz data.name=FILE.npz")
    given = {str(key): value for key, value in raw.items()}
    name = convert(given.get("name"), str, "data.name")
    _check_path(name, "data.name")
    filled = fill(given, {**_DATA, **_FEWER, **reader(name, given)[1]}, "data")
    if filled["train"] is None:  # so that runs on all rows are called what they always were
        del filled["train"]
    return filled


def _check_path(path: str, key: str) -> None:
    """Raise UsageError for what no file system can name."""
    if not path.isprintable() or len(path) > 4000 or any(len(os.fsencode(part)) > 255 for part in Path(path).parts):
        shown = path if len(path) < 60 else f"{path[:40]}... ({len(path)} characters)"
        raise UsageError(f"{key}={shown!r} can name no file or folder; use a shorter path of printable characters")


def _make(group: str, section: Mapping[str, Any] | None) -> Any:
    if section is None:
        return None
    kind: Callable[..., Any] = part(group, section["name"])
    try:
        return kind(**{key: value for key, value in section.items() if key != "name"})
    except UsageError as error:
        raise UsageError(f"{group}={section['name']}: {error}") from None


def _import(modules: tuple[str, ...]) -> None:
    """Import the user's modules, which register their parts; the current folder counts, as it does for `python -m`."""
    if modules and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    for module in modules:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise UsageError(
                f"imports: {error}; {module!r} must be importable from {os.getcwd()} or installed"
            ) from error
        except UsageError:
            raise
        except Exception as error:  # the user's own code, which may fail in any way
            raise UsageError(f"imports: {module} cannot be imported: {type(error).__name__}: {error}") from error


def _digest(module: str) -> str:
    """SHA-256 of a module's source file; of its name where it has no file."""
    spec = importlib.util.find_spec(module)
    path = Path(spec.origin) if spec is not None and spec.origin else None
    return hashlib.sha256(path.read_bytes() if path is not None and path.is_file() else module.encode()).hexdigest()
