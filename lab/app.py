"""The command `lab`: a Hydra application over conf/, and the way to the other commands."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import LabError, UsageError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from lab.sweep.launch import Outcome
    from lab.sweep.plan import Plan

COMMANDS = ("data", "report", "resume", "tune", "audit", "watch", "explain", "bench")
# Hydra's options that take the next argument as their value.
_VALUED = ("-cp", "--config-path", "-cn", "--config-name", "-cd", "--config-dir", "-p", "--package", "-c", "--cfg",
           "-i", "--info")  # fmt: skip
_outcomes: list[Outcome] = []  # of the jobs made in this process since `main` began


def main(argv: list[str] | None = None) -> int:
    """Do what the command line asks; returns the exit status. A mistake is one sentence on stderr and a 2."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        if arguments and _is_word(arguments[0]):
            return _command(arguments[0], arguments[1:])
        return _hydra(arguments)
    except LabError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # `lab --help | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def config_folder() -> Path:
    """Where the YAML files are: lab/conf where the package is installed, conf/ beside it in a checkout."""
    package = Path(__file__).resolve().parent
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise UsageError(f"there is no conf/config.yaml beside {package}; install the package again")


def job(config: DictConfig) -> None:
    """One Hydra job: a single run, or one run of a sweep. It never raises for a run that went wrong."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from lab.config import parse
    from lab.sweep.hooks import plain
    from lab.sweep.launch import launch, refused
    from lab.sweep.plan import read_plan
    from lab.sweep.screen import Screen

    hydra = HydraConfig.get()
    place, more, keep = "run", "", False
    try:
        checked = parse(plain(config))
        if hydra.mode == RunMode.MULTIRUN:
            keep, place = True, f"run {hydra.job.num + 1}"
            folder = Path(hydra.sweep.dir)
            if (folder / "sweep.json").exists():
                plan = read_plan(folder)
                place += f"/{len(plan.runs)}"
                more = plan.differences(hydra.job.num)
        outcome = launch(checked, Screen(progress=checked.progress), place=place, more=more, keep=keep)
        if outcome.record is not None and not keep:
            print(f"record: {Path(checked.runs, outcome.run_id, 'record.json')}")
    except LabError as error:
        print(f"{place}  refused  {error}" if keep else error, file=sys.stdout if keep else sys.stderr)
        outcome = refused(error)
    _outcomes.append(outcome)
    if outcome.status == "stopped":
        raise KeyboardInterrupt  # ends a sweep as well; nothing else gets past Hydra


def _hydra(arguments: list[str]) -> int:
    import hydra

    from lab.overrides import explained

    for argument in arguments:
        if argument.startswith("--e"):  # --experimental-rerun, in full or abbreviated
            raise UsageError(
                f"{argument} would unpickle a file, which can run anything; give the options again instead"
            )
    arguments = _options_first(arguments)
    _outcomes.clear()
    application = hydra.main(config_path=str(config_folder()), config_name="config", version_base="1.3")(job)
    stopped = False
    with _as_command_line(arguments), explained(arguments, config_folder()):
        try:
            application()
        except KeyboardInterrupt:
            stopped = True
    plan = _plan()
    if plan is not None:
        from lab.sweep.summary import sum_up

        return sum_up(plan, stopped)
    if stopped and not _outcomes:
        return 130
    return max((outcome.exit_code for outcome in _outcomes), default=0)


def _options_first(arguments: list[str]) -> list[str]:
    """Hydra's parser wants KEY=VALUE in one piece: `lab data=digits -m seed=0,1` is put in an order that it takes."""
    options: list[str] = []
    overrides: list[str] = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        is_override = argument.startswith("~") or ("=" in argument and not argument.startswith("-"))
        (overrides if is_override and before not in _VALUED else options).append(argument)
    return [*options, *overrides]


def _plan() -> Plan | None:
    """The sweep that Hydra just made, if it made one."""
    hooks = sys.modules.get("lab.sweep.hooks")
    if hooks is None:
        return None
    plan: Plan | None = hooks.Planning.plan
    hooks.Planning.plan = None
    return plan


def _is_word(argument: str) -> bool:
    return argument.replace("_", "").replace("-", "x").isalnum() and not argument.startswith("-")


def _command(word: str, rest: list[str]) -> int:
    if word not in COMMANDS:
        from lab.registry import unknown

        raise UsageError(f"{unknown('command', word, COMMANDS)}; options are written KEY=VALUE")
    if importlib.util.find_spec(f"lab.{word}") is None:
        raise UsageError(f"`lab {word}` is not part of this version")
    try:
        module = importlib.import_module(f"lab.{word}.__main__")
    except ModuleNotFoundError as error:
        if error.name not in (f"lab.{word}.__main__", f"lab.{word}"):
            raise
        module = importlib.import_module(f"lab.{word}")
    status: Any = module.main(rest)
    return int(status or 0)


@contextmanager
def _as_command_line(arguments: list[str]) -> Iterator[None]:
    """Hydra reads its arguments from sys.argv."""
    before = sys.argv
    sys.argv = ["lab", *arguments]
    try:
        yield
    finally:
        sys.argv = before
