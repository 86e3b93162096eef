"""A step's matrix products by PyTorch: its library may be faster than numpy's, and the floor is the faster one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.bench import pytorch
from lab.bench.gemm import flops, operands, products
from lab.bench.work import Work


class TorchProducts:
    """A step's products by PyTorch, on the shapes and layouts that numpy gets."""

    def __init__(self, work: Work) -> None:
        self._torch = torch = pytorch.load(work.threads)
        self.products = products(work)
        tensor = torch.from_numpy
        self._operands = [(tensor(a), tensor(b), tensor(out)) for a, b, out in operands(work, self.products)]

    def train(self, tick: Callable[[], None]) -> None:
        """A step's products, again and again."""
        torch = self._torch
        with torch.inference_mode():
            while True:
                for a, b, out in self._operands:
                    torch.mm(a, b, out=out)
                tick()

    def facts(self) -> dict[str, Any]:
        """The floating-point operations of a step's products, and the versions."""
        return {"flops": flops(self.products), **pytorch.facts(self._torch)}

    def memory(self) -> dict[str, Any]:
        """Nothing: operands that no network needs say nothing about memory."""
        return {}
