"""The recurrent trainer: whole steps against a transcription, what a block reads, what is held, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lab.data.dataset import Split
from lab.errors import UsageError
from lab.layers import Ctx, Noise
from lab.networks import local_fields, mlp
from lab.objectives import Goodness
from lab.optimizers import SGD
from lab.trainers import BackpropTrainer, ForwardForwardTrainer, Readout, RecurrentTrainer
from lab.trainers.settling import FirstPass, SettlingPass
from tests.layers.gradcheck import assert_close, numeric_gradient
from tests.recipe import draw_negatives, rms, sigmoid, softmax
from tests.trainers.checks import images

K, N = 10, 7
RATE, DECAY, HEAD_RATE, HEAD_DECAY, KEPT, PEER = 0.01, 0.001, 0.1, 0.003, 0.9, 0.03


def recurrent(depth: int = 3, width: int = 6, **options: Any) -> RecurrentTrainer:
    """A small built float64 trainer."""
    options = {"batch_size": N, "dtype": "float64", **options}
    return RecurrentTrainer(mlp(depth=depth, width=width), **options).build((20,), K)


class Settling:
    """The net and one step of its training, written out once more in plain numpy, from the bottom up.

    up[l], down[l], bias[l] belong to hidden layer l; the last `down` reads the label. Smoothed gradients start at 0.
    """

    def __init__(self, trainer: RecurrentTrainer) -> None:
        blocks = trainer.network.blocks
        arrays = [[p.copy() for p in block.params.values()] for block in blocks]
        self.up, self.bias, self.down = ([own[i] for own in arrays] for i in range(3))
        self.head = [v.copy() for v in trainer._head.weights.values()]
        self.mean = [np.full(len(b), 0.5) for b in self.bias]
        self.smooth = {id(w): np.zeros_like(w) for w in (*self.up, *self.down, *self.bias, *self.head)}
        self.layers = range(len(self.up))
        self.iterations, self.damping = trainer.iterations, trainer.damping

    def first(self, x: Any) -> tuple[list[Any], list[Any]]:
        normal, states = [rms(x)], []
        for l in self.layers:
            states.append(np.maximum(normal[-1] @ self.up[l] + self.bias[l], 0))
            normal.append(rms(states[-1]))
        return normal, states

    def neighbours(self, normal: list[Any], label: Any) -> list[tuple[Any, Any]]:
        ends = [*normal, label]
        return [(ends[l], ends[l + 2]) for l in self.layers]

    def move(self, w: Any, ascent: Any, rate: float, decay: float) -> None:
        v = self.smooth[id(w)]
        v *= KEPT
        v += (1 - KEPT) * ascent
        w += rate * (v - decay * w)

    def step(self, x: Any, y: Any, uniforms: Any) -> list[float]:
        """One step; returns the mean loss of each layer over images and iterations."""
        normal, states = self.first(x)
        logits = sum(n @ v for n, v in zip(normal[1:], self.head, strict=True))
        for n, v in zip(normal[1:], self.head, strict=True):
            self.move(v, n.T @ (np.eye(K)[y] - softmax(logits)) / len(y), HEAD_RATE, HEAD_DECAY)
        wrong = draw_negatives(logits, y, uniforms)
        label = np.sqrt(K) * np.eye(K)[np.concatenate([y, wrong])]
        normal, states = ([np.concatenate([a, a]) for a in arrays] for arrays in (normal, states))
        losses = [0.0 for _ in self.layers]
        for _ in range(self.iterations):
            new = []
            for l, (below, above) in enumerate(self.neighbours(normal, label)):
                z = below @ self.up[l] + self.bias[l] + above @ self.down[l]
                s = (1 - self.damping) * np.maximum(z, 0) + self.damping * states[l]
                new.append(s)
                above_threshold = (s**2).sum(axis=1) - s.shape[1]
                sign = np.repeat([1.0, -1.0], len(y))
                losses[l] += np.logaddexp(0, -sign * above_threshold).sum() / 2 / len(y) / self.iterations
                signal = (sign * sigmoid(-sign * above_threshold))[:, None] * s * (1 - self.damping) * (z > 0)
                self.mean[l] = 0.9 * self.mean[l] + 0.1 * s[: len(y)].mean(axis=0)
                signal[: len(y)] += PEER * (self.mean[l].mean() - self.mean[l])
                gradients = [
                    (self.up[l], below.T @ signal),
                    (self.down[l], above.T @ signal),
                    (self.bias[l], signal.sum(0)),
                ]
                for w, ascent in gradients:
                    self.move(w, ascent / len(y), RATE, DECAY if w.ndim > 1 else 0.0)
            states = new
            normal = [normal[0], *(rms(s) for s in states)]
        return losses

    def goodness(self, x: Any, first: int, last: int) -> Any:
        """The mean over the counted iterations of the sum of squares of all layers, for each label: (N, K)."""
        found = np.zeros((len(x), K))
        for k in range(K):
            normal, states = self.first(x)
            label = np.sqrt(K) * np.eye(K)[np.full(len(x), k)]
            for t in range(1, last + 1):
                fresh = [
                    np.maximum(below @ self.up[l] + self.bias[l] + above @ self.down[l], 0)
                    for l, (below, above) in enumerate(self.neighbours(normal, label))
                ]
                states = [(1 - self.damping) * h + self.damping * s for h, s in zip(fresh, states, strict=True)]
                normal = [normal[0], *(rms(s) for s in states)]
                if t >= first:
                    found[:, k] += sum((s**2).sum(axis=1) for s in states) / (last - first + 1)
        return found


@pytest.mark.parametrize(("depth", "damping"), [(1, 0.3), (2, 0.0), (3, 0.3)])
def test_steps_equal_the_transcription(depth: int, damping: float) -> None:
    trainer = recurrent(depth, iterations=4, damping=damping, counted=(2, 3))
    oracle = Settling(trainer)
    trainer._start_epoch(epoch=1, epochs=5, n=3 * N)
    for step in range(3):
        x, y = images(N, seed=step)
        uniforms = trainer._draws[N * step : N * step + N]
        seen = trainer._step(x, y, np.arange(N), step, 1.0, Ctx(trainer.ops, Noise(0, step), train=True, keep=True))
        losses = oracle.step(x, y, uniforms)
        for l, block in enumerate(trainer.network.blocks):
            assert_close(np.asarray(seen[f"{block.name}/loss"]), np.asarray(losses[l]), f"{block.name} loss", 1e-10)
            assert_close(trainer._objectives[block.name]["mean_activity"], oracle.mean[l], "mean activity", 1e-10)
            below, b, above = block.params.values()
            for have, want in ((below, oracle.up[l]), (b, oracle.bias[l]), (above, oracle.down[l])):
                assert_close(have, want, f"{block.name} after step {step + 1}", 1e-10)
        for have, want in zip(trainer._head.weights.values(), oracle.head, strict=True):
            assert_close(have, want, "head", 1e-10)
    x, _ = images(5, seed=99)
    assert_close(trainer.goodness(x), oracle.goodness(x, 2, 3), "goodness of each label", 1e-10)


def begun(trainer: RecurrentTrainer, seed: int = 0) -> SettlingPass:
    """A pass before its first iteration."""
    x, y = images(N, seed=seed)
    ctx = Ctx(trainer.ops, Noise(0), train=True, keep=True)
    label = trainer.network.label_input
    assert label is not None
    labels = [label.one_hot(y, trainer.ops), label.one_hot((y + 1) % K, trainer.ops)]
    rows = trainer.rows(y)[0]
    return FirstPass.over(trainer.network, x, ctx.keeping(False)).clamped(
        trainer.network, labels, rows, ctx, trainer.damping
    )


@pytest.mark.parametrize("block", [0, 1])
def test_gradients_of_an_iteration(block: int) -> None:
    """Of the loss of the damped state, with what other blocks and the iteration before passed on held still."""
    objective = Goodness(peer=0.0, temperature=5.0)
    trainer = recurrent(2, objective=objective, optimizer=SGD(1.0, 0.0))
    trainer._start_epoch(1, 4, N)
    own = trainer.network.blocks[block]
    start = {name: p.copy() for name, p in own.params.items()}
    each = begun(trainer)
    old, values = dict(each.states), dict(each.values)

    def loss() -> float:
        h, _ = own.respond([values[s.name] for s in own.sources], Ctx(trainer.ops))
        state = (1 - trainer.damping) * h + trainer.damping * old[own.name]
        return float(objective(state, each.rows, trainer._objectives[own.name], each.ctx).loss)

    want = {name: numeric_gradient(loss, p) for name, p in own.params.items()}
    trainer.learn_block(block, [each])
    for name, p in own.params.items():
        assert_close(start[name] - p, want[name], name)


def test_a_block_reads_its_neighbours_alone_and_only_an_iteration_later() -> None:
    """The first block's update at iteration t is the same whatever the third does before iteration t - 1."""
    after = {}
    for changed in (False, True):
        trainer = recurrent(3, iterations=1, counted=(1, 1))
        trainer._start_epoch(1, 4, N)
        if changed:
            trainer.network.blocks[2].params["label.W"][...] += 1
        each = begun(trainer)
        for t in range(1, 4):
            trainer.learn_while_settling(each)
            after[changed, t] = trainer.network.blocks[0].params["input.1.W"].copy()
    same = [np.array_equal(after[False, t], after[True, t]) for t in (1, 2, 3)]
    assert same == [True, True, False]


