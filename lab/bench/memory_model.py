"""What a training step holds, by formula: an analytic twin of the counted memory, to explain it and to extrapolate.

N rows a batch, D numbers a row as the network reads it, w_1 .. w_L units, K classes, s bytes a number; raw rows of one
byte a number. P_l = w_(l-1) w_l + w_l is the size of block l with w_0 = D; H = w_L K + K that of the output layer,
which a forward-forward network has but does not use. C are the blocks that the softmax head reads, all but the first
where there are several; V_l = w_l K. What stays from step to step:

    weights    sum P + H, and sum_C V for forward-forward
    optimizer  2 (sum P + H) for Adam; sum P + sum w + sum_C V for the recipe's running averages
    data       N D s; while the batch is gathered N D (s + 1)

The lines below are what is alive beside that at one moment.

Backprop, activations in numbers (each block keeps its output; its input is the output below):

    forward l       N (w_1 + .. + w_l)                           the activation takes the place of what it was asked of
    backward l      N (w_1 + .. + w_l) + 2 N w_l + N w_(l-1)     dh, dz, and dx but for the first
    gradients       H, and P_j for all j >= l; with update=during H or P_l alone
    workspace       without compiled kernels N w_l bytes of mask, and in the update the unit's largest matrix

so activations peak at N (w_1 + .. + w_L) + N (2 w_L + w_(L-1)): linear in depth. recompute=k keeps of w_1 .. w_L only
what every k-th block reads, and the outputs of k blocks at a time: about L / k + k. micro_batches=m replaces N by N / m
in all but the data, and the gradients by a full set and one unit's more.

Forward-forward, joint passes (2N rows; block 1 reads the image, held once as N D and as its product N w_1, both counted
as readout until block 1 is done, as activations where there is no head):

    forward l       2N w_(l-1) + 2N w_l                          input but for block 1, and h
    pass on         2N w_(l-1) + 4N w_l                          and its norm, but for the last block
    backward l      the same: dz takes the place of h            2N w_l more without compiled kernels: dh
    update          the same: the weights' gradient is added to the running average as it is computed; without compiled
                    kernels it is written out before, and dz is gone
    gradients       w_l of the biases; P_l without compiled kernels
    workspace       block 1: N w_1 + K w_1; without compiled kernels N w_1 more, 2N w_l bytes of mask, and in the
                    update the largest matrix

                    once seven rows of eight have no gradient (lab.networks.silent), N / 4 (w_(l-1) + w_l) in their
                    place, which no line below counts: when that is depends on what was learnt

so activations peak at the widest pair of neighbours, 2N w_(l-1) + 4N w_l: flat in depth. Separate passes hold the same
for N rows at a time, the other rows' input and output waiting, and write the gradients out to add them:

    forward l       2N w_(l-1) + N w_l                           N w_l more for the second: what the first passed on
    pass on         N w_l more
    gradients       P_l, 2 P_l in the second pass's backward

The readout's own, in numbers beside N D + N w_1 (2 N K more are logits and labels):

    walk, block l   N sum_(C, j < l) w_j + 2N w_l               kept rows, h and its norm;
                                                                N w_(l-1) more where the normed one below is not kept
    update          N sum_C w + sum_C V                         and max V without compiled kernels

so it is linear in depth with N w a block. Head recomputed or per block: no sum over kept rows, but sum_(C, j <= l) V_j
at block l of the (second) walk: linear in depth with K w a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lab.backend.pool import KINDS


@dataclass(frozen=True)
class Sizes:
    """A step's sizes: N = batch, D = inputs, w = widths, K = classes, s = itemsize.

    compiled: whether activations, norms and the optimizer run without temporaries, and BLAS adds products to averages.
    raw: bytes of a stored number, 0 where rows are stored as the floats that are computed with.
    """

    batch: int
    inputs: int
    widths: tuple[int, ...]
    classes: int
    itemsize: int = 4
    raw: int = 1
    compiled: bool = False

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """(w_(l-1), w_l) of each block."""
        return list(zip((self.inputs, *self.widths), self.widths, strict=False))

    @property
    def parameters(self) -> list[int]:
        """P_l of each block."""
        return [i * o + o for i, o in self.blocks]

    @property
    def output_parameters(self) -> int:
        """H."""
        return (self.widths[-1] + 1) * self.classes


@dataclass(frozen=True)
class Moment:
    """What is alive somewhere in a step, in bytes by kind; a kind that is not named has none."""

    place: str
    alive: dict[str, int]


def backprop(
    sizes: Sizes,
    *,
    slots: int = 2,
    update: Literal["after", "during"] = "after",
    recompute: int = 0,
    micro_batches: int = 1,
) -> list[Moment]:
    """The moments of a backprop step; `slots` arrays of optimizer state a parameter, 2 for Adam."""
    n, s, k, w = -(-sizes.batch // micro_batches), sizes.itemsize, sizes.classes, sizes.widths
    depth, length = len(w), recompute or len(w)
    units = [*sizes.parameters, sizes.output_parameters]
    resident = {"weights": s * sum(units), "optimizer": slots * s * sum(units)}
    rows = sizes.batch * sizes.inputs
    moments = [Moment("batch", resident | {"data": rows * (s + sizes.raw)})]
    resident["data"] = s * rows
    before = sum(units) if micro_batches > 1 else 0  # gradients of the parts that were passed already
    starts = range(0, depth, length)
    read = {first: sum(w[start - 1] for start in starts if 0 < start <= first) for first in starts}

    def alive(place: str, activations: int, gradients: int = 0, workspace: int = 0) -> None:
        held = {"activations": s * activations, "gradients": s * gradients, "workspace": workspace}
        moments.append(Moment(place, resident | held))

    for l in range(depth):
        first = l // length * length
        below = sum(w[first:l]) if not recompute or first == starts[-1] else w[l - 1] if l > first else 0
        alive(f"block{l + 1} forward", n * (read[first] + below + w[l]), before)
    kept = read[starts[-1]] + sum(w[starts[-1] :])
    alive("loss", n * (kept + 2 * k), before)
    alive("head backward", n * (kept + w[-1] + k), before + units[-1])
    collected = units[-1] if update == "after" and not before else 0
    if update == "during":
        alive("head update", n * (kept + w[-1] + k), units[-1], _scratch(sizes, [(w[-1], k)]))
    for l in reversed(range(depth)):
        first = l // length * length
        top = min(depth, first + length) - 1
        again = recompute and top < depth - 1
        if again and l == top:
            for j in range(first, top + 1):
                held = read[first] + w[top] + sum(w[first:j]) + w[j]
                alive(f"block{j + 1} forward", n * (held + k), before + collected)
        outputs = read[first] + sum(w[first : l + 1])
        below = w[l - 1] if l else 0
        place = f"block{l + 1} backward"
        alive(place, n * (outputs + 2 * w[l] + k), before + collected, 0 if sizes.compiled else n * w[l])
        alive(place, n * (outputs + 2 * w[l] + below + k), before + collected + units[l])
        if update == "during":
            left = outputs - w[l] + below
            alive(f"block{l + 1} update", n * (left + k), units[l], _scratch(sizes, [sizes.blocks[l]]))
        elif not before:
            collected += units[l]
    if update == "after":
        gradients = sum(units)
        for l, matrix in [(-1, (w[-1], k)), *enumerate(sizes.blocks)]:
            place = "head update" if l < 0 else f"block{l + 1} update"
            alive(place, 0, gradients, _scratch(sizes, [matrix]))
            gradients -= units[l]
    return moments


def forward_forward(
    sizes: Sizes,
    *,
    passes: Literal["joint", "separate"] = "joint",
    head: Literal["stored", "recomputed", "per_block", "none"] = "stored",
) -> list[Moment]:
    """The moments of a forward-forward step by the recipe."""
    n, s, k, w = sizes.batch, sizes.itemsize, sizes.classes, sizes.widths
    read = [] if head == "none" else list(range(1, len(w))) or [0]
    V = sum(w[l] for l in read) * k
    resident = {
        "weights": s * (sum(sizes.parameters) + sizes.output_parameters + V),
        "optimizer": s * (sum(sizes.parameters) + sum(w) + V),
    }
    rows = n * sizes.inputs
    moments = [Moment("batch", resident | {"data": rows * (s + sizes.raw)})]
    resident["data"] = s * (rows + 2 * n * k)
    if read:
        moments += [Moment("readout", resident | {"readout": s * held}) for held in _readout(sizes, read, head)]
    apart = passes == "separate"
    batch = n if apart else 2 * n
    image_is = "readout" if read else "activations"  # whoever sees the image first holds it until block 1 is done
    for l, (below, width) in enumerate(sizes.blocks):
        own = sizes.parameters[l]
        first = 0 if l else s * n * (sizes.inputs + width)
        inputs = 2 * n * below if l else 0
        labels = s * (n + k) * width if l == 0 else 0
        scaled = s * n * width if l == 0 and not sizes.compiled else 0
        passed = batch * width if l + 1 < len(w) else 0  # what goes on is computed before the backward
        spent = 0 if sizes.compiled else batch * width  # dh, where it is written out
        mask = 0 if sizes.compiled else batch * width
        matrix = 0 if sizes.compiled and not apart else own - width

        def alive(
            phase: str, activations: int, gradients: int = 0, workspace: int = 0, image: int = first, block: int = l + 1
        ) -> None:
            held = {"activations": s * activations, "gradients": s * gradients, "workspace": workspace}
            held[image_is] = held.get(image_is, 0) + image
            moments.append(Moment(f"block{block} {phase}", resident | held))

        earlier = passed if apart else 0  # what the rows that went first passed on, and the gradient that they left
        before = own if apart else 0
        alive("forward", inputs + earlier + batch * width, before)
        if passed:
            alive("pass on", inputs + earlier + passed + batch * width, before)
        alive("backward", inputs + earlier + passed + batch * width + spent, before, mask)
        alive("backward", inputs + earlier + passed + batch * width, before + matrix + width, labels + scaled)
        unwritten = sizes.compiled and not apart  # then the product's factors live until the update
        left = batch * width if unwritten else 0
        scratch = labels if unwritten else _scratch(sizes, [(below, width)])
        alive("update", inputs + earlier + passed + left, width if unwritten else own, scratch)
    return moments


def _readout(sizes: Sizes, read: Sequence[int], head: str) -> list[int]:
    """Numbers that the readout holds: at each block of its walk (two where it is recomputed), and at its update."""
    n, k, w = sizes.batch, sizes.classes, sizes.widths
    base = n * (sizes.inputs + w[0]) + 2 * n * k
    scratch = 0 if sizes.compiled else max(w[l] for l in read) * k
    found: list[int] = []
    kept = gradients = 0
    for learning in {"stored": (False,), "recomputed": (False, True), "per_block": (True,)}[head]:
        for l, width in enumerate(w):
            below = w[l - 1] if l else 0
            waiting = 0 if head == "stored" and l - 1 in read else below
            found.append(base + kept + n * (waiting + 2 * width) + gradients)
            if l in read and learning:
                gradients += width * k
                found.append(base + n * (waiting + 2 * width) + gradients)
            elif l in read and head == "stored":
                kept += n * width
    if head == "stored":
        gradients = k * sum(w[l] for l in read)
    found.append(base + kept + (n * w[-1] if head == "recomputed" else 0) + gradients + scratch)
    return found


def _scratch(sizes: Sizes, matrices: Sequence[tuple[int, int]]) -> int:
    """Bytes of the optimizer's temporary: as large as the largest matrix, unless its loop is compiled."""
    return 0 if sizes.compiled else sizes.itemsize * max(i * o for i, o in matrices)


def peaks(moments: Sequence[Moment]) -> dict[str, Any]:
    """Each kind's largest size, the largest sum and its place: what a trainer's `memory()` says."""
    highest = max(moments, key=lambda moment: sum(moment.alive.values()))
    found: dict[str, Any] = {kind: max(m.alive.get(kind, 0) for m in moments) for kind in KINDS}
    return found | {"peak": sum(highest.alive.values()), "peak_at": highest.place}
