"""Direct feedback alignment: gradients against a transcription, what an update reads, memory, and that it learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.errors import UsageError
from lab.layers import Ctx
from lab.networks import cnn, linear, lstm, mlp
from lab.objectives import CrossEntropy
from lab.optimizers import SGD, Adam
from lab.trainers import BackpropTrainer, FeedbackAlignmentTrainer
from tests.layers.gradcheck import assert_close, numeric_gradient
from tests.trainers.checks import images
from tests.trainers.test_forward_forward import toy

NETWORKS = {
    "mlp": (mlp(depth=3, width=6, activation="tanh"), (12,)),
    "mlp, normed": (mlp(depth=3, width=6, norm="length"), (12,)),
    "cnn": (cnn(channels=(2, 3), activation="tanh", pool="avg"), (1, 4, 4)),
    "lstm": (lstm(depth=2, units=3), (4, 3)),
}


def built(network: str = "mlp", **options: Any) -> Any:
    spec, shape = NETWORKS[network]
    return FeedbackAlignmentTrainer(spec, dtype="float64", **options).build(shape, 10)


def batch(trainer: Any, n: int = 5) -> Any:
    x, y = images(n, int(np.prod(trainer.in_shape)))
    return x.reshape(n, *trainer.in_shape), y


def test_block_updates_equal_an_independent_transcription() -> None:
    trainer = built()
    x, y = batch(trainer)
    w = trainer.network.parameters()
    W = [w["block1.input.1.W"], w["block2.block1.0.W"], w["block3.block2.0.W"], w["head.0.W"]]
    b = [w["block1.input.1.b"], w["block2.block1.0.b"], w["block3.block2.0.b"], w["head.0.b"]]
    h = [x]
    for i in range(3):
        h.append(np.tanh(h[-1] @ W[i] + b[i]))
    o = h[-1] @ W[3] + b[3]
    p = np.exp(o) / np.exp(o).sum(axis=1, keepdims=True)
    e = (p - np.eye(10)[y]) / len(y)
    _, grads = trainer.gradients(x, y, Ctx(trainer.ops, train=True, keep=True))
    assert_close(grads["head.0.W"], h[3].T @ e, "head", 1e-12)
    names = ("block1.input.1", "block2.block1.0", "block3.block2.0")
    for i, name in enumerate(names):
        delta = (e @ trainer.feedback[f"block{i + 1}"]) * (1 - h[i + 1] ** 2)
        assert_close(grads[f"{name}.W"], h[i].T @ delta, name, 1e-12)
        assert_close(grads[f"{name}.b"], delta.sum(axis=0), name, 1e-12)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_head_is_exact_and_so_is_the_inside_of_a_block(network: str) -> None:
    """The head follows the loss; block l follows sum(h_l e B_l), e held fixed: through time and pooling alike."""
    trainer = built(network)
    x, y = batch(trainer)
    ctx = Ctx(trainer.ops, train=True, keep=True)
    loss, grads = trainer.gradients(x, y, ctx)
    reference = BackpropTrainer(NETWORKS[network][0], dtype="float64").build(trainer.in_shape, 10)
    same, exact = reference.gradients(x, y, ctx)
    assert float(loss) == float(same)
    for name, g in exact.items():
        assert np.array_equal(grads[name], g) == name.startswith("head."), name

    output = list(trainer._visits(x, ctx.keeping(False)))[-1][1]
    _, e = CrossEntropy()(trainer.network.head.forward(output, ctx)[0], y, trainer.ops)
    for i, block in enumerate(trainer.network.blocks):
        dh = (e @ trainer.feedback[block.name]).reshape(len(x), *block.shape)

        def led(i: int = i, dh: Any = dh) -> float:
            return float((list(trainer.network.walk(x, ctx))[i][1] * dh).sum())

        for key, p in block.params.items():
            assert_close(grads[f"{block.name}.{key}"], numeric_gradient(led, p), f"{block.name}.{key}")


def test_an_update_reads_the_error_and_nothing_above() -> None:
    class Fixed(CrossEntropy):
        def __call__(self, output: Any, target: Any, ops: Any) -> Any:
            return super().__call__(output, target, ops)[0], np.linspace(-1, 1, output.size).reshape(output.shape)

    results = []
    for change in (0.0, 0.5):
        trainer = built(objective=Fixed())
        for block in trainer.network.blocks[1:]:
            for p in block.params.values():
                p += change
        _, grads = trainer.gradients(*batch(trainer), Ctx(trainer.ops, train=True, keep=True))
        results.append(grads)
    for name in trainer.network.block_parameters():
        assert np.array_equal(results[0][name], results[1][name]) == name.startswith("block1."), name


@pytest.mark.parametrize("network", NETWORKS)
def test_caches_that_are_made_again_give_the_same_bits(network: str) -> None:
    results = []
    for caches in ("kept", "recomputed"):
        trainer = built(network, caches=caches, optimizer=SGD(0.1))
        x, y = batch(trainer)
        for step in range(2):
            trainer._step(x, y, np.arange(5), step, 1.0, trainer._ctx(step))
        results.append(trainer.state())
    for name, value in results[0].items():
        assert np.array_equal(value, results[1][name]), name


def memory(depth: int, **options: Any) -> dict[str, Any]:
    trainer = FeedbackAlignmentTrainer(mlp(depth=depth, width=64), optimizer=SGD(0.1), batch_size=50, **options)
    list(trainer.fit(toy(100), epochs=1))
    return trainer.memory()


def test_only_one_blocks_gradient_is_held_and_caches_need_not_be() -> None:
    kept = {depth: memory(depth) for depth in (3, 12)}
    assert kept[12]["gradients"] == kept[3]["gradients"]
    assert kept[12]["activations"] - kept[3]["activations"] == 9 * 50 * 64 * 4
    lean = {depth: memory(depth, caches="recomputed")["activations"] for depth in (3, 12)}
    assert lean[12] == lean[3]


def test_the_feedback_depends_on_seed_and_block_alone() -> None:
    one, deeper = built(seed=1), FeedbackAlignmentTrainer(mlp(depth=5, width=6), dtype="float64", seed=1)
    deeper.build((12,), 10)
    assert np.array_equal(one.feedback["block2"], deeper.feedback["block2"])
    assert not np.array_equal(one.feedback["block2"], one.feedback["block3"])
    assert not np.array_equal(one.feedback["block2"], built(seed=2).feedback["block2"])
    wide = FeedbackAlignmentTrainer(mlp(depth=1, width=4000), feedback_scale=3.0).build((12,), 10)
    np.testing.assert_allclose(wide.feedback["block1"].std() * 4000**0.5, 3.0, rtol=0.02)
    assert wide.describe()["feedback_parameters"] == 40000


def test_it_learns_resumes_and_counts(tmp_path: Path) -> None:
    def fresh() -> FeedbackAlignmentTrainer:
        return FeedbackAlignmentTrainer(mlp(depth=3, width=30), optimizer=Adam(0.01), batch_size=20, seed=3)

    whole = fresh()
    list(whole.fit(toy(), epochs=8))
    assert whole.evaluate(toy(300, seed=2))["accuracy"] > 0.9
    half = fresh()
    next(iter(half.fit(toy(), epochs=8)))
    half.save(tmp_path / "half")
    rest = fresh().load(tmp_path / "half")
    list(rest.fit(toy(), epochs=8))
    for name, value in whole.state().items():
        assert np.array_equal(value, rest.state()[name]), name
    cost, backprop = whole.cost(), BackpropTrainer(mlp(depth=3, width=30), batch_size=20).build((12,), 3).cost()
    upstream, errors = 2 * (30 * 30 + 30 * 30 + 30 * 3), 3 * 2 * 3 * 30
    assert cost["flops_per_step"] == backprop["flops_per_step"] + 20 * (errors - upstream)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"caches": "none"}, "valid: kept, recomputed"), ({"feedback_scale": 0.0}, "feedback_scale=0.0")],
)
def test_wrong_options_are_one_sentence(options: Any, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        FeedbackAlignmentTrainer(mlp(), **options)
    assert words in str(raised.value)


def test_a_network_without_a_block_is_refused() -> None:
    network = linear().make((12,), 10, BackpropTrainer.defaults)
    network.blocks.clear()
    with pytest.raises(UsageError, match="no hidden block"):
        FeedbackAlignmentTrainer(network).build((12,), 10)