def test_memory_is_flat_in_iterations_and_a_steady_step_allocates_nothing() -> None:
    rng = np.random.default_rng(0)
    rows = Split(rng.random((300, 100)).astype(np.float32), np.arange(300) % K)
    used = {}
    for iterations in (2, 16):
        trainer = RecurrentTrainer(mlp(depth=3, width=64), batch_size=50, iterations=iterations, counted=(1, 2))
        fresh: list[int] = []
        list(trainer.fit(rows, epochs=1, on_step=lambda t, fresh=fresh: fresh.append(t.ops.pool.fresh)))
        assert fresh[1:] == [fresh[1]] * 5
        used[iterations] = trainer.memory()
    assert used[2] == used[16]


def test_it_learns_and_settles() -> None:
    """Separable rows; the record tells how each iteration answers by itself."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 4, 400)
    x = rng.random((400, 30)).astype(np.float32)
    x[np.arange(400), 5 * y] += 1.5
    trainer = RecurrentTrainer(mlp(depth=2, width=30), objective=Goodness(temperature=3.0), batch_size=20)
    list(trainer.fit(Split(x[:300], y[:300]), epochs=8))
    found = trainer.evaluate(Split(x[300:], y[300:]))
    assert found["accuracy"] > 0.85 and found["accuracy_softmax"] > 0.85
    assert [row["iteration"] for row in found["iterations"]] == list(range(1, 9))
    assert max(row["accuracy"] for row in found["iterations"]) > 0.85
    assert [row["name"] for row in found["blocks"]] == ["block1", "block2"]
    assert (trainer.predict(x[300:]) == y[300:]).mean() == found["accuracy"]


def test_answers_by_the_head_take_the_first_pass_alone() -> None:
    by = {a: recurrent(2, readout=Readout(answer=a)) for a in ("goodness", "softmax", "shortlist")}  # type: ignore[arg-type]
    passes = {a: t.cost()["passes_per_prediction"] for a, t in by.items()}
    assert passes == {"goodness": 1 + 5 * K, "softmax": 1, "shortlist": 1 + 5 * 3}
    x, y = images(60, seed=2)
    for trainer in by.values():
        trainer._start_epoch(1, 4, N)
        trainer._step(x[:N], y[:N], np.arange(N), 0, 1.0, Ctx(trainer.ops, Noise(0), train=True, keep=True))
    whole, few = by["goodness"].goodness(x), by["shortlist"].predict(x)
    best = np.argsort(-by["softmax"].predict_proba(x), axis=1)[:, :3]
    assert np.array_equal(few, best[np.arange(60), np.take_along_axis(whole, best, axis=1).argmax(axis=1)])


def test_what_does_not_fit_is_refused() -> None:
    for options, words in (
        ({"counted": (3, 9)}, "use two numbers from 1 to 8"),
        ({"damping": 1.0}, "damping must be at least 0 and below 1"),
        ({"iterations": 0}, "use 1 or more"),
    ):
        with pytest.raises(UsageError, match=words):
            recurrent(**options)
    with pytest.raises(UsageError, match="no top-down connections"):
        RecurrentTrainer(mlp(top_down=False)).build((20,), K)
    for kind in (BackpropTrainer, ForwardForwardTrainer):
        with pytest.raises(UsageError, match="trainer=recurrent"):
            kind(mlp(top_down=True)).build((20,), K)
    with pytest.raises(UsageError, match="norm=length"):
        RecurrentTrainer(mlp(norm="batch")).build((20,), K)
    with pytest.raises(UsageError, match="label=auto"):
        RecurrentTrainer(mlp(label="pixels")).build((20,), K)


def test_the_clamped_label_is_scaled() -> None:
    one_hot = np.eye(K)
    for network in (mlp(depth=1, width=6, label_scale=4), local_fields((2,), kernel=1, stride=1, label_scale=4)):
        trainer = RecurrentTrainer(network, dtype="float64").build((1, 4, 5), K)
        label = trainer.network.label_input
        assert label is not None
        clamped = label.clamped(one_hot, trainer.ops)
        assert np.allclose(clamped, 4 * np.sqrt(K) * one_hot) and np.allclose((clamped**2).mean(axis=1), 16)


def test_fields_of_one_pixel_are_a_fully_connected_net() -> None:
    """The same weights, batches and labels give the same step, whatever shape the states have."""
    options: dict[str, Any] = {"batch_size": N, "dtype": "float64"}
    flat = RecurrentTrainer(mlp(depth=3, width=6, center=True), **options).build((20,), K)
    maps = RecurrentTrainer(local_fields(channels=(6,) * 3, kernel=1, stride=1, center=True), **options)
    maps.build((20, 1, 1), K)
    for a, b in zip(flat.network.parameters().values(), maps.network.parameters().values(), strict=True):
        b[...] = a.reshape(b.shape)
    x, y = images(N, seed=1)
    for trainer, rows in ((flat, x), (maps, x.reshape(N, 20, 1, 1))):
        trainer._start_epoch(1, 4, N)
        trainer._step(rows, y, np.arange(N), 0, 1.0, Ctx(trainer.ops, Noise(0), train=True, keep=True))
    for a, b in zip(flat.network.parameters().values(), maps.network.parameters().values(), strict=True):
        assert_close(b.reshape(a.shape), a, 1e-10)


def test_a_field_reads_its_own_place_of_the_map_above() -> None:
    options: dict[str, Any] = {"batch_size": N, "dtype": "float64"}
    trainer = RecurrentTrainer(local_fields(channels=(2, 2), kernel=3, stride=1, padding=1), **options)
    network = trainer.build((1, 5, 5), K).network
    below, above = network.blocks
    assert [(s.name, s.delay) for s in (*below.sources, *above.sources)] == [
        ("input", 0), ("block2", 1), ("block1", 0), ("label", 1),
    ]  # fmt: skip
    ctx, image, state = Ctx(trainer.ops), np.zeros((1, 1, 5, 5)), np.zeros((1, 2, 5, 5))
    before, _ = below.bodies[1].forward(state, ctx)
    state[0, 1, 1, 4] = 1.0
    after, _ = below.bodies[1].forward(state, ctx)
    where = np.zeros((5, 5), bool)
    where[0:3, 3:5] = True
    assert np.array_equal((before != after).any(axis=(0, 1)), where)
    assert above.respond([state, np.ones((1, K))], ctx)[0].shape == (1, *above.shape) == (1, 2, 5, 5)
    assert below.respond([image, None], ctx)[0].shape == (1, 2, 5, 5)
    with pytest.raises(UsageError, match=r"needs maps of the image's 5x5, but block1 has 3x3; use odd kernels"):
        RecurrentTrainer(local_fields(channels=(2,), kernel=3, stride=1)).build((1, 5, 5), K)
