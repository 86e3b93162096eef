"""A composed config before Hydra acts on it: no class, module, folder or variable that only a file asks for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lab.errors import UsageError

if TYPE_CHECKING:
    from omegaconf import DictConfig

# What Hydra may make, beside the classes of plugins that the user chooses and of modules that the user lists.
# Exact names:
# by a dotted path through a module one would reach whatever that module imports.
TARGETS = {
    "lab.sweep.hooks.Planning",
    "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
    "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
    "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher",
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher",
    "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher",
    "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper",
    "optuna.samplers.RandomSampler",
    "optuna.samplers.TPESampler",
}
_LOGGING = {"logging.StreamHandler", "logging.FileHandler", "logging.NullHandler", "logging.Formatter"}
_STREAMS = {"ext://sys.stdout", "ext://sys.stderr"}
_CALLABLES = {"()": {"colorlog.ColoredFormatter"}, "class": _LOGGING, "queue": set(), "listener": set()}
RESOLVERS = {"now", "hydra"}  # of references: the others make values, of text too, that nobody has looked at
# Of launchers and sweepers: what runs commands, opens ports, or sends the work and the code elsewhere.
_SHELL = {"setup", "python", "srun_args", "additional_parameters", "custom_search_space", "storage"}
_PLAIN = {"additional_parameters": ({"requeue": True},)}  # as a preset has it
_RAY_NUMBERS = ("num_cpus", "num_gpus", "object_store_memory")


def check_composed(config: DictConfig, arguments: Sequence[str]) -> None:
    """Raise UsageError for what a file must not ask for, unless the command line in `arguments` asks for it too."""
    from omegaconf import OmegaConf

    asked = _asked(arguments)
    whole = OmegaConf.to_container(config, resolve=False)
    assert isinstance(whole, dict)
    hydra: dict[str, Any] = whole.pop("hydra", {})
    _check_references(whole, "", asked)
    _check_references(hydra, "hydra", asked)
    _check_targets(whole, hydra, asked)
    for name in ("job_logging", "hydra_logging"):
        _check_logging(hydra.get(name), f"hydra.{name}")
    _check_engines(hydra, asked)
    made = {name: _resolved(config, f"hydra.{name}") for name in ("callbacks", "launcher", "sweeper")}
    _check_targets({}, made, asked)
    _check_engines(made, asked)
    for name in ("env_set", "env_copy"):
        if (hydra.get("job") or {}).get(name) and not any(key.startswith(f"hydra.job.{name}") for key in asked):
            raise UsageError(
                f"hydra.job.{name} would change or show the environment; it counts on the command line only"
            )
    odd = [m for m in whole.get("imports") or [] if str(m) not in _words(asked.get("imports", ""))]
    if odd:
        raise UsageError(f"imports={odd} would run code that a config file names; write it on the command line")
    _check_folders(config, asked)


def _check_references(part: Any, where: str, asked: dict[str, str]) -> None:
    """A value may refer to another, which is looked at where it stands; it may not be made by a function of text."""
    for path, _, value in _walk(part, where):
        if not isinstance(value, str) or path in asked:
            continue
        for found in re.finditer(r"\$\{([^:}$]*)([:$]?)", value):  # a name that is itself put together: ${a${b}:c}
            if found[2] and not (found[2] == ":" and found[1].strip() in RESOLVERS):
                raise UsageError(
                    f"{path}={_shown(value)} is made by {_shown(found[1].strip() or found[2])}; a file may refer to "
                    f"another value, and use {', '.join(sorted(RESOLVERS))}, and nothing else"
                )


def _resolved(config: DictConfig, key: str) -> Any:
    """What stands there once references are followed; as far as that goes now, and {} where it does not."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        found = OmegaConf.select(config, key)
        return OmegaConf.to_container(found, resolve=True) if OmegaConf.is_config(found) else {}
    except OmegaConfBaseException:  # such as the number of a job, which the next config has
        return {}


def _check_engines(hydra: dict[str, Any], asked: dict[str, str]) -> None:
    """Launchers and sweepers run commands by design; a file may choose one, and how many runs it makes at a time."""
    for name in ("launcher", "sweeper"):
        whole = hydra.get(name) or {}
        if not isinstance(whole, dict):
            raise UsageError(f"hydra.{name}={_shown(whole)} is another part of the config; write its options there")
        part = {k: v for k, v in whole.items() if k != "params"}  # a sweep's params are keys of runs
        for path, key, value in _walk(part, f"hydra.{name}"):
            for text in (key, value):
                if isinstance(text, str) and not text.isprintable():  # a line of its own in a batch script
                    raise UsageError(f"{path}={_shown(value)} has characters that do not print; write it in one line")
            plain = not value or value in _PLAIN.get(key, ())
            if path.startswith("hydra.launcher.ray.init."):
                plain = (
                    value is None
                    or (key, value) == ("include_dashboard", False)
                    or (type(value) in (int, float) and key in _RAY_NUMBERS)
                )
            elif path.startswith("hydra.launcher.ray.remote."):
                plain = key in ("num_cpus", "num_gpus", "max_retries", "memory")
            elif key not in _SHELL:
                continue
            if not plain and path not in asked:
                raise UsageError(f"{path} could run commands; it counts on the command line only")


