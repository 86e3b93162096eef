"""explain(overrides) -> Explanation: one step of each trainer, watched, and peaks of deeper networks beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lab.config import RunConfig
from lab.data import Split
from lab.errors import UsageError
from lab.explain.setting import Setting, setting, trainer_of
from lab.explain.trace import Trace, Value
from lab.explain.watch import Watch
from lab.trainers import Trainer

DEPTHS = (4, 8, 16, 32)  # from the third block on each is like the one before it


@dataclass(frozen=True)
class Explanation:
    """The watched steps, one a trainer, and peak bytes by kind of the same step at other depths, by trainer."""

    setting: Setting
    traces: list[Trace]
    deeper: dict[str, dict[int, dict[str, Any]]]


def explain(overrides: Sequence[str] = (), config_dir: str | None = None) -> Explanation:
    """One step of each trainer that the overrides ask for. Raises UsageError for what cannot be read or trained."""
    asked = setting(overrides, config_dir)
    traces = [watched(name, config, asked.rows) for name, config in asked.configs.items()]
    return Explanation(asked, traces, deeper(asked))


def watched(name: str, config: RunConfig, rows: Split) -> Trace:
    """The first step of a new trainer, over all rows at once."""
    trainer = trainer_of(config, rows)
    trace = Trace(name, trainer.network.label, rows=len(rows), cost=trainer.cost())
    trace.weights = [Value(key, key, np.array(p)) for key, p in trainer.network.parameters().items()]
    with Watch(trainer, trace).on():
        _step(trainer, config, rows)
    trace.peak = trainer.memory()
    if not trace.events:
        raise UsageError(f"trainer={name} makes its steps in other processes, where nobody can watch; use another")
    return trace


def deeper(asked: Setting) -> dict[str, dict[int, dict[str, Any]]]:
    """Peaks of the same step by trainer and depth; {} where the model has no depth to vary."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for name, config in asked.configs.items():
        if not isinstance(config.model.get("depth"), int):
            return {}
        found[name] = {}
        for depth in DEPTHS:
            deep = replace(config, model={**config.model, "depth": depth})
            trainer = trainer_of(deep, asked.rows)
            _step(trainer, deep, asked.rows)
            found[name][depth] = trainer.memory()
    return found


def _step(trainer: Trainer, config: RunConfig, rows: Split) -> None:
    """One step, by the trainer's own loop: an epoch whose one batch is all rows."""
    next(iter(trainer.fit(rows, epochs=config.epochs)))
