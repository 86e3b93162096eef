"""Multi-layer perceptrons: fully connected blocks, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from lab.backend import Shape
from lab.errors import UsageError
from lab.layers import (
    ActivationName,
    Center,
    Dense,
    Dropout,
    Flatten,
    Init,
    LabelInput,
    Layer,
    Sequential,
    activation,
)
from lab.networks.block import Block
from lab.networks.network import Network
from lab.networks.spec import (
    Defaults,
    Groups,
    Norms,
    check_top_down,
    clamped_label,
    count_of,
    flat_label,
    read_above,
    read_by,
)
from lab.registry import register
from lab.schema import check


@register("model", "mlp")
@dataclass(frozen=True)
class MLP:
    """`depth` hidden layers of `width` units, fully connected, one block each, and a linear head.

    norm         length | batch | group | none | auto, the trainer's. length: rows to unit mean square at the input and
                 between blocks; batch: each unit over the batch, before the activation; group: each of `norm_groups`
                 equal stretches of units to mean 0 and variance 1 between blocks
    norm_groups  their number, or classes: one for each class
    init         lecun | he | glorot | auto: the hidden layers' weights (the head's: lecun; biases start at 0)
    dropout      rate at every block's input but the first: behind what an objective is asked of; or depth + 1 rates: at
                 each block's input, the first one's of the image itself, and at the head's
    label        pixels | features | auto: where a label goes if a trainer writes one into the input; auto is pixels
                 for images (C, H, W) that have room for it, else features
    label_scale  what the numbers that stand for a label are multiplied by; a clamped one has unit mean square before
    center       true: each row's mean is subtracted before all else; for photographs, which are mostly their mean
    top_down     true | false | auto, the trainer's: each block also reads the one above it as that was an iteration
                 before, and the last block the label, clamped above it (Hinton 2022, section 3.4)
    """

    depth: int = 3
    width: int = 500
    activation: ActivationName = "relu"
    norm: Literal["auto", "length", "batch", "group", "none"] = "auto"
    norm_groups: Groups = "classes"
    init: Literal["auto", "lecun", "he", "glorot"] = "auto"
    dropout: float | tuple[float, ...] = 0.0
    label: Literal["auto", "pixels", "features"] = "auto"
    label_scale: float = 1.0
    center: bool = False
    top_down: bool | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        check(self)
        if self.depth < 1 or self.width < 1:
            raise UsageError(f"mlp needs depth and width of at least 1, got depth={self.depth} width={self.width}")
        activation(self.activation)
        rates(self.dropout, self.depth)

    def make(self, in_shape: Shape, n_outputs: int, defaults: Defaults) -> Network:
        """The network for rows of `in_shape` and `n_outputs` classes or targets."""
        norm = defaults.norm if self.norm == "auto" else self.norm
        top_down = defaults.top_down if self.top_down == "auto" else self.top_down
        if top_down:
            check_top_down("mlp", norm, self.label)
        written = LabelInput(flat_label(self.label, in_shape, n_outputs), scale=self.label_scale)
        label_input = clamped_label(n_outputs, self.label_scale) if top_down else written
        return stack(
            (self.width,) * self.depth,
            n_outputs,
            act=self.activation,
            norms=Norms(norm, count_of(self.norm_groups, n_outputs)),
            init=defaults.init if self.init == "auto" else self.init,
            dropout=rates(self.dropout, self.depth),
            label_input=label_input,
            center=Center() if self.center else None,
            label=f"mlp {self.depth}x{self.width}" + (" top-down" if top_down else ""),
            top_down=top_down,
        )


def stack(
    widths: Sequence[int],
    n_outputs: int,
    *,
    act: ActivationName,
    norms: Norms,
    init: Init,
    dropout: Sequence[float] = (),
    label_input: LabelInput,
    label: str,
    name: str = "mlp",
    center: Layer | None = None,
    top_down: bool = False,
    around: Callable[[int, list[Layer]], list[Layer]] = lambda i, body: body,
) -> Network:
    """Fully connected blocks of `widths` units, each reading the one before it, and a linear head.

    `dropout`: rates at each block's input and at the head's; none: 0 everywhere.
    `top_down`: each block also reads the next one's last state, and the last block the label.
    `around(i, body)` may put layers of its own before, between or behind those of block i, counted from 0.
    """
    blocks = []
    *inputs, last = dropout or (0.0,) * (len(widths) + 1)
    for i, width in enumerate(widths):
        before = [Dropout(inputs[i])] if inputs[i] else []
        flat = [Flatten()] if i == 0 else []
        below = Sequential(around(i, [*before, *flat, Dense(width, init=init, bias=norms.bias), *norms.inside()]))
        bodies: list[Layer] = [below, *([Dense(width, init=init, bias=False)] if top_down else [])]
        sources = (*read_by(i), *([read_above(i, len(widths))] if top_down else []))
        blocks.append(Block(f"block{i + 1}", bodies, activation(act), norms.passed_on(), sources))
    return Network(
        blocks,
        Sequential([*([Dropout(last)] if last else []), Dense(n_outputs)]),
        input_norm=norms.of_input(),
        center=center,
        label_input=label_input,
        name=name,
        label=label,
    )


def rates(dropout: float | tuple[float, ...], depth: int) -> tuple[float, ...]:
    """The rate at each of `depth` blocks' inputs and at the head's: one number leaves the first block's input whole."""
    found = dropout if isinstance(dropout, tuple) else (0.0, *[dropout] * depth)
    if len(found) != depth + 1:
        raise UsageError(f"dropout={list(found)} has {len(found)} rates; give {depth + 1} for {depth} blocks, or one")
    for rate in found:
        Dropout(rate)
    return found


mlp = MLP
