"""The matrix products of a step and nothing else: how fast this machine does what no implementation can avoid.

Backprop has for each weight matrix (I, O) and N rows: (N, I)(I, O) forward, (I, N)(N, O) for its gradient, and
(N, O)(O, I) for the gradient of its input, but for the first. Forward-forward has the forward one for N neutral rows
and for 2N positive and negative ones, the gradient of 2N rows, and no gradient of inputs; where the first block sees an
image once for all of its labels, it has one product of N rows forward and one for the gradient (those with the label
itself are left out: a hundredth of them). Its readout has a forward and a gradient for N rows and each block it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from lab.bench.work import Work
from lab.errors import UsageError
from lab.trainers import ForwardForwardTrainer


class Product(NamedTuple):
    """An (m, k) by a (k, n) matrix. nn: x W; tn: x^T dy, the gradient of W; nt: dy W^T. `weights`: which W it is of."""

    weights: str
    kind: Literal["nn", "tn", "nt"]
    m: int
    k: int
    n: int


def products(work: Work) -> list[Product]:
    """Every product of one step. Raises UsageError for a network whose products are not known here."""
    from lab.bench.ours import built

    trainer, n = built(work, work.split()), work.batch_size
    network, classes = trainer.network, trainer.n_outputs
    sizes = [(p.shape[0], p.shape[1]) for p in network.block_parameters().values() if p.ndim == 2]
    if not sizes or len(sizes) != len(network.blocks):
        raise UsageError(f"the matrix products of {work.label} are not known: a block is not just one matrix")
    if isinstance(trainer, ForwardForwardTrainer) and trainer.readout.head != "stored":
        raise UsageError(f"the matrix products of head={trainer.readout.head} are not known; use head=stored")
    found: list[Product] = []
    if work.family == "backprop":
        for i, (inputs, outputs) in enumerate([*sizes, (sizes[-1][1], classes)]):
            found += [Product(str(i), "nn", n, inputs, outputs), Product(str(i), "tn", inputs, n, outputs)]
            if i:
                found.append(Product(str(i), "nt", n, outputs, inputs))
        return found
    for i, (inputs, outputs) in enumerate(sizes):
        once = i == 0 and network.shares_images
        found += [Product(str(i), "nn", rows, inputs, outputs) for rows in ((n,) if once else (n, 2 * n))]
        found.append(Product(str(i), "tn", inputs, n if once else 2 * n, outputs))
    for i, (_, outputs) in enumerate(sizes[1:] or sizes):
        found += [Product(f"head {i}", "nn", n, outputs, classes), Product(f"head {i}", "tn", outputs, n, classes)]
    return found


def flops(wanted: Sequence[Product]) -> int:
    """Floating-point operations of the products: 2 m k n each."""
    return sum(2 * p.m * p.k * p.n for p in wanted)


def operands(work: Work, wanted: Sequence[Product]) -> list[tuple[Any, Any, Any]]:
    """(a, b, out) for each product, as views that numpy multiplies without a copy.

    One array for each weight matrix, and one for all other operands of a shape: what a network with reused buffers
    has, so that the caches are met as in a step.
    """
    rng = np.random.default_rng(work.seed)
    made: dict[Any, Any] = {}

    def array(key: Any, shape: tuple[int, int]) -> Any:
        if (key, shape) not in made:
            made[key, shape] = rng.standard_normal(shape, np.float32).astype(work.dtype)
        return made[key, shape]

    found = []
    for p in wanted:
        a = array("rows", (p.k, p.m)).T if p.kind == "tn" else array("rows", (p.m, p.k))
        if p.kind == "nn":
            b = array(p.weights, (p.k, p.n))
        else:
            b = array(p.weights, (p.n, p.k)).T if p.kind == "nt" else array("gradient", (p.k, p.n))
        found.append((a, b, array("out", (p.m, p.n))))
    return found


class NumpyProducts:
    """A step's products by numpy."""

    def __init__(self, work: Work) -> None:
        self.products = products(work)
        self._operands = operands(work, self.products)

    def train(self, tick: Callable[[], None]) -> None:
        """A step's products, again and again."""
        while True:
            for a, b, out in self._operands:
                np.matmul(a, b, out=out)
            tick()

    def facts(self) -> dict[str, Any]:
        """The floating-point operations of a step's products, and the versions."""
        return {"flops": flops(self.products), "versions": {"numpy": np.__version__}}

    def memory(self) -> dict[str, Any]:
        """Nothing: operands that no network needs say nothing about memory."""
        return {}
