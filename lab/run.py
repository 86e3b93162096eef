"""run(config) -> RunRecord: the whole story of one run."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.checkpoints import Checkpoints
from lab.config import RunConfig, augment, build, early_stop
from lab.data import load_dataset
from lab.diagnose import diagnose, note
from lab.errors import Busy, DataError, Diverged, LabError
from lab.measure.build import build as build_of
from lab.measure.build import code_version
from lab.measure.clock import Stopwatch
from lab.measure.energy import EnergyMeter
from lab.measure.environment import environment
from lab.measure.memory import process_peak
from lab.measure.others import Others
from lab.measure.rates import rates, to_target
from lab.quality import measure
from lab.record.answers import packed
from lab.record.keeper import Keeper
from lab.record.record import RunRecord, run_id

if TYPE_CHECKING:
    from lab.data import Dataset
    from lab.trainers import EpochRecord, Trainer

Tell = Callable[[dict[str, Any]], None]
_PARTS = ("data", "train", "evaluate", "write")  # of a run's time: loading rows, steps, answering, checkpoints
_ENOUGH = 1000  # test rows, by which an accuracy of one half is known to within 3 points
_TELL_EVERY = 0.5  # seconds between two words on how far an epoch is


def run(
    config: RunConfig,
    *,
    data: Dataset | None = None,
    named: str | None = None,
    checkpoint: Path | None = None,
    tell: Tell = lambda event: None,
    stopped: Callable[[], bool] = lambda: False,
) -> RunRecord:
    """Load, build, train with a look at the validation rows each epoch, open the test rows once, and record it all.

    named       the run's id as whoever asked for it found it: the data must still be the same
    checkpoint  where state is kept, others beside it; what is there is resumed from, bit for bit
    tell        is given what happens as it happens: {"event": "start" | "step" | "epoch", ...}
    stopped     asked after each step; once true, a checkpoint is written and Busy raised

    A run that diverges, runs out of memory or fails has a record that says so. Raises UsageError and DataError for what
    is wrong with the config or the data, before any training, and StorageError where a checkpoint cannot be written.
    """
    watch, started = Stopwatch(*_PARTS, *(["diagnose"] if config.diagnose else [])), datetime.now(UTC)
    device = "cpu" if config.backend["name"] == "numpy" else "gpu"
    others = Others()
    meter = EnergyMeter(device, idle_watts=config.idle_watts, idle_seconds=config.idle_seconds)
    if data is None:
        with watch.part("data"):
            data = load_dataset(config.data["name"], **config.data_options)
    data = data.augmented(augment(config))
    record = RunRecord(run_id(config.resolved(), data.digest), config.resolved(), code_version=code_version())
    if named not in (None, record.run_id):
        raise DataError(f"the data of {config.data['name']} changed since this run was asked for; ask for it again")
    record.data = _data_facts(data)
    trainer, notes = build(config), list[str]()
    try:
        built = build_of(_environment(config, trainer))
        checkpoints = Checkpoints(
            checkpoint, record.run_id, data, built, allow_change=config.allow_env_change, anew=config.rerun == "stale"
        )
        trainer = checkpoints.resume(lambda: build(config), notes)
        notes += _few_rows(config, data)
        record.family, record.network, record.cost = trainer.family, trainer.describe(), trainer.cost()
        watch.resume(_seconds_of(trainer))
        meter.start()
        for epoch in _epochs(trainer, config, data, checkpoints, watch, meter, tell, stopped, notes):
            watch.add("train", epoch.train_seconds)
            watch.add("evaluate", epoch.evaluate_seconds)
            if config.diagnose:
                with watch.part("diagnose"):
                    rows = data.valid if len(data.valid) else data.train
                    note(epoch, diagnose(trainer, rows, config.diagnose, epochs=config.epochs))
        record.final = {"valid": trainer.progress.valid}
        if each := record.cost.get("rows_per_sample"):
            record.final["forward_rows"] = each * len(data.train) * trainer.progress.epoch
        if (stop := trainer.progress.stop) is not None:
            record.final["stop"] = asdict(stop)
        record.memory = trainer.memory()  # before the test rows are answered
        if config.test == "opened":
            with watch.part("evaluate"):
                record.final |= _tested(trainer, data)
        record.status = "ok"
    except Diverged as error:
        record.status, record.reason = "diverged", str(error)
    except MemoryError as error:
        record.status, record.reason = "out_of_memory", f"out of memory: {str(error) or 'an allocation failed'}"
    except LabError:
        raise
    except Exception as error:  # a bug in a part, perhaps a user's own: this run's end, and nobody else's
        traceback.print_exc()
        record.status, record.reason = "failed", f"{type(error).__name__}: {error}"
    watch.add("train", trainer.progress.seconds)  # of an epoch that did not end
    record.history = [epoch.as_dict()["result"] for epoch in trainer.progress.history]
    record.memory = record.memory or trainer.memory()
    record.measured = _measured(config, trainer, record.cost, watch, meter, others, started, notes)
    if config.measures and record.status == "ok":  # last, so that no time, energy or memory is theirs
        record.final["measures"] = measure(trainer, data, config.measures)
    return record


def _tested(trainer: Trainer, data: Dataset) -> dict[str, Any]:
    """What the test rows say of the trained network, asked once."""
    found = trainer.evaluate(data.test)
    _check_found(trainer, found, "the test rows")
    if data.task != "classification":
        return {"test": found}
    return {"test": found, "right": packed(trainer.predict(data.test.x) == data.test.y)}


def _few_rows(config: RunConfig, data: Dataset) -> list[str]:
    """A note where data.limit leaves so few test rows that their figures say little."""
    limit, n = config.data["limit"], len(data.test)
    if limit is None or n != limit or n >= _ENOUGH:
        return []
    points = 100 * 1.96 * math.sqrt(0.25 / n)  # of a share of one half, where it is widest
    sure = f"known to within {points:.0f} points at 95 %" if data.task == "classification" else "no more than a hint"
    what = "accuracy" if data.task == "classification" else "error"
    return [f"data.limit={limit} leaves {n} test rows, so the test {what} is {sure}; raise it for figures to compare"]


def _epochs(
    trainer: Trainer,
    config: RunConfig,
    data: Dataset,
    checkpoints: Checkpoints,
    watch: Stopwatch,
    meter: EnergyMeter,
    tell: Tell,
    stopped: Callable[[], bool],
    notes: list[str],
) -> Iterator[EpochRecord]:
    """Train what is left, telling of it; checkpoints on the way as time allows, and one at the end."""
    tell({"event": "start", "epochs": config.epochs, "done": trainer.progress.epoch, "notes": notes})
    before = trainer.progress.stop
    if trainer.progress.epoch >= config.epochs or (before is not None and before.stopped_epoch):
        return

    def save(valid: Mapping[str, Any] | None = None) -> None:
        with watch.part("write"):
            _check_state(trainer)
            checkpoints.write(trainer, valid)

    keeper = Keeper(save, sum(array.nbytes for array in trainer.state().values()))
    on_step, stop = _Pulse(keeper, meter, tell, stopped, len(data.train)), early_stop(config)
    for epoch in trainer.fit(data.train, data.valid, epochs=config.epochs, on_step=on_step, stop=stop):
        _check_found(trainer, epoch.valid, "the validation rows")
        tell({"event": "epoch", "epoch": epoch.epoch, "valid": epoch.valid, "loss": epoch.train_loss})
        yield epoch
        if epoch.epoch < config.epochs:
            keeper.offer(epoch.valid)
    keeper.keep(epoch.valid)


def _check_found(trainer: Trainer, found: dict[str, Any], rows: str) -> None:
    """Raise Diverged where an evaluation's loss is not finite: the last update may have spoilt the weights."""
    if not math.isfinite(loss := found.get("loss", 0.0)):
        raise Diverged(trainer.progress.step, rows, loss)


