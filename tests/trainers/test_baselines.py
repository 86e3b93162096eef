"""Deep supervision, scikit-learn and chance: what sets each apart from backprop, and what must not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lab
from lab.data import load_dataset
from lab.errors import UsageError
from lab.layers import Ctx
from lab.trainers import BackpropTrainer, ChanceTrainer, DeepSupervisionTrainer, ScikitLearnTrainer


def fitted(trainer: Any, epochs: int = 3) -> Any:
    data = load_dataset("digits")
    list(trainer.fit(data.train, data.valid, epochs=epochs))
    return trainer


def test_deep_supervision_gives_the_gradient_of_its_loss() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 7)), rng.integers(0, 4, 12)
    network = lab.mlp(depth=3, width=6, activation="tanh")
    trainer = DeepSupervisionTrainer(network, dtype="float64", weight=0.7).build((7,), 4)
    arrays = {n.removeprefix("weights/"): a for n, a in trainer._arrays().items() if n.startswith("weights/")}
    ctx = Ctx(trainer.ops, train=True, keep=True)

    def loss() -> float:
        return float(trainer.gradients(x, y, ctx)[0])

    _, grads = trainer.gradients(x, y, ctx)
    assert set(grads) == set(arrays) and {"block1.head.1.W", "block2.head.1.b"} <= set(grads)
    for name, g in grads.items():
        flat, place = arrays[name].reshape(-1), int(rng.integers(g.size))
        before = flat[place]
        flat[place] = before + 1e-6
        up = loss()
        flat[place] = before - 1e-6
        down = loss()
        flat[place] = before
        assert g.reshape(-1)[place] == pytest.approx((up - down) / 2e-6, rel=1e-5, abs=1e-9), name


def test_without_weight_it_is_backprop() -> None:
    plain = fitted(BackpropTrainer(lab.mlp(depth=2, width=16), seed=3))
    deep = fitted(DeepSupervisionTrainer(lab.mlp(depth=2, width=16), seed=3, weight=0.0))
    own = deep.state()
    for name, array in plain.state().items():
        if name.startswith("weights/"):
            assert np.array_equal(array, own[name]), name
    test = load_dataset("digits").test
    found = deep.evaluate(test)
    assert [block["name"] for block in found["blocks"]] == ["block1", "block2"]
    assert found["blocks"][-1]["accuracy"] == found["accuracy"] == plain.evaluate(test)["accuracy"]
    extra = deep.describe()["head_parameters"] - plain.describe()["head_parameters"]
    assert extra == 16 * 10 + 10 and deep.cost()["flops_per_step"] > plain.cost()["flops_per_step"]
    with pytest.raises(UsageError, match="answer wrongly"):
        DeepSupervisionTrainer(lab.mlp(), weight=-1)


def test_scikit_learns_update_is_ours() -> None:
    """From equal weights one epoch of either ends in the same ones: two programs, one algorithm."""
    data = load_dataset("digits")
    # a small eps, since the two have it in different places
    options: dict[str, Any] = {"seed": 0, "dtype": "float64", "batch_size": 50, "optimizer": lab.Adam(eps=1e-14)}
    theirs = ScikitLearnTrainer(lab.mlp(depth=2, width=12), alpha=0.0, **options)
    ours = BackpropTrainer(lab.mlp(depth=2, width=12), **options)
    for trainer in (theirs, ours):
        trainer.build(data.shape, 10, scale=data.train.scale)
    own = ours.network.parameters()
    weights = iter(theirs._model.coefs_), iter(theirs._model.intercepts_)
    for name, p in own.items():
        p[...] = next(weights[0] if name.endswith("W") else weights[1]).reshape(p.shape)
    for trainer in (theirs, ours):
        list(trainer.fit(data.train, data.valid, epochs=1))
    layers = zip(theirs._model.coefs_, theirs._model.intercepts_, strict=True)
    for mine, other in zip(own.values(), [array for layer in layers for array in layer], strict=True):
        assert np.allclose(mine, other, rtol=1e-6, atol=1e-8)
    assert theirs.evaluate(data.test)["accuracy"] == ours.evaluate(data.test)["accuracy"]
    assert theirs.describe()["label"] == "mlp 2x12 of scikit-learn" and theirs.memory() == {}


def test_scikit_learn_refuses_what_it_has_not() -> None:
    data = load_dataset("digits")
    for network in (lab.mlp(depth=1, width=4, norm="length"), lab.linear(), lab.cnn()):
        with pytest.raises(UsageError, match="scikit-learn"):
            ScikitLearnTrainer(network).build(data.shape, 10)
    for options in ({"optimizer": lab.Adam(weight_decay=0.1)}, {"backend": "cupy"}, {"alpha": -1.0}):
        with pytest.raises(UsageError, match="scikit-learn"):
            ScikitLearnTrainer(lab.mlp(), **options)


def test_chance_is_chance_and_each_seed_guesses_anew() -> None:
    data = load_dataset("digits")
    found = [fitted(ChanceTrainer(lab.linear(), seed=seed), epochs=1) for seed in (0, 1)]
    answers = [trainer.predict(data.test.x) for trainer in found]
    assert not np.array_equal(*answers)
    for trainer, answer in zip(found, answers, strict=True):
        assert trainer.evaluate(data.test)["accuracy"] == (answer == data.test.y).mean() < 0.2
        assert trainer.evaluate(data.test)["loss"] == pytest.approx(np.log(10), abs=1e-3)
