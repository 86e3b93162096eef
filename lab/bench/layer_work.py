"""Single layers as work to compare: forward and backward of one layer, the input's gradient included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from lab.bench.work import Entry, Work
from lab.errors import UsageError
from lab.registry import unknown

LAYERS = ("Dense", "Conv2D", "RNN", "LSTM", "GRU", "MaxPool2D", "BatchNorm", "GroupNorm")


@dataclass(frozen=True)
class LayerWork:
    """Passes of one layer: `layer` of LAYERS with `options`, on rows of `in_shape`."""

    family: ClassVar[str] = "layers"
    layer: str
    in_shape: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int = 100
    threads: int = 2
    seed: int = 0
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.layer not in LAYERS:
            raise UsageError(unknown("layer", self.layer, LAYERS))

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON, `family` included, by which it is told from a network's work."""
        return {"family": self.family, **asdict(self)}

    @property
    def label(self) -> str:
        """The layer in a few words: "Conv2D 32x14x14, 64 of 3x3"."""
        words = [f"{self.layer} {'x'.join(map(str, self.in_shape))}"]
        for option, value in self.options.items():
            words += [_WORDS[option].format(value)] if option in _WORDS else []
        return ", ".join(words)


# how an option stands in a label; those that only follow from others are left out
_WORDS = {
    "units": "{0} units", "channels": "{0} channels", "kernel": "{0}x{0}", "stride": "stride {0}",
    "groups": "{0} groups", "pool": "{0}x{0}", "output": "all {0}",
}  # fmt: skip

USUAL = (
    LayerWork("Dense", (784,), {"units": 2000}),
    LayerWork("Dense", (2000,), {"units": 2000}),
    LayerWork("RNN", (28, 28), {"units": 128}),
    LayerWork("LSTM", (28, 28), {"units": 128}),
    LayerWork("LSTM", (100, 64), {"units": 256, "output": "steps"}, batch_size=32),
    LayerWork("GRU", (28, 28), {"units": 128}),
    LayerWork("Conv2D", (1, 28, 28), {"channels": 32, "kernel": 3, "padding": "same"}),
    LayerWork("Conv2D", (32, 14, 14), {"channels": 64, "kernel": 3, "padding": "same"}),
    LayerWork("Conv2D", (64, 16, 16), {"channels": 128, "kernel": 3, "padding": "same"}),
    LayerWork("Conv2D", (32, 14, 14), {"channels": 64, "kernel": 5, "stride": 2, "padding": 2}),
    LayerWork("Conv2D", (40, 14, 14), {"channels": 80, "kernel": 3, "padding": "same", "groups": 10}),
    LayerWork("MaxPool2D", (32, 28, 28), {"pool": 2}),
    LayerWork("BatchNorm", (32, 14, 14), {}),
    LayerWork("GroupNorm", (40, 14, 14), {"groups": 10}),
)

SIDES = (
    Entry("lab", "this lab", "layers", LAYERS, "lab.bench.layer:Ours"),
    Entry("torch", "PyTorch", "layers", LAYERS, "lab.bench.pytorch.layer:Theirs", "torch"),
)


def from_json(found: Mapping[str, Any]) -> LayerWork | Work:
    """A work of either kind from what `as_dict` gave."""
    if found["family"] != LayerWork.family:
        return Work(**found)
    rest = {key: value for key, value in found.items() if key != "family"}
    return LayerWork(**{**rest, "in_shape": tuple(rest["in_shape"])})
