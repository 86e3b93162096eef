"""Where Hydra's multirun meets the lab: the plan is made when a sweep starts, whatever launcher then runs its jobs."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Any, ClassVar

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from lab.config import RunConfig, parse
from lab.errors import LabError, UsageError
from lab.overrides import missing_plugin, sentence
from lab.sweep.plan import Plan, make_plan


class Planning(Callback):
    """Checks every config of a sweep before its first run, writes the plan, and makes its folder the sweep's own.

    `plan` is the sweep under way in this process, for whoever has to sum it up at its end.
    """

    plan: ClassVar[Plan | None] = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra with the composed config; ends the program with one sentence where the sweep is wrong."""
        Planning.plan = None
        if missing := missing_plugin(str(config.hydra.launcher._target_)):
            print(f"hydra/launcher: {missing}", file=sys.stderr)
            raise SystemExit(UsageError.exit_code)
        _fill_cores(config)
        if not str(config.hydra.sweeper._target_).endswith("BasicSweeper"):
            return  # a search decides on its next run only when it knows the last one's result
        try:
            plan = self._plan(config)
            plan.write()
        # Hydra would turn an Exception of a callback into a warning, and go on without a plan.
        except LabError as error:
            print(error, file=sys.stderr)
            raise SystemExit(error.exit_code) from None
        except Exception:
            traceback.print_exc()
            raise SystemExit(1) from None
        Planning.plan = plan
        if any(str(o).startswith("hydra.sweep.dir=") for o in config.hydra.overrides.hydra):
            return
        with read_write(config), open_dict(config):
            folder = str(plan.folder.absolute())  # for jobs that start elsewhere
            config.hydra.sweep.dir = folder
            # Hydra composes each job's config anew from these.
            config.hydra.overrides.hydra.append(f"hydra.sweep.dir={_quoted(folder)}")

    def _plan(self, config: DictConfig) -> Plan:
        from lab.app import config_folder

        loader = GlobalHydra.instance().config_loader()
        jobs: list[tuple[RunConfig, Sequence[str]]] = []
        for overrides in job_overrides(config):
            try:
                composed = loader.load_sweep_config(config, list(overrides))
            except (HydraException, OmegaConfBaseException) as error:
                raise UsageError(f"{' '.join(overrides)}: {sentence(error, overrides, config_folder())}") from error
            with open_dict(composed):
                del composed["hydra"]
            jobs.append((parse(plain(composed)), overrides))
        first = jobs[0][0]
        return make_plan(first.name, first.runs, jobs)


def _fill_cores(config: DictConfig) -> None:
    """As many runs at a time, where a launcher leaves that open, as have a core for each of their threads."""
    from lab.measure.environment import usable_cores

    launcher = config.hydra.launcher
    if "n_jobs" in launcher and launcher.n_jobs == -1:
        threads = OmegaConf.select(config, "backend.threads")
        with read_write(config), open_dict(config):
            launcher.n_jobs = max(1, usable_cores() // (threads if isinstance(threads, int) and threads > 0 else 1))


def job_overrides(config: DictConfig) -> list[list[str]]:
    """The overrides of each job, in the order in which Hydra's own sweeper makes them."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    asked = [f"{key!s}={value}" for key, value in (config.hydra.sweeper.get("params") or {}).items()]
    task = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    assert isinstance(task, list)
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    batches = BasicSweeper.split_arguments(parser.parse_overrides([*asked, *map(str, task)]), None)
    return [job for batch in batches for job in batch]


def plain(config: DictConfig) -> dict[str, Any]:
    """A composed config as plain values, references between keys followed. Raises UsageError where one is missing."""
    try:
        values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise UsageError(f"{error.full_key} is missing; give it as {error.full_key}=VALUE") from None
    except OmegaConfBaseException as error:
        raise UsageError(f"{error.full_key}: {str(error).splitlines()[0]}") from None
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
