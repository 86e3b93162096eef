"""The checkpoints that a run keeps: the newest, the one before it, and the best; a bad one is set aside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab.errors import DataError
from lab.record import storage
from lab.record.checkpoint import read_checkpoint


class Generations:
    """Three files beside each other; `write(newest, previous)` makes a new checkpoint, the older one keeps its bytes.

    checkpoint.safetensors            the newest
    checkpoint-previous.safetensors   the one before it, for the day that the newest cannot be read
    checkpoint-best.safetensors       the best, by the validation rows, of those written at the end of an epoch
    """

    def __init__(self, newest: Path) -> None:
        self.newest = newest
        self.previous = newest.with_name(f"{newest.stem}-previous{newest.suffix}")
        self.best = newest.with_name(f"{newest.stem}-best{newest.suffix}")
        self._merit: float | None = None  # of the best, once it is known

    def there(self) -> list[Path]:
        """Those to go on from, in the order in which to try them."""
        return [path for path in (self.newest, self.previous, self.best) if path.exists()]

    def write(self, save: Callable[[Path, Path], None], valid: Mapping[str, Any] | None = None) -> None:
        """Have `save(path, keep)` write a checkpoint; `valid` is what the validation rows gave where an epoch ended."""
        save(self.newest, self.previous)
        found = merit(valid or {})
        if found is not None and (self._best_merit() is None or found > (self._merit or 0.0)):
            storage.copy_by_link(self.newest, self.best)
            self._merit = found

    def set_aside(self, path: Path) -> Path:
        """Keep a checkpoint that cannot be used under another name, out of the way."""
        aside = path.with_name(f"{path.name}.bad")
        storage.rename(path, aside)
        return aside

    def _best_merit(self) -> float | None:
        """How good the best one is, read from its header; one that cannot be read is as good as none."""
        if self._merit is None and self.best.exists():
            try:
                _, header = read_checkpoint(self.best)
                self._merit = merit(header["progress"]["history"][-1]["valid"])
            except (DataError, KeyError, IndexError, TypeError, AttributeError):
                self._merit = None
        return self._merit


def merit(valid: Mapping[str, Any]) -> float | None:
    """How good validation figures are, higher is better: bits per character of a text, accuracy, error of numbers."""
    for name, sign in (("bits_per_character", -1.0), ("accuracy", 1.0), ("rmse", -1.0)):
        if isinstance(value := valid.get(name), int | float):
            return sign * float(value)
    return None
