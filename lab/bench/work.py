"""What is compared: a piece of work, and the subjects that can do it.

A subject is a class with `train`, which makes steps for ever, and a few figures to tell; it runs in a process of its
own. To add one (another network, another library) is to write the class and a line of SUBJECTS.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from lab.errors import UsageError
from lab.registry import part, unknown

if TYPE_CHECKING:
    from lab.data import Split
    from lab.networks import NetworkSpec
    from lab.trainers import Trainer

FAMILIES = ("backprop", "forward_forward")
ENDLESS = 10**9  # epochs: a schedule that falls in the second half does not fall while anybody measures


@dataclass(frozen=True)
class Work:
    """What every subject does alike: a method's steps on a network, with equal data, weights, order and negatives.

    network  a model of the lab by its options: {"name": "mlp", "depth": 4, "width": 2000}
    rows     training rows, cut to whole batches, so that every step has one shape; None is all there are
    """

    family: str
    network: Mapping[str, Any]
    batch_size: int = 100
    threads: int = 2
    seed: int = 0
    data: str = "mnist"
    rows: int | None = None
    dtype: str = "float32"
    options: Mapping[str, Any] = field(default_factory=dict)  # of the lab's trainer

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise UsageError(unknown("family", self.family, FAMILIES))
        for name in ("batch_size", "threads"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, got {getattr(self, name)}")

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON."""
        return asdict(self)

    @property
    def label(self) -> str:
        """The network in two words: "mlp 4x2000"."""
        shape = f" {self.network['depth']}x{self.network['width']}" if {"depth", "width"} <= self.network.keys() else ""
        return f"{self.network['name']}{shape}"

    def description(self) -> NetworkSpec:
        """The network, not made yet."""
        options = {key: value for key, value in self.network.items() if key != "name"}
        made: NetworkSpec = part("model", self.network["name"])(**options)
        return made

    def trainer(self) -> Trainer:
        """The lab's trainer for this work, not built yet, with the defaults of its recipe."""
        made: Trainer = part("trainer", self.family)(
            self.description(),
            seed=self.seed,
            batch_size=self.batch_size,
            dtype=self.dtype,
            threads=self.threads,
            **self.options,
        )
        return made

    def split(self) -> Split:
        """The training rows, whole batches of them."""
        from lab.data import Split, load_dataset

        train = load_dataset(self.data, valid=0).train
        if train.y.dtype.kind == "f":
            raise UsageError(f"{self.data} holds numbers to predict, and the bench compares classifiers; use mnist")
        count = len(train) if self.rows is None else min(self.rows, len(train))
        if count < self.batch_size:
            raise UsageError(f"{count} rows of {self.data} make no batch of {self.batch_size}; use a smaller batch")
        count -= count % self.batch_size
        return Split(train.x[:count], train.y[:count], train.scale, train.name)


class Task(Protocol):
    """What a piece of work tells those who do not care what it is."""

    @property
    def family(self) -> str: ...

    @property
    def label(self) -> str: ...

    @property
    def batch_size(self) -> int: ...

    @property
    def threads(self) -> int: ...

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON."""
        ...


class Subject(Protocol):
    """One side of a comparison, living in its own process."""

    def __init__(self, work: Any) -> None:
        """Load, build, and be ready for the first step."""

    def train(self, tick: Callable[[], None]) -> None:
        """Make steps until `tick`, to be called after each of them, raises."""

    def facts(self) -> dict[str, Any]:
        """What can be told once steps were made: {"flops_per_step": ..., "versions": {...}, ...}."""

    def memory(self) -> dict[str, Any]:
        """Bytes, found by steps made for this alone, since counting disturbs the time."""


@dataclass(frozen=True)
class Entry:
    """A subject by name. `home` is where its class is; `needs` a package without which it cannot be measured."""

    name: str
    label: str
    family: str
    networks: tuple[str, ...]
    home: str
    needs: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    floor: bool = False  # does only a step's matrix products: what no side can be faster than

    def make(self, work: Task) -> Subject:
        """The subject, ready to train."""
        module, _, name = self.home.partition(":")
        made: Subject = getattr(importlib.import_module(module), name)(work, **self.options)
        return made


_HERE, _TORCH = "lab.bench", "lab.bench.pytorch"
_MLP = ("mlp",)
SUBJECTS = (
    *(Entry("lab", "this lab", family, _MLP, f"{_HERE}.ours:Ours") for family in FAMILIES),
    Entry("torch", "PyTorch, fused Adam", "backprop", _MLP, f"{_TORCH}.backprop:Backprop", "torch"),
    Entry("torch-compiled", "PyTorch, fused Adam, torch.compile", "backprop", _MLP, f"{_TORCH}.backprop:Backprop",
          "torch", {"compiled": True}),
    Entry("torch-plain", "PyTorch, one backward for all blocks", "forward_forward", _MLP,
          f"{_TORCH}.autograd:Autograd", "torch"),
    Entry("torch-local", "PyTorch, one backward a block", "forward_forward", _MLP,
          f"{_TORCH}.autograd:Autograd", "torch", {"local": True}),
    Entry("torch-fused", "PyTorch, gradients by hand", "forward_forward", _MLP, f"{_TORCH}.fused:Fused", "torch"),
    Entry("torch-compiled", "PyTorch, gradients by hand, torch.compile", "forward_forward", _MLP,
          f"{_TORCH}.fused:Fused", "torch", {"compiled": True}),
    *(Entry("gemm-numpy", "matrix products alone, numpy", family, _MLP, f"{_HERE}.gemm:NumpyProducts", floor=True)
      for family in FAMILIES),
    *(Entry("gemm-torch", "matrix products alone, PyTorch", family, _MLP, f"{_TORCH}.products:TorchProducts", "torch",
            floor=True) for family in FAMILIES),
)  # fmt: skip

# One piece of work in one process and in several: what `lab bench parallel` compares, and what its model is fed with.
PARALLEL = (
    *(Entry("serial", "one process", family, _MLP, f"{_HERE}.ours:Ours") for family in FAMILIES),
    Entry("layer-parallel", "layer-parallel", "forward_forward", _MLP, f"{_HERE}.ours:LayerParallel"),
    Entry("data-parallel", "data-parallel", "backprop", _MLP, f"{_HERE}.data_parallel:DataParallel"),
    Entry("staged-2", "pipeline, 2 micro-batches", "backprop", _MLP, f"{_HERE}.staged_backprop:StagedBackprop",
          options={"micro_batches": 2}),
    Entry("staged-4", "pipeline, 4 micro-batches", "backprop", _MLP, f"{_HERE}.staged_backprop:StagedBackprop",
          options={"micro_batches": 4}),
    Entry("block-times", "block by block", "forward_forward", _MLP, f"{_HERE}.timed:BlockTimes"),
)  # fmt: skip


def subjects(work: Work, only: tuple[str, ...] = ()) -> list[Entry]:
    """The entries that can do the work, in order; of them those named `only`. Raises UsageError for a wrong name."""
    known = sorted({entry.name for entry in SUBJECTS})
    for name in only:
        if name not in known:
            raise UsageError(unknown("subject", name, known))
    return [
        entry
        for entry in SUBJECTS
        if entry.family == work.family and work.network["name"] in entry.networks and (not only or entry.name in only)
    ]
