"""Forward-forward in PyTorch as it is written with autograd: layers, losses, backward, a fused optimizer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from lab.bench.pytorch.recipe import Recipe, draw_wrong, length_norm, with_label
from lab.bench.pytorch.source import Batch
from lab.bench.pytorch.subject import TorchSubject
from lab.bench.work import Work


class Autograd(TorchSubject):
    """Positive and negative rows in one batch; detached inputs keep each block's loss to itself.

    local=False  the losses of all blocks are summed, and one backward serves them all: the usual form
    local=True   each block's backward and update follow its forward pass, so that one block's graph exists at a time
    """

    def __init__(self, work: Work, *, local: bool = False) -> None:
        super().__init__(work)
        torch, network = self.torch, self.source.network()
        self.recipe, self.local = Recipe.of(work, network), local
        params = network.block_parameters()
        self._names = list(params)
        found = [torch.from_numpy(p.T.copy() if p.ndim == 2 else p) for p in params.values()]
        for p in found:
            p.requires_grad_()
        self.W, self.b = found[::2], found[1::2]  # each W is (outputs, inputs), as torch.nn.Linear has it
        dtype, classes = self.source.dtype, self.source.classes
        self.V = [torch.zeros(classes, len(self.b[i]), dtype=dtype, requires_grad=True) for i in self.recipe.read]
        self.mean = [torch.full_like(b, 0.5, requires_grad=False) for b in self.b]
        self.neutral = torch.full((classes,), 1 / classes, dtype=dtype)
        self.sign = torch.cat([torch.ones(work.batch_size, dtype=dtype), -torch.ones(work.batch_size, dtype=dtype)])
        groups = [list(pair) for pair in zip(self.W, self.b, strict=True)] if local else [[*self.W, *self.b]]
        self._updates = [_Update(torch, self.recipe, group) for group in groups]
        self._head_update = _Update(torch, self.recipe, self.V, head=True)

    def step(self, batch: Batch) -> None:
        torch, n, functional = self.torch, len(batch.target), self.torch.nn.functional
        with torch.no_grad():
            x = length_norm(torch, with_label(batch.images, self.neutral))
            read = []
            for i, (W, b) in enumerate(zip(self.W, self.b, strict=True)):
                x = length_norm(torch, torch.relu(functional.linear(x, W, b)))
                if i in self.recipe.read:
                    read.append(x)
        with self.saved.during("readout"):
            logits = sum(functional.linear(x, V) for x, V in zip(read, self.V, strict=True))
            head_loss = functional.cross_entropy(logits, batch.target)
        del read
        with torch.no_grad():
            wrong = draw_wrong(torch, torch.softmax(logits, 1), batch.target, batch.uniforms)
        del logits
        if self.local:
            head_loss.backward()
            self._head_update()
            del head_loss
        with torch.no_grad():
            one_hot = functional.one_hot(torch.cat([batch.target, wrong]), self.source.classes)
            x = length_norm(torch, with_label(torch.cat([batch.images, batch.images]), one_hot))
        total: Any = 0.0
        for i in range(len(self.W)):
            with self.saved.during("activations"):
                loss, steer, h = self._block(i, x, n)
            self.loss += loss.detach()
            if self.local:
                (loss + steer).backward()
                self._updates[i]()
                del loss, steer
            else:
                total = total + loss + steer
            if i + 1 < len(self.W):
                x = length_norm(torch, h.detach())
            del h
        if not self.local:
            (total + head_loss).backward()
            self._updates[0]()
            self._head_update()

    def _block(self, i: int, x: Any, n: int) -> tuple[Any, Any, Any]:
        """A block's loss, a term whose gradient is peer normalisation's direction, and its activities."""
        torch, recipe = self.torch, self.recipe
        z = torch.nn.functional.linear(x, self.W[i], self.b[i])
        h = torch.relu(z)
        gap = h.square().sum(1) - h.shape[1]
        loss = -torch.nn.functional.logsigmoid(self.sign * gap).sum() / (2 * n)
        with torch.no_grad():
            mean = self.mean[i]
            mean.lerp_(h[:n].mean(0), 1 - recipe.peer_momentum)
            direction = (mean - mean.mean()) * (recipe.peer / n)
        return loss, (z[:n].sum(0) * direction).sum(), h

    def tensors(self) -> Iterable[Any]:
        return [*self.W, *self.b, *self.V]

    def weights(self) -> dict[str, np.ndarray[Any, Any]]:
        both = [p.detach().numpy() for pair in zip(self.W, self.b, strict=True) for p in pair]
        found = {name: p.T if p.ndim == 2 else p for name, p in zip(self._names, both, strict=True)}
        return found | {f"head{i}": V.detach().numpy().T for i, V in zip(self.recipe.read, self.V, strict=True)}


class _Update:
    """v <- m v + (1 - m) g; w <- w - rate (v + decay w), by the fused SGD; the decay, which it would smooth, apart."""

    def __init__(self, torch: Any, recipe: Recipe, params: list[Any], head: bool = False) -> None:
        self._torch = torch
        rate, decay = (recipe.head_rate, recipe.head_decay) if head else (recipe.rate, recipe.decay)
        self._optimizer = torch.optim.SGD(params, rate, recipe.momentum, dampening=recipe.momentum, fused=True)
        for p in params:  # without one, the first step would take the whole gradient
            self._optimizer.state[p]["momentum_buffer"] = torch.zeros_like(p)
        self._shrunk, self._keep = [p.detach() for p in params if p.ndim > 1], 1 - rate * decay

    def __call__(self) -> None:
        self._torch._foreach_mul_(self._shrunk, self._keep)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
