"""The worker process of one run, as its parent sees it: started, listened to, stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lab.errors import Busy
from lab.record import storage
from lab.record.store import RunFolder
from lab.sweep.screen import Screen

_GRACE = 20.0  # seconds a worker has for its last checkpoint once its time is up


class WorkerProcess:
    """The worker process of one run, in a session of its own: only this process decides when it stops.

    imports: the modules of the user's own that it may run; a config alone cannot have code run.
    """

    def __init__(self, folder: RunFolder, timeout: float | None, imports: Sequence[str] = ()) -> None:
        self.stopped = self.timed_out = False
        self.code = 0  # its exit status
        self.error: dict[str, Any] | None = None  # what it said was wrong
        self._started = False
        storage.make_folder(folder.path)
        with storage.open_log(folder.log) as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lab.sweep.worker", str(folder.path), *imports],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=_environment(),
                start_new_session=True,
            )  # fmt: skip
        self._timers = [] if timeout is None else [threading.Timer(timeout, self._time_is_up)]

    @property
    def locked_out(self) -> bool:
        """Whether another process holds the run, so that this one never began."""
        return not self._started and self.error is not None and self.error.get("kind") == Busy.__name__

    @property
    def cut_short(self) -> bool:
        """Whether it was killed, or stopped, by somebody else: what it began may well be finished by another one."""
        told_to_stop = self.error is not None and self.error.get("kind") == Busy.__name__ and self._started
        return not self.stopped and not self.timed_out and (self.code < 0 or told_to_stop)

    def follow(self, screen: Screen) -> None:
        """Show what the worker tells until it ends."""
        assert self._process.stdout is not None
        with self._forwarded_signals(screen), self._process.stdout as lines:
            for timer in self._timers:
                timer.start()
            try:
                for line in lines:
                    event = _parsed(line)
                    if event.get("event") == "error":
                        self.error = event
                    elif event:
                        self._started = True
                        screen.event(event)
                self.code = self._process.wait()
            finally:
                for timer in self._timers:
                    timer.cancel()
                self._end()

    def _end(self) -> None:
        """Where something ends this process's listening, as Slurm's notice to a job does, let the worker end well."""
        if self._process.poll() is not None:
            return
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _time_is_up(self) -> None:
        self.timed_out = True
        self._signal(signal.SIGTERM)
        last = threading.Timer(_GRACE, self._signal, [signal.SIGKILL])
        last.daemon = True
        self._timers.append(last)
        last.start()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    @contextmanager
    def _forwarded_signals(self, screen: Screen) -> Iterator[None]:
        """The first Ctrl-C or SIGTERM lets the worker write a checkpoint and stop; the second one kills it."""

        def forward(number: int, frame: object) -> None:
            if self.stopped:
                self._signal(signal.SIGKILL)
                return
            self.stopped = True
            screen.line("stopping after a checkpoint; once more to stop at once")
            self._signal(signal.SIGTERM)

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _environment() -> dict[str, str]:
    """The parent's, with this very package importable in the child wherever it was started from."""
    home = str(Path(__file__).resolve().parents[2])
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if "site-packages" in home or home in paths:
        return dict(os.environ)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([home, *(path for path in paths if path)])}


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}
