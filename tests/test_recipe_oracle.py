"""The oracle itself: gradients against central differences, negatives, schedule, and what it keeps between steps."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.recipe import CLASSES, Recipe, draw_negatives, gain, rms, softmax

Array = NDArray[np.float64]
PIXELS = 16


def make(widths: tuple[int, ...] = (9, 7, 8), seed: int = 0, *, epochs: int = 10, **options: Any) -> Recipe:
    rng = np.random.default_rng(seed)
    sizes = (PIXELS, *widths)
    weights = [rng.normal(0, i**-0.5, (i, o)) for i, o in pairwise(sizes)]
    biases = [rng.normal(0, 0.1, o) for o in widths]
    head = [rng.normal(0, 0.3, (o, CLASSES)) for o in (widths[1:] or widths)]
    return Recipe(weights, biases, head, epochs=epochs, **options)


def batch(count: int = 6, seed: int = 1) -> tuple[Array, NDArray[np.int64], Array]:
    rng = np.random.default_rng(seed)
    return rng.random((count, PIXELS)), rng.integers(0, CLASSES, count), rng.random(count)


def slope(f: Any, array: Array, index: tuple[int, ...], step: float = 1e-6) -> float:
    """Central difference of f() in one element of `array`, which f reads."""
    kept = array[index]
    array[index] = kept + step
    above = f()
    array[index] = kept - step
    below = f()
    array[index] = kept
    return (above - below) / (2 * step)


@pytest.mark.parametrize("temperature", [1.0, 0.4])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_layers_update_ascends_its_own_loss_given_its_rows(layer: int, temperature: float) -> None:
    recipe = make(peer=0.0, temperature=temperature)
    before = make(temperature=temperature)
    out = recipe.step(*batch(), epoch=1)
    x_positive, x_negative = out["positive_states"][layer], out["negative_states"][layer]
    w, b = before.weights[layer], before.biases[layer]

    def minus_loss() -> float:
        y_positive = np.maximum(x_positive @ w + b, 0.0)
        y_negative = np.maximum(x_negative @ w + b, 0.0)
        total = before.losses(y_positive, +1).sum() + before.losses(y_negative, -1).sum()
        return float(-total / len(x_positive))

    for index in np.ndindex(w.shape):
        assert out["grad_weights"][layer][index] == pytest.approx(slope(minus_loss, w, index), rel=1e-6, abs=1e-9)
    for index in np.ndindex(b.shape):
        assert out["grad_biases"][layer][index] == pytest.approx(slope(minus_loss, b, index), rel=1e-6, abs=1e-9)


def test_the_loss_is_the_softplus_of_the_goodness_gap() -> None:
    recipe = make(temperature=2.0)
    activity = np.array([[1.0, 2.0, 0.0]])  # g = 5, n = 3, so (g - n) / T = 1
    assert recipe.losses(activity, +1) == pytest.approx(np.log(1 + np.exp(-1.0)))
    assert recipe.losses(activity, -1) == pytest.approx(np.log(1 + np.exp(1.0)))
    assert recipe.probability(activity) == pytest.approx(1 / (1 + np.exp(-1.0)))


def test_the_heads_update_ascends_the_log_likelihood_under_the_neutral_label() -> None:
    images, labels, uniforms = batch()
    before = make()
    out = make().step(images, labels, uniforms, epoch=1)

    def log_likelihood() -> float:
        p = before.softmax_probabilities(images)
        return float(np.mean(np.log(p[np.arange(len(labels)), labels])))

    for v, grad in zip(before.head, out["grad_head"], strict=True):
        for index in np.ndindex(v.shape):
            assert grad[index] == pytest.approx(slope(log_likelihood, v, index), rel=1e-6, abs=1e-9)


def test_peer_normalisation_reaches_silent_units_of_positive_rows_only() -> None:
    with_peer, without = make(peer=0.03).step(*batch(), epoch=1), make(peer=0.0).step(*batch(), epoch=1)
    for l in range(3):
        mean = 0.9 * 0.5 + 0.1 * with_peer["positive_activities"][l].mean(axis=0)
        np.testing.assert_allclose(with_peer["mean_activity"][l], mean, rtol=1e-13)
        added = with_peer["positive_signals"][l] - without["positive_signals"][l]
        assert (with_peer["positive_activities"][l] == 0.0).any()
        np.testing.assert_allclose(added, np.broadcast_to(0.03 * (mean.mean() - mean), added.shape), atol=1e-15)
        np.testing.assert_array_equal(with_peer["negative_signals"][l], without["negative_signals"][l])


def test_a_negative_label_is_never_the_true_one() -> None:
    rng = np.random.default_rng(2)
    labels = np.repeat(np.arange(CLASSES), 60)
    logits = rng.normal(0, 5, (len(labels), CLASSES))
    logits[::3, :] = 0.0
    logits[np.arange(len(labels))[::2], labels[::2]] += 2000.0  # certain of the truth: the rest underflows to 0
    uniforms = rng.choice([0.0, 0.5, np.nextafter(1.0, 0.0), *rng.random(20)], len(labels))
    drawn = draw_negatives(logits, labels, uniforms)
    assert (drawn != labels).all()
    assert ((drawn >= 0) & (drawn < CLASSES)).all()


def test_negative_labels_follow_the_masked_probabilities() -> None:
    logits = np.random.default_rng(3).normal(0, 1.5, CLASSES)
    true, grid = 4, 4000
    u = (np.arange(grid) + 0.5) / grid
    drawn = draw_negatives(np.tile(logits, (grid, 1)), np.full(grid, true), u)
    expected = softmax(logits[None])[0]
    expected[true] = 0.0
    expected /= expected.sum()
    np.testing.assert_allclose(np.bincount(drawn, minlength=CLASSES) / grid, expected, atol=1.01 / grid)
    assert (np.diff(drawn) >= 0).all()  # the inverse of a cumulative sum in the order of the classes


def test_the_first_class_that_exceeds_u_is_drawn() -> None:
    logits = np.log(np.array([[0.5, 0.25, 0.25, 0, 0, 0, 0, 0, 0, 0]]) + 1e-300)
    for u, expected in [(0.0, 1), (0.49, 1), (0.51, 2), (0.999, 2)]:
        assert draw_negatives(logits, np.array([0]), np.array([u])) == [expected]
    evens = np.array([[0.0, 0.0, 0.0, *[-np.inf] * 7]])  # exactly one half for classes 1 and 2
    assert draw_negatives(evens, np.array([0]), np.array([0.5])) == [2]


@pytest.mark.parametrize(
    ("epoch", "epochs", "expected"),
    [
        (1, 60, 1.0),
        (30, 60, 1.0),
        (31, 60, 59 / 60),
        (60, 60, 1 / 60),
        (1, 1, 1.0),
        (3, 5, 1.0),
        (4, 5, 0.6),
        (5, 5, 0.2),
    ],
)
def test_the_gain_is_one_for_half_the_epochs_and_then_falls_in_a_line(epoch: int, epochs: int, expected: float) -> None:
    assert gain(epoch, epochs) == pytest.approx(expected)


def test_a_step_moves_parameters_by_gain_times_rate_times_smoothed_gradient_less_decay() -> None:
    options = {"lr": 0.02, "wc": 0.05, "head_lr": 0.3, "head_wc": 0.07, "momentum": 0.8}
    recipe, start = make(**options), make(**options)
    first = recipe.step(*batch(seed=1), epoch=1)
    second = recipe.step(*batch(seed=5), epoch=10)
    assert (first["gain"], second["gain"]) == (1.0, 0.1)
    for l in range(3):
        smooth = 0.2 * first["grad_weights"][l]
        w1 = start.weights[l] + 0.02 * (smooth - 0.05 * start.weights[l])
        np.testing.assert_allclose(first["weights"][l], w1, rtol=1e-13)
        smooth = 0.8 * smooth + 0.2 * second["grad_weights"][l]
        np.testing.assert_allclose(second["weights"][l], w1 + 0.002 * (smooth - 0.05 * w1), rtol=1e-13)
        b1 = start.biases[l] + 0.02 * 0.2 * first["grad_biases"][l]
        b2 = b1 + 0.002 * (0.8 * 0.2 * first["grad_biases"][l] + 0.2 * second["grad_biases"][l])
        np.testing.assert_allclose(second["biases"][l], b2, rtol=1e-13)
    for i in range(2):
        smooth = 0.2 * first["grad_head"][i]
        v1 = start.head[i] + 0.3 * (smooth - 0.07 * start.head[i])
        smooth = 0.8 * smooth + 0.2 * second["grad_head"][i]
        np.testing.assert_allclose(second["head"][i], v1 + 0.03 * (smooth - 0.07 * v1), rtol=1e-13)


def test_every_pass_of_a_step_uses_the_weights_from_before_it() -> None:
    images, labels, uniforms = batch()
    out = make(lr=5.0).step(images, labels, uniforms, epoch=1)
    states, activities = make().forward(images, np.eye(CLASSES)[labels])
    for l in range(3):
        np.testing.assert_array_equal(out["positive_activities"][l], activities[l])
        np.testing.assert_array_equal(out["positive_states"][l + 1], states[l + 1])
        assert not np.array_equal(out["weights"][l], make().weights[l])


def test_rows_have_mean_square_one_and_a_row_of_zeros_stays_zero() -> None:
    x = np.random.default_rng(6).normal(3, 2, (4, 11))
    x[2] = 0.0
    np.testing.assert_allclose(np.mean(rms(x) ** 2, axis=1), [1, 1, 0, 1])
    np.testing.assert_allclose(rms(1e-9 * x), rms(x))
    states, activities = make().forward(batch()[0], np.eye(CLASSES)[0])
    for state, y in zip(states[1:], activities, strict=True):
        np.testing.assert_allclose(state, y / np.sqrt(np.mean(y**2, axis=1))[:, None], rtol=1e-13)


def test_labels_stand_in_the_first_ten_pixels_and_the_images_stay_untouched() -> None:
    images, labels, uniforms = batch()
    kept = images.copy()
    recipe = make()
    out = recipe.step(images, labels, uniforms, epoch=1)
    np.testing.assert_array_equal(images, kept)
    for states, pixels in [
        (out["neutral_states"], np.full((6, CLASSES), 0.1)),
        (out["positive_states"], np.eye(CLASSES)[labels]),
        (out["negative_states"], np.eye(CLASSES)[out["negative_labels"]]),
    ]:
        np.testing.assert_allclose(states[0], rms(np.hstack([pixels, kept[:, CLASSES:]])))


def test_goodness_leaves_out_the_first_layer_unless_it_is_the_only_one() -> None:
    images, _, _ = batch()
    deep, flat = make(), make((9,))
    _, activities = deep.forward(images, np.eye(CLASSES)[3])
    np.testing.assert_allclose(deep.goodness_scores(images)[:, 3], sum((y**2).sum(1) for y in activities[1:]))
    _, activities = flat.forward(images, np.eye(CLASSES)[3])
    np.testing.assert_allclose(flat.goodness_scores(images)[:, 3], (activities[0] ** 2).sum(1))


def test_it_learns_ten_noisy_patterns_by_both_readouts() -> None:
    rng = np.random.default_rng(7)
    patterns = rng.random((CLASSES, 40)) < 0.4
    labels = np.tile(np.arange(CLASSES), 10)
    images = np.hstack([np.zeros((100, CLASSES)), np.abs(patterns[labels] - 0.2 * rng.random((100, 40)))])
    sizes = (50, 40, 40)
    weights = [rng.normal(0, i**-0.5, (i, o)) for i, o in pairwise(sizes)]
    recipe = Recipe(weights, [np.zeros(40)] * 2, [np.zeros((40, CLASSES))], epochs=40, lr=0.1)
    for epoch in range(1, 41):
        for _ in range(10):
            recipe.step(images, labels, rng.random(100), epoch)
    assert np.mean(recipe.goodness_scores(images).argmax(axis=1) == labels) > 0.95
    assert np.mean(recipe.softmax_probabilities(images).argmax(axis=1) == labels) > 0.95
