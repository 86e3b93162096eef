"""Counted memory over depth x width x batch, beside the analytic model, with fitted exponents.

Every point trains two steps of made-up images and asks the trainer what its step held (`memory()`): allocations counted
in the backend, so that neither PyTorch nor the size of the process has a part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

from lab import __version__
from lab.bench import memory_model as model
from lab.bench.spread import exponent

if TYPE_CHECKING:
    from lab.trainers import Trainer

AXES = ("depth", "width", "batch")
FITTED = ("activations", "readout")
SHAPE, CLASSES = (1, 28, 28), 10  # those of MNIST: sizes count here, not contents


@dataclass(frozen=True)
class Variant:
    """A trainer with options whose memory is looked at; `root`: recompute the square root of the depth at a time."""

    name: str
    family: Literal["backprop", "forward_forward"]
    passes: Literal["joint", "separate"] = "joint"
    head: Literal["stored", "recomputed", "per_block", "none"] = "stored"
    update: Literal["after", "during"] = "after"
    root: bool = False
    micro_batches: int = 1

    def trainer(self, depth: int, width: int, batch: int) -> Trainer:
        """The trainer, not built yet."""
        from lab.networks import mlp
        from lab.trainers import BackpropTrainer, ForwardForwardTrainer, Readout

        network = mlp(depth=depth, width=width)
        if self.family == "backprop":
            return BackpropTrainer(
                network, batch_size=batch, update=self.update, recompute=self._recompute(depth),
                micro_batches=self.micro_batches,
            )  # fmt: skip
        negatives: Literal["hard", "uniform"] = "uniform" if self.head == "none" else "hard"
        return ForwardForwardTrainer(
            network, batch_size=batch, passes=self.passes, negatives=negatives, readout=Readout(head=self.head)
        )

    def held(self, sizes: model.Sizes) -> list[model.Moment]:
        """The analytic model of its step."""
        if self.family == "backprop":
            return model.backprop(
                sizes, update=self.update, recompute=self._recompute(len(sizes.widths)),
                micro_batches=self.micro_batches,
            )  # fmt: skip
        return model.forward_forward(sizes, passes=self.passes, head=self.head)

    def _recompute(self, depth: int) -> int:
        return round(depth**0.5) if self.root else 0


VARIANTS = (
    Variant("backprop", "backprop"),
    Variant("backprop, in 4 parts", "backprop", micro_batches=4),
    Variant("backprop, lean", "backprop", update="during", root=True),
    Variant("backprop, lean in 4 parts", "backprop", root=True, micro_batches=4),
    Variant("forward-forward", "forward_forward"),
    Variant("forward-forward, separate passes", "forward_forward", passes="separate"),
    Variant("forward-forward, head recomputed", "forward_forward", head="recomputed"),
    Variant("forward-forward, head per block", "forward_forward", head="per_block"),
    Variant("forward-forward, no head", "forward_forward", head="none"),
)


@dataclass(frozen=True)
class Grid:
    """The depths, widths and batch sizes whose every combination is measured."""

    depth: Sequence[int] = (3, 6, 12, 24)
    width: Sequence[int] = (250, 500, 1000)
    batch: Sequence[int] = (50, 100, 200)
    variants: Sequence[Variant] = field(default=VARIANTS)


def sweep(grid: Grid, tell: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """All points of the grid; returns what memory.json holds."""
    from lab.measure.environment import environment

    started = datetime.now(UTC)
    points: list[dict[str, Any]] = []
    kernels = ""
    for depth, width, batch in product(grid.depth, grid.width, grid.batch):
        tell(f"depth {depth}  width {width}  batch {batch}")
        for variant in grid.variants:
            trainer, counted = count(variant, depth, width, batch)
            kernels = trainer.ops.kernels
            points.append({
                "variant": variant.name,
                "depth": depth,
                "width": width,
                "batch": batch,
                "counted": counted,
                "model": model.peaks(variant.held(sizes_of(trainer))),
            })  # fmt: skip
    return {
        "schema": 1,
        "kind": "memory",
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": environment(threads=1, kernels=kernels),
        "versions": {"lab": __version__},
        "shape": list(SHAPE),
        "classes": CLASSES,
        "points": points,
        "exponents": exponents(points, [variant.name for variant in grid.variants]),
        "largest_deviation": largest_deviation(points),
    }


def count(variant: Variant, depth: int, width: int, batch: int) -> tuple[Trainer, dict[str, Any]]:
    """The trainer after two steps, and the bytes that a step of it held in which every row has a gradient."""
    import numpy as np

    from lab.data import Split

    rng = np.random.default_rng(0)
    rows = Split(rng.integers(0, 256, (2 * batch, *SHAPE), np.uint8), np.arange(2 * batch) % CLASSES, 1 / 255)
    trainer = variant.trainer(depth, width, batch).build(SHAPE, CLASSES, scale=rows.scale)
    trainer.ops.leaves_out_rows = False  # after two steps some blocks of some variants would
    for _ in trainer.fit(rows, epochs=1):
        pass
    return trainer, trainer.memory()


def sizes_of(trainer: Trainer) -> model.Sizes:
    """A built trainer's sizes as the analytic model takes them: rows of bytes, blocks of one matrix each."""
    return model.Sizes(
        trainer.batch_size,
        SHAPE[0] * SHAPE[1] * SHAPE[2],
        tuple(int(block.shape[0]) for block in trainer.network.blocks),
        trainer.n_outputs,
        trainer.ops.dtype.itemsize,
        compiled=trainer.ops.adds_products,
    )


