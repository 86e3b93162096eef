"""What the files of a sweep tell of each of its runs: waiting, begun and how far, or ended and how."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lab.errors import LabError
from lab.record.checkpoint import read_header
from lab.record.store import RunFolder, Store
from lab.sweep.plan import Plan

State = Literal["waiting", "begun", "ended"]


@dataclass(frozen=True)
class Seen:
    """One run as it was found.

    status   of a run that has ended, as in its record: ok, diverged, ...
    epochs   made of `of`, fractions for those under way; as of the last checkpoint
    figures  of the test rows of a run that ended ok, of the validation rows of one that has begun
    silent   seconds since a run that has begun last wrote to its folder; it may be at work, or dead
    seconds  what its training took so far
    """

    run_id: str
    trainer: str
    network: str
    data: str
    seed: str
    state: State
    status: str = ""
    epochs: float = 0.0
    of: int = 0
    figures: Mapping[str, Any] | None = None
    silent: float = 0.0
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """The id as the sweep itself shortens it."""
        return self.run_id[:8]

    @property
    def left(self) -> float | None:
        """Seconds of training that are left at this run's own pace; None where that cannot be told yet."""
        if self.state != "begun" or not self.epochs or not self.of:
            return None
        return self.seconds / self.epochs * max(0.0, self.of - self.epochs)


def look(plan: Plan, now: float | None = None) -> list[Seen]:
    """Every run of the plan once, in its order. Nothing is locked or written, so that no worker is disturbed."""
    store, found = Store(plan.runs_folder), {}
    moment = time.time() if now is None else now
    for run in plan.runs:
        if run.run_id not in found:
            found[run.run_id] = _seen(store.run(run.run_id), run.run_id, run.config, moment)
    return list(found.values())


def _seen(folder: RunFolder, run_id: str, config: Mapping[str, Any], now: float) -> Seen:
    model, trainer = config.get("model", {}), config.get("trainer", {})
    own: dict[str, Any] = {
        "run_id": run_id, "trainer": str(trainer.get("name")).replace("_", "-"), "network": str(model.get("name")),
        "data": Path(str(config.get("data", {}).get("name"))).name, "seed": str(config.get("seed")),
        "of": int(trainer.get("epochs") or 0),
    }  # fmt: skip
    try:
        record = folder.record()
    except LabError:  # of another version: `lab resume` says so, too
        return Seen(**own, state="ended", status="unreadable")
    if record is not None:
        final = record.final.get("test")
        spent = record.measured.get("seconds", {}).get("train", 0.0)
        return Seen(**own, state="ended", status=record.status, epochs=len(record.history), figures=final,
                    seconds=float(spent))  # fmt: skip
    if not folder.config_path.exists():
        return Seen(**own, state="waiting")
    return Seen(**own, state="begun", **_progress(folder.checkpoint), silent=max(0.0, now - _last_sign(folder)))


def _progress(checkpoint: Path) -> dict[str, Any]:
    """Epochs, figures and seconds as of a checkpoint; nothing where there is none, or none that can be read."""
    try:
        progress = read_header(checkpoint)["progress"]
        history = progress["history"]
        part = progress["images"] / progress["rows"] if progress.get("rows") else 0.0
        spent = sum(float(epoch["train_seconds"]) for epoch in history) + float(progress["seconds"])
        return {
            "epochs": len(history) + min(1.0, max(0.0, part)),
            "figures": history[-1]["valid"] if history else None,
            "seconds": spent,
        }
    except (LabError, KeyError, TypeError, ValueError):
        return {}


def _last_sign(folder: RunFolder) -> float:
    times = [0.0]
    for path in (folder.config_path, folder.checkpoint, folder.log):
        try:
            times.append(path.stat().st_mtime)
        except OSError:
            continue
    return max(times)
