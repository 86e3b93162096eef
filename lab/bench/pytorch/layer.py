"""One layer in PyTorch, as a module of torch.nn, forward and backward by autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.bench import pytorch
from lab.bench.layer import arrays
from lab.bench.layer_work import LayerWork


class Theirs:
    """The same layer and the same rows; weights are PyTorch's own, since values do not change the time."""

    def __init__(self, work: LayerWork) -> None:
        self.work, self.torch = work, pytorch.load(work.threads)
        self.torch.manual_seed(work.seed)
        dtype = getattr(self.torch, work.dtype)
        self.module, self._take = self._made()
        self.module.to(dtype)
        probe = self.torch.zeros((2, *work.in_shape), dtype=dtype)
        x, dy = arrays(work, tuple(self._take(self.module(probe)).shape[1:]))
        self.x, self.dy = self.torch.from_numpy(x).requires_grad_(), self.torch.from_numpy(dy)

    def once(self) -> Any:
        """Output; gradients are left on the tensors."""
        for tensor in (self.x, *self.module.parameters()):
            tensor.grad = None
        y = self._take(self.module(self.x))
        y.backward(self.dy)
        return y

    def train(self, tick: Callable[[], None]) -> None:
        """One pass after the other."""
        while True:
            self.once()
            tick()

    def facts(self) -> dict[str, Any]:
        """Version and threads."""
        return pytorch.facts(self.torch)

    def memory(self) -> dict[str, Any]:
        """Not counted here: the comparison of networks has it."""
        return {}

    def _made(self) -> tuple[Any, Callable[[Any], Any]]:
        """The module, and what of its output is compared."""
        nn, options, shape = self.torch.nn, self.work.options, self.work.in_shape
        if self.work.layer in ("RNN", "LSTM", "GRU"):
            module = getattr(nn, self.work.layer)(shape[1], options["units"], batch_first=True)
            steps = options.get("output", "last") == "steps"
            return module, (lambda out: out[0]) if steps else (lambda out: out[0][:, -1])
        made = {
            "Dense": lambda: nn.Linear(shape[0], options["units"]),
            "Conv2D": lambda: nn.Conv2d(
                shape[0], options["channels"], options["kernel"], options.get("stride", 1), options.get("padding", 0),
                groups=options.get("groups", 1),
            ),
            "MaxPool2D": lambda: nn.MaxPool2d(options["pool"]),
            "BatchNorm": lambda: nn.BatchNorm2d(shape[0]),
            "GroupNorm": lambda: nn.GroupNorm(options["groups"], shape[0]),
        }  # fmt: skip
        return made[self.work.layer](), lambda out: out
