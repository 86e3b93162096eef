"""Forward-forward in PyTorch by hand: no autograd, nothing written twice, every update in place.

What a user who knows both the method and PyTorch would do:
- relu's derivative needs no mask, since the loss's gradient with respect to h is a multiple of h;
- the first block's product with the image is shared by its positive, negative and neutral rows, forward and backward;
- a gradient's product goes straight into the running average, by addmm's beta;
- update and decay are one pass: with u = -v / decay kept in v's place, w - rate (v + decay w) = lerp(w, u, rate decay).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from lab.bench.pytorch.recipe import Recipe, draw_wrong
from lab.bench.pytorch.source import Batch
from lab.bench.pytorch.subject import TorchSubject
from lab.bench.work import Work
from lab.errors import UsageError
from lab.layers.norm import TINY


class Fused(TorchSubject):
    """compiled: the whole step by torch.compile, which then writes the elementwise kernels."""

    def __init__(self, work: Work, *, compiled: bool = False) -> None:
        super().__init__(work)
        torch, network = self.torch, self.source.network()
        self.recipe = recipe = Recipe.of(work, network)
        if not (recipe.decay and recipe.head_decay):
            raise UsageError("the hand-written PyTorch step folds the decay into its update and needs one above 0")
        params = network.block_parameters()
        self._names = list(params)
        found = [torch.from_numpy(p) for p in params.values()]
        self.W, self.b = found[::2], found[1::2]  # each W is (inputs, outputs), as in the lab
        dtype, classes = self.source.dtype, self.source.classes
        self.V = [torch.zeros(len(self.b[i]), classes, dtype=dtype) for i in recipe.read]
        self.U, self.c, self.UV = ([torch.zeros_like(p) for p in group] for group in (self.W, self.b, self.V))
        self.mean = [torch.full_like(b, 0.5) for b in self.b]
        self.sign = torch.cat([torch.ones(work.batch_size, dtype=dtype), -torch.ones(work.batch_size, dtype=dtype)])
        self._step = torch.compile(self._plain_step, dynamic=False) if compiled else self._plain_step

    def step(self, batch: Batch) -> None:
        with self.torch.no_grad():
            self.loss += self._step(*batch)

    def _plain_step(self, images: Any, target: Any, uniforms: Any) -> Any:
        """The sum of the blocks' losses before the update."""
        torch, recipe, n = self.torch, self.recipe, len(target)
        classes, depth, pixels = self.source.classes, len(self.W), images.shape[1]
        images[:, :classes] = 0
        shared = images @ self.W[0]
        squares = torch.linalg.vecdot(images, images)
        labels = self.W[0][:classes]

        scale = 1 / (((squares + 1 / classes) / pixels).sqrt() + TINY)
        h = torch.relu_((shared + labels.mean(0)).mul_(scale[:, None]).add_(self.b[0]))
        logits: Any = 0.0
        read = []
        for i in range(depth):
            if i:
                h = torch.relu_(torch.addmm(self.b[i], h, self.W[i]))
            h.mul_(self._scale(torch.linalg.vecdot(h, h), h.shape[1]))
            if i in recipe.read:
                logits = logits + h @ self.V[recipe.read.index(i)]
                read.append(h)
        probabilities = torch.softmax(logits, 1)
        wrong = draw_wrong(torch, probabilities, target, uniforms)
        error = probabilities.scatter_add(1, target[:, None], torch.full_like(target[:, None], -1, dtype=h.dtype))
        for V, U, x in zip(self.V, self.UV, read, strict=True):
            U.addmm_(x.T, error, beta=recipe.momentum, alpha=(recipe.momentum - 1) / (n * recipe.head_decay))
            V.lerp_(U, recipe.head_rate * recipe.head_decay)
        del read, probabilities, error, logits

        scale = (1 / (((squares + 1) / pixels).sqrt() + TINY))[:, None]
        both = torch.cat([target, wrong])
        h = torch.relu_((labels[both].view(2, n, -1) + shared).mul_(scale).add_(self.b[0]).view(2 * n, -1))
        loss: Any = 0.0
        x = images
        for i in range(depth):
            if i:
                h = torch.relu_(torch.addmm(self.b[i], x, self.W[i]))
            width = h.shape[1]
            g = torch.linalg.vecdot(h, h)
            gap = self.sign * (g - width)
            loss = loss - torch.nn.functional.logsigmoid(gap).sum() / (2 * n)
            slope = self.sign * torch.sigmoid(-gap) / -n  # of the loss against h, over h
            mean = self.mean[i]
            mean.lerp_(h[:n].mean(0), 1 - recipe.peer_momentum)
            d = h * slope[:, None]
            d[:n] += (mean - mean.mean()) * (recipe.peer / n)
            beta, alpha = recipe.momentum, (recipe.momentum - 1) / recipe.decay
            self.c[i].mul_(beta).add_(d.sum(0), alpha=1 - beta)
            if i:
                self.U[i].addmm_(x.T, d, beta=beta, alpha=alpha)
            else:
                d = d.view(2, n, -1).mul_(scale)
                self.U[0].addmm_(images.T, d.sum(0), beta=beta, alpha=alpha)
                self.U[0][:classes].index_add_(0, both, d.view(2 * n, -1), alpha=alpha)
            self.W[i].lerp_(self.U[i], recipe.rate * recipe.decay)
            self.b[i].add_(self.c[i], alpha=-recipe.rate)
            if i + 1 < depth:
                x = h.mul_(self._scale(g, width))
        return loss

    def _scale(self, squares: Any, width: int) -> Any:
        """(N, 1) factors that bring rows with these sums of squares to unit mean square; 1 / tiny times 0 is 0."""
        return (1 / ((squares / width).sqrt() + TINY))[:, None]

    def tensors(self) -> Iterable[Any]:
        return [*self.W, *self.b, *self.V]

    def weights(self) -> dict[str, np.ndarray[Any, Any]]:
        both = [p.numpy() for pair in zip(self.W, self.b, strict=True) for p in pair]
        found = dict(zip(self._names, both, strict=True))
        return found | {f"head{i}": V.numpy() for i, V in zip(self.recipe.read, self.V, strict=True)}