def against_backprop(
    points: Sequence[dict[str, Any]], largest: dict[str, int], names: tuple[str, str] = ("backprop", "forward-forward")
) -> list[dict[str, Any]]:
    """Forward-forward's bytes over those of each form of backprop, at the largest sizes: a ratio under 1 is leaner.

    activations  of the blocks alone; answering: with what the readout holds, which no output layer replaces here
    peak         all that was alive at once, where weights and optimizer have a larger part than activations
    """
    here = [p for p in points if all(p[axis] == value for axis, value in largest.items())]
    counted = {p["variant"]: p["counted"] for p in here}
    found = []
    for ours, theirs in product(counted, repeat=2):
        if ours.startswith(names[1]) and theirs.startswith(names[0]):
            a, b = counted[ours], counted[theirs]
            found.append({
                "variant": ours,
                "against": theirs,
                "activations": a["activations"] / b["activations"],
                "answering": (a["activations"] + a["readout"]) / (b["activations"] + b["readout"]),
                "peak": a["peak"] / b["peak"],
            })  # fmt: skip
    return found


def exponents(points: Sequence[dict[str, Any]], variants: Sequence[str]) -> list[dict[str, Any]]:
    """p of bytes ~ axis^p for each variant, axis and kind, along the line where the other two axes are largest."""
    largest = {axis: max(point[axis] for point in points) for axis in AXES}
    found = []
    for name, axis, kind in product(variants, AXES, FITTED):
        others = [other for other in AXES if other != axis]
        line = [p for p in points if p["variant"] == name and all(p[o] == largest[o] for o in others)]
        x, y = [p[axis] for p in line], [p["counted"][kind] for p in line]
        if len(set(x)) > 1 and min(y) > 0:
            found.append({"variant": name, "axis": axis, "kind": kind, "exponent": exponent(x, y)})
    return found


def largest_deviation(points: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The largest |model / counted - 1| over all points: of each kind that holds a hundredth of its peak or more."""
    found: dict[str, float] = {}
    for point in points:
        counted, predicted = point["counted"], point["model"]
        for kind, nbytes in counted.items():
            if kind != "peak_at" and nbytes >= counted["peak"] / 100:
                found[kind] = max(found.get(kind, 0.0), abs(predicted[kind] / nbytes - 1))
    return found
