"""Backprop in PyTorch: Sequential, cross-entropy, Adam with all parameters in one fused call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from lab.bench.pytorch.source import Batch
from lab.bench.pytorch.subject import TorchSubject
from lab.bench.work import Work
from lab.optimizers import Adam
from lab.trainers import BackpropTrainer


class Backprop(TorchSubject):
    """torch.nn.Linear and ReLU in turn. compiled: forward pass and loss, and so the backward pass, by torch.compile."""

    def __init__(self, work: Work, *, compiled: bool = False) -> None:
        super().__init__(work)
        torch, network = self.torch, self.source.network()
        params = network.parameters()
        self._names = list(params)
        layers: list[Any] = []
        for W, b in zip(list(params.values())[::2], list(params.values())[1::2], strict=True):
            layer = torch.nn.utils.skip_init(torch.nn.Linear, *W.shape, dtype=self.source.dtype)
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(W.T))
                layer.bias.copy_(torch.from_numpy(b))
            layers += [layer, torch.nn.ReLU()]
        self.model = torch.nn.Sequential(*layers[:-1])
        trainer = work.trainer()
        assert isinstance(trainer, BackpropTrainer)
        adam = trainer.optimizer
        assert isinstance(adam, Adam)
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), adam.learning_rate, (adam.beta1, adam.beta2), adam.eps, fused=True
        )
        self._loss = torch.compile(self._plain_loss, dynamic=False) if compiled else self._plain_loss

    def _plain_loss(self, images: Any, target: Any) -> Any:
        return self.torch.nn.functional.cross_entropy(self.model(images), target)

    def step(self, batch: Batch) -> None:
        with self.saved.during("activations"):
            loss = self._loss(batch.images, batch.target)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.loss += loss.detach()

    def tensors(self) -> Iterable[Any]:
        return list(self.model.parameters())

    def weights(self) -> dict[str, np.ndarray[Any, Any]]:
        found = [p.detach().numpy() for p in self.model.parameters()]
        return {name: p.T if p.ndim == 2 else p for name, p in zip(self._names, found, strict=True)}
