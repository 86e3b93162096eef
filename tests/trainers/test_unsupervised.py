"""Learning without labels from hybrids: what masks and hybrids are, what blocks are shown, and when the head learns."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from lab.backend import NumpyBackend
from lab.errors import UsageError
from lab.layers import Ctx, Noise
from lab.networks import cnn, local_fields, mlp, rnn
from lab.objectives import Rows, SymBa
from lab.trainers import LinearReadout, UnsupervisedTrainer, check_trainer
from lab.trainers.hybrids import Hybrids, blur
from tests.trainers.test_forward_forward import toy

OPS = NumpyBackend()


def blurred(image: Any, times: int) -> Any:
    """[1/4, 1/2, 1/4] both ways, pass by pass, the border repeated: what the two matrices say at once."""
    for _ in range(times):
        for axis in (0, 1):
            wide = np.pad(image, [(1, 1) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
            before, here, after = (np.take(wide, range(k, k + image.shape[axis]), axis) for k in range(3))
            image = before / 4 + here / 2 + after / 4
    return image


@pytest.mark.parametrize("times", [0, 1, 6])
def test_the_matrices_blur_pass_by_pass(times: int) -> None:
    image = np.random.default_rng(0).random((7, 5))
    np.testing.assert_allclose(blur(7, times) @ image @ blur(5, times), blurred(image, times), rtol=1e-12)


def test_masks_are_smooth_fair_and_a_function_of_seed_and_step() -> None:
    def masks(blurs: int, seed: int = 0, step: int = 0) -> Any:
        return Hybrids.of((1, 28, 28), blurs, OPS).masks(500, Noise(seed, step), OPS)

    flips = []  # how often neighbours differ: less with each blur
    for blurs in (0, 1, 6, 20):
        found = masks(blurs)
        assert found.shape == (500, 28, 28)
        ties = 0.06 if blurs == 1 else 0
        assert abs(found.mean() - 0.5 + ties) < 0.02
        assert abs(found.mean(axis=0) - 0.5 + ties).max() < 0.15  # six standard deviations of a mean of 500
        flips.append((found[:, 1:] != found[:, :-1]).mean())
        np.testing.assert_allclose(flips[-1], (found[:, :, 1:] != found[:, :, :-1]).mean(), atol=0.01)
    assert flips == sorted(flips, reverse=True)
    assert flips[0] > 0.48
    assert flips[2] < 0.15
    assert np.array_equal(masks(6), masks(6))
    assert not np.array_equal(masks(6), masks(6, step=1))
    assert not np.array_equal(masks(6), masks(6, seed=1))


@pytest.mark.parametrize("shape", [(12,), (6, 4), (1, 9, 9), (3, 8, 6)])
def test_a_hybrid_is_made_of_the_image_and_the_next_one(shape: Any) -> None:
    """Image i holds numbers between i and i + 1/2 alone, so each number says whose it is and whence it came."""
    n, noise = 40, Noise(2, 5)
    images = np.arange(n).reshape(n, *(1,) * len(shape)) + np.random.default_rng(0).random((n, *shape)) / 2
    out = np.empty_like(images)
    hybrids = Hybrids.of(shape, 1, OPS)
    hybrids.write(images, out, noise, OPS)
    own, other = out == images, out == np.roll(images, -1, axis=0)
    assert (own ^ other).all()
    assert 0.3 < own.mean() < 0.7
    if len(shape) == 3:  # one mask for all channels
        assert np.array_equal(own, np.repeat(own[:, :1], shape[0], axis=1))
    if len(shape) == 2:  # whole steps
        assert np.array_equal(own, np.repeat(own[:, :, :1], shape[1], axis=2))


@pytest.mark.parametrize("passes", ["joint", "separate"])
def test_rows_are_images_and_hybrids_and_no_label_is_in_them(passes: Any) -> None:
    trainer = UnsupervisedTrainer(mlp(depth=2, width=9), batch_size=5, passes=passes).build((1, 6, 6), 3)
    images = np.random.default_rng(0).random((5, 1, 6, 6)).astype(np.float32)
    shown = trainer.shown(images, Ctx(trainer.ops, Noise(0, 3), train=True, keep=True))
    found: dict[str, Any] = {}
    for x, rows in shown:
        for name, part in (("positive", rows.positive), ("negative", rows.negative)):
            if part.stop > part.start:
                found[name] = x[part]
        assert rows.target is None
    assert np.array_equal(found["positive"], images)
    other = np.roll(images, -1, axis=0)
    assert ((found["negative"] == images) | (found["negative"] == other)).all()
    assert not np.array_equal(found["negative"], images)


def test_a_last_batch_of_one_image_has_no_hybrid() -> None:
    trainer = UnsupervisedTrainer(mlp(depth=1, width=9), batch_size=20)
    assert len(list(trainer.fit(toy(21), epochs=1))) == 1
    (_, rows), *rest = trainer.shown(toy(1).x, Ctx(trainer.ops))
    assert (rows, rest) == (Rows(1, slice(0, 1), slice(1, 1)), [])


@pytest.mark.parametrize("head", ["recomputed", "per_block"])
def test_the_head_learns_the_same_from_the_positive_rows_pass_as_from_its_own(head: Any) -> None:
    """Riding along saves a pass and changes nothing but rounding; per_block is compared with a head of its own pass."""
    found = []
    for along in (True, False):
        trainer = UnsupervisedTrainer(
            mlp(depth=3, width=9), batch_size=10, dtype="float64", readout=LinearReadout(head, (2, 3))
        )
        if along:
            kind: Any = type("Along", (UnsupervisedTrainer,), {"_rides_along": True})
        else:
            kind = type("Apart", (UnsupervisedTrainer,), {"_rides_along": False})
        trainer.__class__ = kind
        list(trainer.fit(toy(30), epochs=2))
        found.append(trainer.state())
    for name, value in found[0].items():
        np.testing.assert_allclose(value, found[1][name], rtol=1e-9, atol=1e-12, err_msg=name)
    assert any(name.startswith("readout/") for name in found[0])


@pytest.mark.parametrize("options", [{}, {"passes": "separate"}, {"schedule": "greedy"}], ids=str)
def test_it_keeps_what_every_trainer_promises(options: Any) -> None:
    assert check_trainer(partial(UnsupervisedTrainer, mlp(depth=2, width=8), seed=0, batch_size=10, **options))


def test_colour_images_and_local_fields_learn() -> None:
    for network in (local_fields(channels=(3, 4), kernel=2, stride=(2, 1)), cnn(channels=(3,))):
        trainer = UnsupervisedTrainer(network, batch_size=5).build((3, 8, 8), 3)
        x = np.random.default_rng(0).random((5, 3, 8, 8)).astype(np.float32)
        ctx = Ctx(trainer.ops, Noise(0, 0), train=True, keep=True)
        trainer._start_epoch(1, 1, 5)
        before = {name: value.copy() for name, value in trainer.state().items()}
        trainer._step(x, np.arange(5) % 3, np.arange(5), 0, 1.0, ctx)
        changed = {name for name, value in trainer.state().items() if not np.array_equal(value, before[name])}
        assert {name for name in before if name.startswith(("weights/", "readout/"))} <= changed


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: UnsupervisedTrainer(mlp(), blurs=-1), "blurs=-1"),
        (lambda: UnsupervisedTrainer(mlp(), batch_size=1), "batch_size=2"),
        (lambda: UnsupervisedTrainer(mlp(), passes="both"), "joint, separate"),  # type: ignore[arg-type]
        (lambda: UnsupervisedTrainer(mlp(), objective=SymBa(), passes="separate"), "use passes=joint"),
        (lambda: UnsupervisedTrainer(rnn(masked=True)).build((5, 4), 3), "is masked"),
    ],
)
def test_what_does_not_fit_is_said_before_any_work(make: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make()
