"""What a user sees of runs while they are made: a line as each starts and ends, and how far the present one is."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

_LARGEST = 1e300  # beyond it a whole number of a file is no float
_QUIET = 10.0  # seconds between two lines of progress where the output is no terminal


class Screen:
    """Writes to `stream`. On a terminal one line is updated in place; else a line is written every few epochs."""

    def __init__(
        self, stream: TextIO | None = None, progress: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream or sys.stdout
        self._progress, self._clock = progress, clock
        self._live = progress and self._stream.isatty()
        self._shown = 0  # characters of the line that is updated
        self._title, self._place = "", ""
        self._began = self._written = 0.0
        self._start = self._at = 0.0
        self._epochs = 0
        self._score = ""

    def begin(self, place: str, title: str) -> None:
        """A run is asked for; `place` is "run 2/6" or "run"."""
        self._title, self._place, self._score = title, place, ""
        self._began = self._written = self._clock()
        self.line(f"{place}  {title}")

    def event(self, event: dict[str, Any]) -> None:
        """Something that the worker told."""
        kind = event.get("event")
        if kind == "start":
            self._epochs, self._start, self._at = int(event["epochs"]), float(event["done"]), float(event["done"])
            self._began = self._clock()
            for note in event["notes"]:
                self.line(f"{self._indent}{note}")
        elif kind == "step":
            self._at = float(event["at"])
            self._show(False)
        elif kind == "epoch":
            self._at = float(event["epoch"])
            self._score = score(event["valid"], "valid") or f"loss {event['loss']:.4f}"
            self._show(True)

    def end(self, status: str, words: str) -> None:
        """The run has ended, or was done before."""
        self.line(f"{self._place}  {status}  {words}".rstrip())

    def line(self, text: str) -> None:
        """Write a line that stays."""
        self._clear()
        self._stream.write(text.rstrip() + "\n")
        self._stream.flush()

    @property
    def _indent(self) -> str:
        return " " * (len(self._place) + 2)

    def _show(self, epoch_ended: bool) -> None:
        if not self._progress:
            return
        now = self._clock()
        if not self._live and (not epoch_ended or now - self._written < _QUIET or self._at >= self._epochs):
            return
        done = self._at - self._start
        left = (now - self._began) / done * (self._epochs - self._at) if done > 0 else None
        epoch = int(self._at) if epoch_ended or not self._live else min(int(self._at) + 1, self._epochs)
        parts = [f"epoch {epoch}/{self._epochs}", self._score, f"{duration(left)} left" if left is not None else ""]
        text = self._indent + "   ".join(part for part in parts if part)
        if self._live:
            text = text[: shutil.get_terminal_size().columns - 1]
            self._clear()
            self._stream.write(text)
            self._stream.flush()
            self._shown = len(text)
        else:
            self.line(text)
            self._written = now

    def _clear(self) -> None:
        if self._shown:
            self._stream.write("\r" + " " * self._shown + "\r")
            self._shown = 0


def score(found: object, split: str) -> str:
    """The one figure that says how good a run is, the one that reports put first: the error rate of classes, bits per
    character of a text, or for numbers the root of the mean squared error.

    Nothing for what is no figure, as a record from elsewhere may hold.
    """
    figures = found if isinstance(found, Mapping) else {}
    bits, accuracy, rmse = (
        v if isinstance(v, int | float) and abs(v) < _LARGEST else None
        for v in map(figures.get, ("bits_per_character", "accuracy", "rmse"))
    )
    if bits is not None:
        return f"{split} {bits:.3f} bits per character"
    if accuracy is not None and abs(accuracy) <= 1:
        return f"{split} error {100 * (1 - accuracy):.2f} %"
    return f"{split} RMSE {rmse:.4g}" if rmse is not None else ""


def duration(seconds: float) -> str:
    """Seconds as people read them: "8 s", "2 min 05 s", "1 h 20 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if whole >= 10 else f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
