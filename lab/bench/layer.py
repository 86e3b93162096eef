"""One layer of the lab as a side of a comparison, and the arrays that both sides are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import lab.layers
from lab.backend import NumpyBackend, Shape
from lab.bench.layer_work import LayerWork
from lab.layers import Ctx, Layer
from lab.measure.environment import environment


def arrays(work: LayerWork, out_shape: Shape) -> tuple[Any, Any]:
    """A batch of rows and a gradient of the output, drawn from the seed."""
    rng = np.random.default_rng(work.seed)
    shapes = ((work.batch_size, *work.in_shape), (work.batch_size, *out_shape))
    x, dy = (rng.standard_normal(shape).astype(work.dtype) for shape in shapes)
    return x, dy


class Ours:
    """The lab's layer: forward with its cache, then backward with the input's gradient."""

    def __init__(self, work: LayerWork) -> None:
        self.work, self.ops = work, NumpyBackend(work.dtype, threads=work.threads)
        self.layer: Layer = getattr(lab.layers, work.layer)(**work.options)
        out_shape = self.layer.build(work.in_shape, self.ops, np.random.default_rng(work.seed))
        self.x, self.dy = arrays(work, out_shape)

    def once(self) -> tuple[Any, Any, dict[str, Any]]:
        """Output, input gradient and parameters' gradients."""
        ctx = Ctx(self.ops, train=True, keep=True)
        y, cache = self.layer.forward(self.x, ctx)
        dx, grads = self.layer.backward(self.dy, cache, ctx)
        return y, dx, grads

    def train(self, tick: Callable[[], None]) -> None:
        """One pass after the other."""
        while True:
            self.once()
            tick()

    def facts(self) -> dict[str, Any]:
        """Floating-point operations of a pass in products, forward and both gradients, and where this ran."""
        return {
            "cost": {"flops_per_step": 3 * self.work.batch_size * self.layer.flops()},
            "environment": environment(threads=self.work.threads, kernels=self.ops.kernels),
        }

    def memory(self) -> dict[str, Any]:
        """Peak bytes of a pass above what is alive between passes."""
        usage = self.ops.usage
        alive = usage.total
        usage.reset_peak()
        self.once()
        return {"transient": usage.peak_total - alive}
