"""One side of a comparison from the parent's side: its process, its answers, and what became of it."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab.bench.work import Entry, Task

PATIENCE = 900.0  # seconds for any one answer: the first step of a compiled side includes its compilation


class Side:
    """A child process that trains when told to. Once it fails, `failure` says why, and every later answer is {}."""

    def __init__(self, entry: Entry, work: Task, patience: float = PATIENCE) -> None:
        self.entry, self.failure = entry, ""
        self._patience = patience
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lab.bench.child"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, env=_environment(),
        )  # fmt: skip
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self._ask({"work": work.as_dict(), "subject": entry.name})

    def turn(self, steps: int, warm_up: int) -> list[float]:
        """Seconds of `steps` steps that follow `warm_up` others; [] once it has failed."""
        found: list[float] = self._ask({"do": "turn", "steps": steps, "warm_up": warm_up}).get("seconds", [])
        return found

    def facts(self, memory: bool) -> dict[str, Any]:
        """What it tells of itself; with `memory`, bytes counted by further steps."""
        return self._ask({"do": "facts", "memory": memory})

    def close(self) -> None:
        """End the process."""
        with suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        if self.failure:
            return {}
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            line = self._lines.get(timeout=self._patience)
        except OSError:
            line = ""
        except queue.Empty:
            self._process.kill()
            self.failure = f"no answer after {self._patience:g} s"
            return {}
        answer: dict[str, Any] = json.loads(line) if line else {"error": self._last_words()}
        self.failure = answer.get("error", "")
        return {} if self.failure else answer

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def _last_words(self) -> str:
        status = self._process.wait()
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return f"its process ended with status {status}" + (f": {lines[-1]}" if lines else "")


def _environment() -> dict[str, str]:
    """The parent's, with this very package importable in the child wherever it was started from."""
    home = str(Path(__file__).resolve().parents[2])
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([home, *paths])}