def _check_state(trainer: Trainer) -> None:
    """Raise Diverged where the state is not finite: a checkpoint of it would be worth nothing."""
    for name, array in trainer.state().items():
        if not np.isfinite(array).all():
            raise Diverged(trainer.progress.step, f"what updates {name}", math.nan)


class _Pulse:
    """What happens after each step: a word on how far it is, a checkpoint if it is time, an end if asked for."""

    def __init__(self, keeper: Keeper, meter: EnergyMeter, tell: Tell, stopped: Callable[[], bool], rows: int) -> None:
        self._keeper, self._meter, self._tell, self._stopped, self._rows = keeper, meter, tell, stopped, rows
        self._told = time.perf_counter()

    def __call__(self, trainer: Trainer) -> None:
        if self._stopped():
            self._keeper.keep()
            raise Busy("stopped as asked, with a checkpoint; run it again to go on")
        self._keeper.offer()
        self._meter.tick()
        if (now := time.perf_counter()) - self._told >= _TELL_EVERY:
            self._told = now
            progress = trainer.progress
            self._tell({"event": "step", "at": progress.epoch + progress.images / self._rows})


def _seconds_of(trainer: Trainer) -> dict[str, float]:
    history = trainer.progress.history
    return {
        "train": sum(epoch.train_seconds for epoch in history),
        "evaluate": sum(epoch.evaluate_seconds for epoch in history),
    }


def _data_facts(data: Dataset) -> dict[str, Any]:
    counts = {f"n_{part}": len(getattr(data, part)) for part in ("train", "valid", "test")}
    facts = {"name": data.name, "digest": data.digest, "source": data.source, "task": data.task}
    return {**facts, **counts, "n_classes": data.n_classes, "shape": list(data.shape)}


def _environment(config: RunConfig, trainer: Trainer) -> dict[str, Any]:
    ops = trainer.ops
    device = "cpu" if ops.name == "numpy" else getattr(ops, "device", ops.name)
    return environment(threads=config.backend["threads"], device=device, kernels=ops.kernels)


def _measured(
    config: RunConfig,
    trainer: Trainer,
    cost: Mapping[str, Any],
    watch: Stopwatch,
    meter: EnergyMeter,
    others: Others,
    started: datetime,
    notes: list[str],
) -> dict[str, Any]:
    history = [asdict(epoch) for epoch in trainer.progress.history]
    flops = cost["flops_per_step"] / trainer.batch_size if "flops_per_step" in cost else None
    peak, peak_missing = process_peak()
    energy = meter.stop()
    resumed = any(note.startswith("resumed") for note in notes)
    unknown = ""
    if config.diagnose:  # what they took cannot be told apart from what training did
        peak, peak_missing = None, "diagnostics were made in the same process"
        unknown = "diagnostics were made between epochs"
    if resumed:
        unknown = "the run was resumed, and its earlier part was not counted"
    if unknown:
        energy |= {"energy_joules": None, "energy_above_idle_joules": None, "energy_parts": {}}
        energy["energy_missing"] = unknown
    return {
        "seconds": watch.seconds(),
        "epochs": [epoch.as_dict()["measured"] for epoch in trainer.progress.history],
        **rates(history, flops),
        "to_target": to_target(config.target, history),
        "process_peak_bytes": peak,
        "process_peak_missing": peak_missing,
        **energy,
        "graphs": trainer.graphs(),
        "resumed": resumed,
        "others_cores": others.cores(),
        "notes": notes,
        "environment": _environment(config, trainer),
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
