"""SoftmaxHead: a linear readout of blocks that it does not reach back into."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import prod

from lab.backend import Array, Backend
from lab.layers import Ctx
from lab.networks import Network
from lab.objectives import CrossEntropy
from lab.optimizers import SGD
from lab.trainers.readout import LinearReadout, Readout


class SoftmaxHead:
    """Softmax on the normalised activities n_l of the counted blocks: p = softmax(sum_l n_l V_l), no bias.

    V = 0 at first. Gradient of the mean cross-entropy: dV_l = n_l^T (p - t) / N. It reaches no block. What the rows
    carry is the trainer's business: the neutral label, an image twice, or nothing.
    """

    def __init__(self, options: Readout | LinearReadout, network: Network, ops: Backend) -> None:
        self.options, self.network, self.ops = options, network, ops
        self.blocks = {block.name for block in options.counted(network)} if options.head != "none" else set()
        self.weights = {
            block.name: ops.zeros((prod(block.shape), network.n_outputs), kind="weights")
            for block in network.blocks
            if block.name in self.blocks
        }
        rate, momentum = options.learning_rate, options.momentum
        self.optimizer = SGD(rate, momentum, momentum, options.weight_decay)
        self.state = self.optimizer.start(self.weights, ops)
        self._loss = CrossEntropy()

    def arrays(self) -> dict[str, Array]:
        """What training changes, by name."""
        return {f"readout/{k}": a for k, a in self.weights.items()} | {
            f"readout_optimizer/{k}": a for k, a in self.state.items()
        }

    def probabilities(self, images: Array, ctx: Ctx) -> Array:
        """(N, K) for rows such as it learned from: one forward pass, nothing kept."""
        total: Array | None = None
        for name, n in self.activities(images, ctx):
            total = self._add(total, self.ops.affine(n, self.weights[name], None))
        return self._finish(total)

    def logits(self, images: Array, ctx: Ctx) -> dict[str, Array]:
        """n_l V_l of each counted block, (N, K) by name: what each says by itself; one forward pass."""
        return {name: self.ops.affine(n, self.weights[name], None) for name, n in self.activities(images, ctx)}

    def together(self, logits: dict[str, Array]) -> Array:
        """The probabilities (N, K) from what `logits` gave, which is left as it is."""
        total: Array | None = None
        for own in logits.values():
            total = self._add(total, own.copy())
        return self._finish(total)

    def learn(
        self, activities: Callable[[], Iterable[tuple[str, Array]]], target: Array, gain: float | Array,
        sound: Callable[[Array], None],
    ) -> tuple[Array, Array]:  # fmt: skip
        """One update from what `activities` gives; returns probabilities before it, and the mean loss.

        `activities` is called once, and once more where they are recomputed; `sound(loss)` before the update: it may
        raise.
        """
        total: Array | None = None
        kept: dict[str, Array] = {}
        grads: dict[str, Array] = {}
        losses = []
        for name, n in activities():
            logits = self.ops.affine(n, self.weights[name], None)
            if self._apart:
                loss, d = self._loss(logits, target, self.ops)
                losses.append(loss)
                grads[name] = self._gradient(name, n, d)
            elif self.options.head == "stored":
                kept[name] = n
            total = self._add(total, logits)
            del logits, n
        if not self._apart:
            assert total is not None
            loss, d = self._loss(total, target, self.ops)
            losses.append(loss)
            again = activities() if self.options.head == "recomputed" else iter(kept.items())
            for name, n in again:
                grads[name] = self._gradient(name, n, d)
        mean = sum(losses[1:], losses[0]) / len(losses)
        sound(mean)
        self.optimizer.step(self.weights, grads, self.state, self.ops, gain)
        return self._finish(total), mean

    def upstream(self, activities: dict[str, Array], target: Array) -> dict[str, Array]:
        """The gradient of the head's mean loss with respect to what the counted blocks pass on, in its shape.

        No update of forward-forward uses it: it is what backprop would send back from this head.
        """
        logits = {
            name: self.ops.affine(n.reshape(len(n), len(self.weights[name])), self.weights[name], None)
            for name, n in activities.items()
            if name in self.blocks
        }
        if self._apart:
            errors = {name: self._loss(o, target, self.ops)[1] / len(logits) for name, o in logits.items()}
        else:
            parts = list(logits.values())
            error = self._loss(sum(parts[1:], parts[0]), target, self.ops)[1]
            errors = dict.fromkeys(logits, error)
        return {name: (d @ self.weights[name].T).reshape(activities[name].shape) for name, d in errors.items()}

    def softmax(self, scores: Array) -> Array:
        """Softmax over the last axis."""
        return self._loss.probabilities(scores, self.ops)

    def activities(self, images: Array, ctx: Ctx) -> Iterator[tuple[str, Array]]:
        """The counted blocks' normalised activities (N, width), by name and in order, in a forward pass."""
        for block, h, n in self.network.walk(images, ctx):
            del h  # or it would stay until the next block has made its own
            if block.name in self.blocks:
                yield block.name, n.reshape(len(n), prod(block.shape))
            del n

    @property
    def _apart(self) -> bool:
        return self.options.head == "per_block"

    def _add(self, total: Array | None, logits: Array) -> Array:
        """Logits are summed over blocks; probabilities are, where every block has its own softmax."""
        own = self.softmax(logits) if self._apart else logits
        if total is None:
            return own
        total += own
        return total

    def _finish(self, total: Array | None) -> Array:
        assert total is not None
        return total / len(self.blocks) if self._apart else self.softmax(total)

    def _gradient(self, name: str, n: Array, d: Array) -> Array:
        return self.ops.affine_backward(n, self.weights[name], d, bias=False, need_dx=False)[1]
