"""Backprop: gradients of whole networks, tasks, and that its updates do read what lies above."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lab.data.dataset import Split
from lab.errors import Diverged, UsageError
from lab.layers import Ctx, Dense, Identity, Sequential, Tanh
from lab.networks import Block, Network, Source, linear, mlp
from lab.objectives import BinaryCrossEntropy, CrossEntropy, Hinge, SquaredError
from lab.optimizers import SGD, Adam
from lab.trainers import BackpropTrainer
from tests.layers.gradcheck import assert_close, numeric_gradient
from tests.trainers.checks import check_backprop_gradients, images
from tests.trainers.test_forward_forward import toy


@pytest.mark.parametrize("norm", ["none", "length"])
@pytest.mark.parametrize("label", ["none", "neutral"])
def test_gradients(norm: str, label: str) -> None:
    check_backprop_gradients(norm, label)


def test_gradients_where_blocks_branch_and_join() -> None:
    """Two blocks read the input, one reads both of them and the input again; one more is read by nobody."""
    network = Network(
        [
            Block("left", Dense(3), Tanh()),
            Block("right", Dense(4), Tanh()),
            Block("unread", Dense(2), Tanh()),
            Block(
                "join",
                [Dense(5), Dense(5), Dense(5)],
                Tanh(),
                sources=(Source("left"), Source("right"), Source("input")),
            ),
            Block("top", [Dense(3), Dense(3)], Identity(), sources=(Source("join"), Source("left"))),
        ],
        Sequential([Dense(10)]),
    )
    trainer = BackpropTrainer(network, dtype="float64").build((6,), 10)
    x, y = images(5, 6)
    ctx = Ctx(trainer.ops, train=True, keep=True)
    _, grads = trainer.gradients(x, y, ctx)
    for name, p in network.parameters().items():
        assert_close(grads[name], numeric_gradient(lambda: float(trainer.gradients(x, y, ctx)[0]), p), name)


def test_its_updates_read_what_lies_above() -> None:
    """The opposite of the locality of forward-forward, on the same network."""
    results = []
    for change in (0.0, 0.5):
        trainer = BackpropTrainer(mlp(depth=3, width=6), dtype="float64").build((12,), 10)
        for p in trainer.network.blocks[1].params.values():
            p += change
        x, y = images(6, 12)
        _, grads = trainer.gradients(x, y, Ctx(trainer.ops, train=True, keep=True))
        results.append(grads["block1.input.1.W"].copy())
    assert (results[0] != results[1]).any()


@pytest.mark.parametrize("objective", [CrossEntropy(), Hinge(), SquaredError()])
@pytest.mark.parametrize("optimizer", [Adam(0.01), SGD(0.1, 0.9, l2=1e-4, l1=1e-5, schedule="cosine")])
def test_classes(objective: Any, optimizer: Any) -> None:
    trainer = BackpropTrainer(mlp(depth=2, width=30), objective=objective, optimizer=optimizer, batch_size=20)
    records = list(trainer.fit(toy(), toy(30, seed=1), epochs=15))
    assert records[-1].train_loss < records[0].train_loss
    found = trainer.evaluate(toy(300, seed=2))
    assert found["accuracy"] > 0.9
    assert found["accuracy"] == pytest.approx(1 - found["error"])
    assert (trainer.predict(toy(300, seed=2).x) == toy(300, seed=2).y).mean() == found["accuracy"]


def test_linear_regression_reaches_the_least_squares_solution() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 3))
    y = x @ [1.0, -2.0, 0.5] + 3 + 0.1 * rng.standard_normal(200)
    trainer = BackpropTrainer(linear(), optimizer=SGD(0.1, 0.9, schedule="cooldown"), dtype="float64", batch_size=200)
    list(trainer.fit(Split(x, y), epochs=400))
    design = np.hstack([x, np.ones((200, 1))])
    best, *_ = np.linalg.lstsq(design, y, rcond=None)
    found = np.append(trainer.state()["weights/head.1.W"][:, 0], trainer.state()["weights/head.1.b"])
    np.testing.assert_allclose(found, best, rtol=1e-6)
    scores = trainer.evaluate(Split(x, y))
    assert scores["rmse"] == pytest.approx(np.sqrt(((design @ best - y) ** 2).mean()))
    assert scores["r2"] == pytest.approx(1 - ((design @ best - y) ** 2).sum() / ((y - y.mean()) ** 2).sum())
    np.testing.assert_allclose(trainer.predict(x), design @ best, rtol=1e-5)


def test_one_output_is_logistic_regression() -> None:
    """Its weights, penalty and all, are those that scikit-learn finds by another method."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 3))
    y = (x @ [2.0, -1.0, 0.0] + rng.logistic(size=200) > 0.5).astype(np.int64)
    options = {"objective": BinaryCrossEntropy(), "dtype": "float64", "batch_size": 200}
    trainer = BackpropTrainer(linear(), optimizer=SGD(1.0, 0.9, l2=0.01, schedule="cooldown"), **options)
    list(trainer.fit(Split(x, y), epochs=300))
    other = LogisticRegression(C=1 / (200 * 0.01), tol=1e-10).fit(x, y)
    np.testing.assert_allclose(trainer.state()["weights/head.1.W"], other.coef_.T, rtol=1e-5)
    np.testing.assert_allclose(trainer.predict_proba(x), other.predict_proba(x), rtol=1e-5)
    found = trainer.evaluate(Split(x, y))
    assert found["accuracy"] == other.score(x, y) == (trainer.predict(x) == y).mean()
    p = other.predict_proba(x)[np.arange(200), y]
    assert found["loss"] == pytest.approx(-np.log(p).mean(), rel=1e-5)


def test_misfits_are_said_before_any_work() -> None:
    with pytest.raises(UsageError, match="two classes, labels 0 and 1, but there are 3 classes; use cross_entropy"):
        BackpropTrainer(linear(), objective=BinaryCrossEntropy()).fit(toy(), epochs=1)
    numbers = Split(np.zeros((4, 3)), np.zeros(4))
    with pytest.raises(UsageError, match="squared_error"):
        BackpropTrainer(mlp(), objective=CrossEntropy()).fit(numbers, epochs=1)
    with pytest.raises(UsageError, match="valid: none, neutral"):
        BackpropTrainer(mlp(), label="wrong")  # type: ignore[arg-type]
    late = Block("top", [Dense(3), Dense(3)], Tanh(), sources=(Source("input"), Source("input", delay=1)))
    with pytest.raises(UsageError, match="top_down=false"):
        BackpropTrainer(Network([late], Dense(2))).build((3,), 2)
    with pytest.raises(UsageError, match="label 2"):
        BackpropTrainer(mlp(depth=1, width=3)).fit(Split(np.zeros((2, 12)), np.array([0, 1])), toy(), epochs=1)


def test_divergence_names_step_and_place() -> None:
    trainer = BackpropTrainer(mlp(depth=1, width=8), optimizer=SGD(1e30, 0.0), dtype="float32", batch_size=20)
    with pytest.raises(Diverged, match="the output became"), np.errstate(all="ignore"):
        list(trainer.fit(toy(), epochs=5))
