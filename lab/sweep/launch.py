"""One run from the parent's side: name it, skip it if it is done, else start its worker and record how that ended."""

from __future__ import annotations

import functools
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.config import RunConfig
from lab.errors import Busy, LabError
from lab.measure.build import code_version
from lab.record.record import EXIT_CODES, RunRecord, run_id
from lab.record.store import RunFolder, Store
from lab.registry import is_path
from lab.sweep.process import WorkerProcess
from lab.sweep.screen import Screen, duration, score

_POLL = 0.5


@dataclass(frozen=True)
class Outcome:
    """How a run ended for whoever asked: a record's status, or else

    "refused" for a wrong config or data, "stopped" where this process was asked to, "busy" where another one has it.
    """

    run_id: str
    status: str
    reason: str | None = None
    exit_code: int = 0
    record: RunRecord | None = None


@functools.lru_cache(maxsize=64)
def _digest(name: str, options: tuple[tuple[str, Any], ...], written: str) -> str:
    from lab.data import load_dataset

    return load_dataset(name, **dict(options)).digest


def name_run(config: RunConfig) -> str:
    """The id of the run that a config asks for; loads the data to see its contents, once in this process for each."""
    data, file = config.data, Path(config.data["name"])
    # valid=1 and valid=1.0 are equal as keys but differ in meaning, and a file may be written anew.
    options = tuple(config.data_options.items())
    written = repr(options)
    if is_path(data["name"]) and file.exists():
        written += f" {file.resolve()} {file.stat().st_mtime_ns} {file.stat().st_size}"
    return run_id(config.resolved(), _digest(data["name"], options, written))


def launch(
    config: RunConfig,
    screen: Screen,
    *,
    place: str = "run",
    more: str = "",
    keep: bool = False,
    wait: bool = True,
    since: float | None = None,
) -> Outcome:
    """Make the run unless it is done; returns when it has ended. `more` is shown on its line.

    keep    a run that is refused (a network that does not fit the data) leaves a record that says so, as a sweep needs;
            else nothing is left of it
    wait    for another process that makes the run just now; else the outcome is "busy"
    since   a run that ended after this moment, in whatever way, was made by another process for the same sweep

    Raises StorageError where the run folder cannot be written.
    """
    name = name_run(config)
    folder = Store(config.runs).run(name)
    title = "  ".join(part for part in (headline(config), more, f"({name[:8]})") if part)
    if (done := _done(config, folder, screen, f"{place}  {title}", since)) is not None:
        return done
    if not wait and folder.path.exists() and folder.busy():
        screen.line(f"{place}  {title}  is being made by another process; its turn comes again at the end")
        return Outcome(name, "busy", "another process is making it", Busy.exit_code)
    screen.begin(place, title)
    folder.write_config(name, config.as_dict())
    began, before, worker = time.monotonic(), folder.record(), None
    while (record := _new_record(folder, before)) is None:
        worker = _watched(config, folder, screen)
        if not worker.locked_out:
            break
        screen.line(f"{' ' * len(place)}  another process is making it; waiting for its end")
        while folder.busy():
            time.sleep(_POLL)
    record = _new_record(folder, before)
    if record is None:
        assert worker is not None
        outcome = _without_record(config, name, folder, worker, keep)
        screen.end(outcome.status, outcome.reason or "")
        return outcome
    words = f"{_result(record)}  {duration(time.monotonic() - began)}" if record.status == "ok" else f"{record.reason}"
    screen.end(record.status, words + (f"; see {folder.log}" if record.status == "failed" else ""))
    return Outcome(name, record.status, record.reason, record.exit_code, record)


