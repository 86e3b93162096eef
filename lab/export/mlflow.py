"""Runs as MLflow's: an experiment a data set, in a folder or on a server (mlflow-skinny, extra `track`)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from lab.errors import StorageError, UsageError, extra
from lab.export.values import Exported

T = TypeVar("T")
TAG = "lab.run_id"
METRICS, PARAMS, LONGEST = 1000, 100, 500  # what MLflow takes at once, and how long an option may be
_ODD = re.compile(r"[^A-Za-z0-9_\-. :/]")


def look(out: str) -> str:
    """The command that shows what was written."""
    return out if "://" in out else f"mlflow ui --backend-store-uri {Path(out).absolute().as_uri()}"


def write(runs: Iterable[Exported], out: str) -> int:
    """Adds each run that is not there yet (MLflow's runs cannot be written anew); returns how many were added.

    Raises UsageError without MLflow, StorageError where the folder or server takes nothing.
    """
    try:
        import mlflow
        from mlflow.exceptions import MlflowException
    except ImportError:
        raise UsageError(f"MLflow is not installed; {extra('track')}") from None
    place = out if "://" in out else Path(out).absolute().as_uri()
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # or a folder, which was asked for, is refused
    try:
        client = mlflow.MlflowClient(tracking_uri=place)
        return sum(_write(mlflow.entities, client, run) for run in runs)
    except (MlflowException, OSError) as error:
        raise StorageError(f"MLflow at {out!r} took nothing ({' '.join(str(error).split())[:200]})") from error


def _write(entities: Any, client: Any, run: Exported) -> bool:
    known = client.get_experiment_by_name(run.data)
    experiment = known.experiment_id if known else client.create_experiment(run.data)
    if client.search_runs([experiment], f"tags.`{TAG}` = '{run.run_id}'", max_results=1):
        return False
    made = client.create_run(experiment, start_time=round(1000 * run.started), run_name=run.name,
                             tags={TAG: run.run_id, "status": run.status, "reason": run.reason[:LONGEST]})  # fmt: skip
    name = made.info.run_id
    last = max((scalar.step for scalar in run.scalars), default=0)
    metrics = [entities.Metric(_key(s.tag), s.value, round(1000 * s.at), s.step) for s in run.scalars]
    metrics += [entities.Metric(f"results/{k}", v, round(1000 * run.finished), last) for k, v in run.results.items()]
    params = [entities.Param(_key(k), v[:LONGEST]) for k, v in run.options.items()]
    for part in _parts(params, PARAMS):
        client.log_batch(name, params=part)
    for part in _parts(metrics, METRICS):
        client.log_batch(name, metrics=part)
    ended = "FINISHED" if run.status == "ok" else "FAILED"
    client.set_terminated(name, ended, end_time=round(1000 * run.finished))
    return True


def _key(name: str) -> str:
    return _ODD.sub("_", name)[:250]


def _parts(whole: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(whole), size):
        yield whole[start : start + size]
