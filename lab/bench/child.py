"""`python -m lab.bench.child`: one side of a comparison in a process of its own, led by lines of JSON on its stdin.

The first line is the job: {"work": {...}, "subject": "torch-plain"}. Then, each answered by one line on stdout:
{"do": "turn", "steps": 20, "warm_up": 3}  make steps; the seconds of each, those of the warm-up left out
{"do": "facts", "memory": true}            what the subject tells, the process's peak memory, and counted memory
The end of stdin ends the process. What goes wrong is answered by {"error": sentence}.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import IO, Any

from lab.bench.layer_work import SIDES, from_json
from lab.bench.work import PARALLEL, SUBJECTS, Entry, Subject
from lab.errors import LabError
from lab.measure.memory import process_peak
from lab.sweep.worker import set_threads


class Enough(Exception):
    """Raised out of a subject's training when the next order is no turn."""


class Turns:
    """Called after each step: measures it, and between turns waits for the next order."""

    def __init__(self, orders: IO[str], answer: Callable[[dict[str, Any]], None]) -> None:
        self._orders, self._answer = orders, answer
        self._seconds: list[float] = []
        self._steps = self._ahead = 0
        self._last = 0.0
        self.turns = 0
        self.peak_forgotten = False

    def wait(self) -> dict[str, Any] | None:
        """Wait for an order; None where there will be none. A turn is begun, anything else is returned."""
        line = self._orders.readline()
        if not line:
            return None
        order: dict[str, Any] = json.loads(line)
        if order["do"] == "turn":
            self._steps, self._ahead, self._seconds = order["steps"], order["warm_up"], []
            self._last = perf_counter()
        return order

    def __call__(self) -> None:
        now = perf_counter()
        if self._ahead:
            self._ahead -= 1
        else:
            self._seconds.append(now - self._last)
        if len(self._seconds) == self._steps:
            if not self.turns:
                self.peak_forgotten = forget_peak()
            self.turns += 1
            self._answer({"seconds": self._seconds})
            order = self.wait()
            if order is None or order["do"] != "turn":
                self.next = order
                raise Enough
        self._last = perf_counter()


def forget_peak() -> bool:
    """Begin to count the process's peak anew, so that loading and compiling are not in it; False where it cannot be."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def main() -> int:
    """Serve one job; returns the exit status."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not look like an answer

    def answer(message: dict[str, Any]) -> None:
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    try:
        job = json.loads(sys.stdin.readline())
        work = from_json(job["work"])
        set_threads({"backend": {"threads": work.threads}})  # before numpy is loaded, which reads it then
        wanted = (work.family, job["subject"])
        entry = next(e for e in (*SUBJECTS, *PARALLEL, *SIDES) if (e.family, e.name) == wanted)
        home = entry.home.partition(":")[0]
        for module in ("lab.trainers", "lab.data", home, *([entry.needs] if entry.needs else [])):
            importlib.import_module(module)
        loaded, _ = process_peak()
        subject = entry.make(work)
        answer({"ready": True})
        _serve(subject, entry, Turns(sys.stdin, answer), answer, loaded)
    except BrokenPipeError:
        return 1
    except ImportError as error:
        answer({"error": f"a package is missing ({error}); install the extra bench"})
        return 2
    except LabError as error:
        answer({"error": str(error)})
        return error.exit_code
    except Exception as error:  # a subject that cannot be measured is a result, and the others go on
        traceback.print_exc()
        first = (str(error).strip() or "no message").splitlines()[0]
        answer({"error": f"{type(error).__name__}: {first}"})
        return 1
    return 0


def _serve(
    subject: Subject, entry: Entry, turns: Turns, answer: Callable[[dict[str, Any]], None], loaded: int | None
) -> None:
    order = turns.wait()
    while order is not None:
        if order["do"] == "turn":
            try:
                subject.train(turns)
            except Enough:
                order = turns.next
            continue
        peak, missing = process_peak()  # before anything is made for counting alone
        facts = {
            **subject.facts(),
            "process_peak_bytes": peak,
            "process_peak_missing": missing,
            "process_peak_since": "second turn" if turns.peak_forgotten else "start",
            "process_loaded_bytes": loaded,
            "memory": subject.memory() if order["memory"] else {},
        }
        answer(facts)
        order = turns.wait()


if __name__ == "__main__":
    sys.exit(main())
