"""A layer on an analog device: what its converters, gains, offsets and noise do, and what learns of them: nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lab.backend import NumpyBackend
from lab.data import load_dataset
from lab.errors import UsageError
from lab.layers import AnalogDense, Ctx, Dense, Noise
from lab.networks import analog_mlp, mlp
from lab.quality import measure
from lab.trainers import BackpropTrainer, ForwardForwardTrainer

OPS = NumpyBackend("float64")
X = np.random.default_rng(0).standard_normal((200, 30))


def built(units: int = 20, **options: Any) -> AnalogDense:
    layer = AnalogDense(units, **options)
    assert layer.build((30,), OPS, np.random.default_rng(0)) == (units,)
    return layer


def dense() -> Dense:
    layer = Dense(20)
    layer.build((30,), OPS, np.random.default_rng(0))
    return layer


def out(layer: Any, x: Any = X, step: int = 0) -> Any:
    return layer.forward(x, Ctx(OPS, Noise(0, step)))[0]


def test_the_ideal_device_is_a_dense_layer_behind_converters() -> None:
    exact = out(dense())
    errors = [np.abs(out(built(device=0, bits=bits)) - exact).max() for bits in (4, 8, 16)]
    assert errors[0] > 10 * errors[1] > 1000 * errors[2] > 0
    assert np.array_equal(out(built(device=0), step=1), out(built(device=0), step=2))  # no noise


@pytest.mark.parametrize("bits", [2, 4])
def test_a_converter_has_evenly_spaced_values_and_saturates(bits: int) -> None:
    y = out(built(device=0, bits=bits), 100 * X)
    steps = 2 ** (bits - 1) - 1
    values = np.linspace(-8, 8, 2 * steps + 1)
    assert np.allclose(np.abs(y[..., None] - values).min(axis=-1), 0) and 0 in values
    assert y.max() == 8 and y.min() == -8
    taken = built(device=0, bits=bits).forward(100 * X, Ctx(OPS, keep=True))[1]
    assert set(np.unique(np.abs(taken).round(9))) <= set(np.linspace(0, 4, steps + 1).round(9))


def test_gains_and_offsets_are_of_the_device_and_the_noise_of_the_pass() -> None:
    still = {"noise": 0.0, "bits": 16}
    first, other = built(**still), built(device=2, **still)
    W = first.params["W"]
    assert np.array_equal(W, other.params["W"])  # the weights do not know of the device
    made = {layer: layer._gains / 1 - 1 for layer in (first, other)}
    for gains in made.values():
        assert gains.std() == pytest.approx(0.2, rel=0.1) and abs(gains.mean()) < 0.03
    assert abs(np.corrcoef(made[first].ravel(), made[other].ravel())[0, 1]) < 0.15
    small = X / 10  # away from the converters' ends
    assert np.allclose(out(first, small), small @ (W * first._gains) + first._offsets, atol=2e-3)
    assert np.allclose(out(built(place=1, **still)), out(built(place=1, **still)))
    assert not np.allclose(out(built(place=1, **still)), out(first))
    noisy = built(noise=0.3, bits=16)
    n = out(noisy, small) - out(first, small)
    assert n.std() == pytest.approx(0.3, rel=0.05)
    assert np.array_equal(out(noisy, step=3), out(noisy, step=3)) and not np.allclose(out(noisy), out(noisy, step=3))


def test_the_gradient_is_that_of_the_layer_that_it_is_taken_for() -> None:
    layer, ideal = built(), dense()
    ctx = Ctx(OPS, keep=True)
    _, taken = layer.forward(X, ctx)
    dy = np.random.default_rng(1).standard_normal((200, 20))
    dx, grads = layer.backward(dy, taken, ctx)
    expected, theirs = ideal.backward(dy, taken, ctx)
    assert np.array_equal(dx, expected) and all(np.array_equal(grads[k], theirs[k]) for k in ("W", "b"))


def test_moving_to_another_device_leaves_the_weights() -> None:
    layer = built(noise=0.0)
    before, W = out(layer), layer.params["W"].copy()
    layer.install(7, OPS)
    assert not np.allclose(out(layer), before) and np.array_equal(layer.params["W"], W)
    layer.install(1, OPS)
    assert np.array_equal(out(layer), before)


@pytest.mark.parametrize("kind", [ForwardForwardTrainer, BackpropTrainer])
def test_weights_are_worth_less_where_they_were_not_learnt(kind: Any) -> None:
    data = load_dataset("mnist", limit=400)
    trainer = kind(analog_mlp(depth=2, width=60, bits=6, gains=0.6, offsets=0.6), batch_size=10)
    list(trainer.fit(data.train, epochs=6 if kind is BackpropTrainer else 1))
    before = trainer.predict_proba(data.test.x)
    found = measure(trainer, data, ["devices"])["devices"]
    assert found["own"] == float((before.argmax(axis=1) == data.test.y).mean())
    assert len(set(found["each"])) > 1 and found["copied"] == pytest.approx(np.mean(found["each"]))
    if kind is BackpropTrainer:  # the other learns too slowly for a test
        assert found["own"] > 0.6 and found["copied"] < found["own"] - 0.1
    assert np.array_equal(trainer.predict_proba(data.test.x), before)  # it is back where it was


def test_an_exact_network_is_on_no_device() -> None:
    data = load_dataset("mnist", limit=20)
    trainer = BackpropTrainer(mlp(depth=1, width=4))
    list(trainer.fit(data.train, epochs=1))
    assert measure(trainer, data, ["devices"]) == {}


def test_wrong_options_are_one_sentence() -> None:
    for options, message in (
        ({"bits": 1}, "bits from 2 to 16, got bits=1"),
        ({"gains": -0.1}, "gains=-0.1"),
        ({"device": -1}, "device=-1 numbers no device"),
    ):
        with pytest.raises(UsageError, match=message):
            analog_mlp(**options)  # type: ignore[arg-type]