def _asked(arguments: Sequence[str]) -> dict[str, str]:
    """The keys that stand on the command line, with their values as text."""
    pairs = (argument.lstrip("+~").split("=", 1) for argument in arguments if "=" in argument)
    return dict(pairs)


def _shown(value: object) -> str:
    """In one line of some length, with what does not print escaped."""
    return f"{value!r:.120}"


def _words(text: str) -> list[str]:
    return re.findall(r"[\w.]+", text)


def _walk(value: Any, path: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every key below a value: its path, the key itself, what stands there."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        here = f"{path}.{key}" if path else str(key)
        yield here, str(key), inner
        yield from _walk(inner, here)


def _check_targets(whole: Any, hydra: dict[str, Any], asked: dict[str, str]) -> None:
    for path, key, value in _walk(whole):
        if key == "_target_":
            raise UsageError(f"{path}={value} names a class; parts are named by `name`, and registered in Python")
    for path, key, value in _walk(hydra, "hydra"):
        if key == "_target_" and value not in TARGETS and not _defined_there(value, asked):
            raise UsageError(
                f"{path}={value} is not among the classes that a config may name; one of your own counts where its "
                "module is listed on the command line: imports=[MODULE]"
            )


def _defined_there(target: Any, asked: dict[str, str]) -> bool:
    """Whether a module that the user listed, or a plugin that the user chose, defines the class."""
    import importlib

    module, _, name = str(target).rpartition(".")
    chosen = module.startswith("hydra_plugins.") and ("hydra/launcher" in asked or "hydra/sweeper" in asked)
    if module not in _words(asked.get("imports", "")) and not chosen:
        return False
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return False
    return isinstance(found, type) and found.__module__ == module


def _check_logging(found: Any, where: str) -> None:
    for path, key, value in ((where, "", found), *_walk(found, where)):
        if isinstance(value, str) and "${" in value:
            raise UsageError(f"{path}={_shown(value)} refers to another value; write what it is to be")
        if key in _CALLABLES and value not in _CALLABLES[key]:
            raise UsageError(f"{path}={value} names code; known are {', '.join(sorted(_LOGGING))}")
        if isinstance(value, str) and value.startswith("ext://") and value not in _STREAMS:
            raise UsageError(f"{path}={value} names code; known are {', '.join(sorted(_STREAMS))}")
        if key == "filename" and not _inside(str(value), "."):
            raise UsageError(f"{path}={value} lies outside this folder")


def _check_folders(config: DictConfig, asked: dict[str, str]) -> None:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    def value(key: str) -> str | None:
        try:
            found = OmegaConf.select(config, key)
        except OmegaConfBaseException:  # a reference that does not resolve yet is looked at in the next config
            return None
        return None if found is None else str(found)

    runs = value("runs") or "runs"
    if not _inside(runs, ".") and asked.get("runs", "").strip("'\"") != runs:
        raise UsageError(f"runs={runs} lies outside this folder; a folder elsewhere counts on the command line only")
    for key in ("hydra.run.dir", "hydra.sweep.dir", "hydra.launcher.submitit_folder", "hydra.launcher.temp_folder"):
        folder = value(key)
        if folder is not None and not folder.isprintable():
            raise UsageError(f"{key}={_shown(folder)} has characters that do not print; use others")
        if folder is not None and key not in asked and not (_inside(folder, ".") or _inside(folder, runs)):
            raise UsageError(f"{key}={folder} lies outside this folder; it counts on the command line only")
    for key in ("hydra.sweep.subdir", "hydra.output_subdir"):
        folder = value(key)
        if folder is not None and not _inside(folder, "."):
            raise UsageError(f"{key}={folder} leaves its folder")


def _inside(path: str, home: str) -> bool:
    """Whether a path stays below `home`, as written: `..` may not lead out on the way either."""
    base = os.path.abspath(home)
    return "\0" not in path and os.path.commonpath([base, os.path.abspath(os.path.join(base, path))]) == base