def _done(config: RunConfig, folder: RunFolder, screen: Screen, line: str, since: float | None) -> Outcome | None:
    """The outcome of a run that need not be made, else None."""
    record = folder.record()
    if record is None:
        return None
    if not record.stands(code_version() if config.rerun == "stale" else None):
        if since is None or not folder.ended_since(since):
            return None
        screen.line(f"{line}  {record.status}  {_result(record)}  (made by another process)")
    else:
        same = record.code_version == code_version()
        version = (
            "" if same else f" by version {record.code_version}, this is {code_version()}; rerun=stale makes it anew"
        )
        screen.line(f"{line}  {record.status}  {_result(record)}  (done already{version})")
    return Outcome(record.run_id, record.status, record.reason, record.exit_code, record)


def _watched(config: RunConfig, folder: RunFolder, screen: Screen) -> WorkerProcess:
    """The worker that ended the run, or got it as far as it goes: one that was killed is followed by another.

    Only as long as it is of use: `retries` times, and where the one before got as far as a new checkpoint. A run that
    is killed at the same place again, as one is that needs more memory than there is, is not tried for ever.
    """
    first = time.monotonic()
    for left in range(config.retries, -1, -1):
        mark, began = folder.mark(), time.monotonic()
        timeout = None if config.timeout is None else max(0.0, config.timeout - (began - first))
        worker = WorkerProcess(folder, timeout, config.imports)
        worker.follow(screen)
        if not worker.cut_short or not left or folder.mark() == mark:
            break
        screen.line(f"      cut short after {duration(time.monotonic() - began)}; going on from its checkpoint")
    return worker


def headline(config: RunConfig) -> str:
    """A run in a line: "backprop  mlp 3x500  mnist  seed 0"."""
    model = config.model
    shape = f" {model['depth']}x{model['width']}" if {"depth", "width"} <= model.keys() else ""
    return f"{config.trainer['name']}  {model['name']}{shape}  {Path(config.data['name']).stem}  seed {config.seed}"


def _new_record(folder: RunFolder, before: RunRecord | None) -> RunRecord | None:
    """The record that a worker left; not the failed one of an earlier try, which it may not have come to replace."""
    record = folder.record()
    return None if record == before else record


def _without_record(config: RunConfig, name: str, folder: RunFolder, worker: WorkerProcess, keep: bool) -> Outcome:
    """What to make of a worker that ended without a record."""
    if worker.timed_out:
        reason = f"not done after {config.timeout:g} s"
        return _write_down(config, name, folder, "timeout", reason, EXIT_CODES["timeout"])
    if worker.stopped:
        return Outcome(name, "stopped", "run it again to go on from its checkpoint", Busy.exit_code)
    code = worker.code
    if worker.error is not None:
        reason = str(worker.error.get("text"))
        if keep:
            return _write_down(config, name, folder, "failed", reason, code)
        folder.discard()
        return Outcome(name, "refused", reason, code)
    if code < 0:
        signalled = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        hint = " (out of memory?)" if signalled == "SIGKILL" else ""
        reason = f"its process was killed by {signalled}{hint}; see {folder.log}"
    else:
        reason = f"its process ended with status {code} before the run did; see {folder.log}"
    return _write_down(config, name, folder, "failed", reason, 1)


def _write_down(config: RunConfig, name: str, folder: RunFolder, status: Any, reason: str, code: int) -> Outcome:
    record = RunRecord(name, config.resolved(), status=status, reason=reason, code_version=code_version())
    with folder.lock():
        before = folder.record()
        if before is not None and (before.status, before.reason) == (status, reason):
            return Outcome(name, status, reason, code, before)
        folder.set_record_aside()
        record.write(folder.record_path)
    return Outcome(name, status, reason, code, record)


def _result(record: RunRecord | None) -> str:
    if record is None:
        return ""
    if record.status != "ok":
        return record.reason or ""
    return score(record.final.get("test", {}), "test") or score(record.final.get("valid", {}), "valid")


def refused(error: LabError, run: str = "") -> Outcome:
    """The outcome of a run that could not even be named."""
    return Outcome(run, "refused", str(error), error.exit_code)
