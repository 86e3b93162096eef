"""The command `lab`: a Hydra application over conf/, and the way to the other commands."""

from __future__ import annotations

import importlib
import importlib.util
import math
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import LabError, UsageError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from lab.sweep.launch import Outcome
    from lab.sweep.plan import Plan

COMMANDS = (
    "data", "report", "resume", "tune", "trials", "compare", "audit", "watch", "export", "explain", "ensemble", "bench",
    "paper",
)  # fmt: skip
# Hydra's options that take the next argument as their value.
_VALUED = ("-cp", "--config-path", "-cn", "--config-name", "-cd", "--config-dir", "-p", "--package", "-c", "--cfg",
           "-i", "--info")  # fmt: skip
# The presets in conf/hydra/launcher are named as the plugins name theirs, and checked against their types; Hydra will
# drop that with its next version. Launchers' processes import this module as well.
warnings.filterwarnings("ignore", message=r"[\s\S]*is validated against ConfigStore schema with the same name")
_outcomes: list[Outcome] = []  # of the jobs made in this process since `main` began
_began = 0.0  # when that was


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


def job(config: DictConfig) -> float:
    """One Hydra job: a single run, or one run of a sweep. It never raises for a run that went wrong.

    For sweepers that search it returns how good the run is by the validation rows, higher is better; -inf without them.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from lab.config import parse
    from lab.record.generations import merit
    from lab.sweep.hooks import plain
    from lab.sweep.launch import launch, name_run, refused
    from lab.sweep.plan import differences, read_lines
    from lab.sweep.screen import Screen

    hydra = HydraConfig.get()
    place, more, keep, planned, name = "run", "", False, False, ""
    try:
        if hydra.mode == RunMode.MULTIRUN:
            _go_to(hydra.runtime.cwd)
        checked = parse(plain(config))
        if hydra.mode == RunMode.MULTIRUN:
            keep, place = True, f"run {hydra.job.num + 1}"
            if (lines := read_lines(Path(hydra.sweep.dir))) is not None:
                (count, shared), planned = lines, True
                place = f"run {hydra.job.num + 1}/{count}" if hydra.job.num < count else "run again"
                more = differences(map(str, hydra.overrides.task), shared)
            name = name_run(checked)
        screen, since = Screen(progress=checked.progress), (_began or None) if keep else None
        outcome = launch(checked, screen, place=place, more=more, keep=keep, wait=not planned, since=since)
        if outcome.record is not None and not keep:
            print(f"record: {Path(checked.runs, outcome.run_id, 'record.json')}")
    except LabError as error:
        print(f"{place}  refused  {error}" if keep else error, file=sys.stdout if keep else sys.stderr)
        outcome = refused(error, name)
    _outcomes.append(outcome)
    if outcome.status == "stopped":
        raise KeyboardInterrupt  # ends a sweep as well; nothing else gets past Hydra
    value = merit(outcome.record.final.get("valid") or {}) if outcome.record is not None else None
    return -math.inf if value is None else value


def _go_to(folder: str) -> None:
    """A launcher's process may start elsewhere, on another machine even; paths are meant from where the user is."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise UsageError(
            f"{os.uname().nodename} cannot see {folder} ({error.strerror}); start the sweep in a folder that all share"
        ) from None


def _hydra(arguments: list[str]) -> int:
    global _began
    import hydra

    from lab.guard import guarded
    from lab.overrides import explained
    from lab.sweep.relaunch import relaunching

    arguments = _options_first(
        ["allow_env_change=true" if argument == "--allow-env-change" else argument for argument in arguments]
    )
    _check_options(arguments)
    _outcomes.clear()
    _began = time.time()
    application = hydra.main(config_path=str(config_folder()), config_name="config", version_base="1.3")(job)
    stopped = False
    with (
        _as_command_line(arguments),
        explained(arguments, config_folder()),
        guarded(arguments),
        relaunching() as launched,
    ):
        try:
            application()
        except KeyboardInterrupt:
            stopped = True
    plan = _plan()
    if plan is not None:
        from lab.sweep.summary import sum_up

        if launched.gave_up:
            print(f"the launcher left runs undone; `lab resume {plan.folder}` makes them on this machine")
        return sum_up(plan, stopped or (not launched.gave_up and _left_over(plan)))
    if stopped and not _outcomes:
        return 130
    worst = max((outcome.exit_code for outcome in _outcomes), default=0)
    return worst if len(_outcomes) < 2 else min(worst, 1)  # a search makes several runs without a plan


def _check_options(arguments: Sequence[str]) -> None:
    """Hydra's parser would print its usage, or take what only begins as an option of its does."""
    from hydra._internal.utils import get_args_parser

    known = [option for action in get_args_parser()._actions for option in action.option_strings]
    for argument in arguments:
        option = argument.partition("=")[0]
        if not option.startswith("-") or option == "-":
            continue
        if len(option) > 3 and "--experimental-rerun".startswith(option):
            raise UsageError(f"{option} would unpickle a file, which can run anything; give the options again instead")
        if option not in known and not (option.startswith("--") and any(each.startswith(option) for each in known)):
            raise UsageError(f"there is no option {option}; a run's options are KEY=VALUE, such as trainer.epochs=3")


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


def _left_over(plan: Plan) -> bool:
    """Make what has no record yet: another process had it, or a launcher's died. Returns whether that was stopped."""
    from lab.sweep.make import make_runs, without_record
    from lab.sweep.screen import Screen

    how = plan.runs[0].how
    seen = {outcome.run_id for outcome in _outcomes if outcome.status == "refused"}
    numbers = [number for number in without_record(plan) if plan.runs[number].run_id not in seen]
    screen = Screen(progress=how["progress"])
    outcomes = make_runs(plan, numbers, screen, imports=how["imports"], since=_began)
    return any(outcome.status == "stopped" for outcome in outcomes)


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
