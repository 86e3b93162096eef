"""What training leaves behind epoch by epoch, and where in it a trainer stands."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from lab.backend import Array, Usage
from lab.trainers.stopping import Standing

LARGEST = 2**53  # no count or number of seconds of a real run comes near


@dataclass(frozen=True)
class EpochRecord:
    """One epoch. `step` counts updates since the start; `valid` is what `evaluate` found, {} without validation data.

    `blocks` has a dict for each block with its "name" and figures averaged over the epoch's images ("loss", ...).
    Seconds and samples_per_second are measured; all else is equal for equal seeds on the same machine.
    """

    epoch: int
    step: int
    train_loss: float
    learning_rate: float
    valid: dict[str, Any]
    blocks: list[dict[str, Any]]
    train_seconds: float
    evaluate_seconds: float
    samples_per_second: float

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """{"result": what is reproducible, "measured": what is not}, both with the epoch's number."""
        everything = asdict(self)
        measured = {k: everything.pop(k) for k in ("train_seconds", "evaluate_seconds", "samples_per_second")}
        return {"result": everything, "measured": {"epoch": self.epoch, **measured}}

    def __str__(self) -> str:
        accuracy = f"  valid accuracy {self.valid['accuracy']:.4f}" if "accuracy" in self.valid else ""
        speed = f"  {self.samples_per_second:,.0f} samples/s"
        return f"epoch {self.epoch:3d}  loss {self.train_loss:.4f}{accuracy}{speed}"


@dataclass
class Progress:
    """Where training stands: epochs done, batches done of the one under way, updates in all, sums over its images."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    seconds: float = 0.0
    images: int = 0
    rows: int = 0  # of the training split
    augment: str = "None"  # of the training split, in words
    sums: dict[str, Any] = field(default_factory=dict)
    history: list[EpochRecord] = field(default_factory=list)
    memory: dict[str, Any] = field(default_factory=dict)
    stop: Standing | None = None  # where early stopping was asked for

    @property
    def valid(self) -> dict[str, Any]:
        """What the validation rows gave with the weights as they are now, after a whole epoch."""
        went_back = self.stop is not None and self.stop.restored and self.epoch == self.history[-1].epoch
        epoch = self.stop.best_epoch if self.stop is not None and went_back else self.history[-1].epoch
        return next(record.valid for record in self.history if record.epoch == epoch)

    def note_memory(self, usage: Usage) -> None:
        """Keep the largest peaks seen while training: bytes by kind, of their sum ("peak"), and where that was."""
        if usage.peak_total > self.memory.get("peak", -1):
            self.memory |= {"peak": usage.peak_total, "peak_at": usage.peak_at}
        for kind, nbytes in usage.peak.items():
            self.memory[kind] = max(nbytes, self.memory.get(kind, 0))

    def add(self, seen: dict[str, Array | float], images: int) -> None:
        """Count one step; `seen` are means over its images. Sums stay where they are: nothing waits for a GPU."""
        for name, value in seen.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * float(images)
        self.count(images)

    def count(self, images: int) -> None:
        """Count one step whose figures are in the sums already."""
        self.images += images
        self.batch += 1
        self.step += 1

    def close_epoch(
        self, learning_rate: float, valid: dict[str, Any], n: int, evaluating: float, extra: list[dict[str, Any]]
    ) -> EpochRecord:
        """Turn the sums into a record, append it to the history and begin the next epoch."""
        means = {name: float(total) / self.images for name, total in self.sums.items()}
        blocks: dict[str, dict[str, Any]] = {row["name"]: dict(row) for row in extra}
        for name, value in means.items():
            block, _, figure = name.rpartition("/")
            if block:
                blocks.setdefault(block, {"name": block})[figure] = value
        self.epoch += 1
        record = EpochRecord(
            self.epoch, self.step, means["loss"], learning_rate, valid, list(blocks.values()), self.seconds, evaluating,
            n / self.seconds if self.seconds else 0.0,
        )  # fmt: skip
        self.history.append(record)
        self.batch, self.images, self.seconds, self.sums = 0, 0, 0.0, {}
        return record

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON, for a checkpoint; floats survive JSON exactly."""
        plain = ("epoch", "batch", "step", "seconds", "images", "rows", "augment")
        return {
            **{name: getattr(self, name) for name in plain},
            "sums": {name: float(total) for name, total in self.sums.items()},
            "history": [asdict(record) for record in self.history],
            "memory": self.memory,
            "stop": None if self.stop is None else asdict(self.stop),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Take over what `as_dict` gave. Raises ValueError or TypeError where it is of another form."""
        for name in ("epoch", "batch", "step", "seconds", "images", "rows", "augment", "sums", "memory"):
            kind, value = type(getattr(self, name)), saved[name]
            fits = isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)
            if not fits or (kind in (int, float) and not 0 <= value < LARGEST):
                raise ValueError(f"{name} is {value!r:.40}")
            setattr(self, name, value)
        self.history = [EpochRecord(**record) for record in saved["history"]]
        self.stop = None if saved["stop"] is None else Standing(**saved["stop"])
