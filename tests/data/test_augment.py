"""Images moved and mirrored: against a slow transcription, evenly, and as a pure function of what names a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lab.backend import Backend, NumpyBackend
from lab.data import Augment, Split, load_dataset
from lab.errors import UsageError

MODES = {"zeros": "constant", "edge": "edge", "reflect": "reflect"}


def pictures(n: int, shape: tuple[int, int, int] = (2, 6, 5)) -> Any:
    """Every pixel another number, none of them 0."""
    return 1 + np.arange(n * np.prod(shape), dtype=np.float64).reshape(n, *shape)


@pytest.mark.parametrize("fill", MODES)
@pytest.mark.parametrize("flip", [0.0, 0.5, 1.0])
def test_each_image_is_a_crop_of_the_padded_one(fill: Any, flip: float, ops: Backend) -> None:
    images, k = pictures(40), 3
    found = ops.to_host(Augment(k, fill, flip)(ops.asarray(images), seed=1, epoch=2, step=3, ops=ops))
    padded = np.pad(images, ((0, 0), (0, 0), (k, k), (k, k)), MODES[fill])
    sides = {0.0: [False], 0.5: [False, True], 1.0: [True]}[flip]
    seen = set()
    for n, image in enumerate(found):
        crops = {
            (top, left, mirrored): padded[n, :, top : top + 6, left : left + 5][:, :, :: -1 if mirrored else 1]
            for top in range(2 * k + 1)
            for left in range(2 * k + 1)
            for mirrored in sides
        }
        equal = [where for where, crop in crops.items() if np.array_equal(crop, image)]
        assert equal
        seen.add(equal[0])
    assert {mirrored for *_, mirrored in seen} == set(sides)
    assert len(seen) > 20


def test_every_move_is_equally_likely() -> None:
    ops, n, k = NumpyBackend(), 30_000, 1
    images = np.zeros((n, 1, 3, 3), np.float32)
    images[:, 0, 1, 1] = 1
    moved = Augment(k, flip=0.0)(images, 0, 1, 0, ops)
    share = moved.mean(axis=0)[0]  # where the one bright pixel went
    np.testing.assert_allclose(share, 1 / 9, atol=4 * np.sqrt(1 / 9 * 8 / 9 / n))
    images[:] = [[[1, 0, 0]] * 3]
    mirrored = Augment(0, flip=0.3)(images, 0, 1, 0, ops)[:, 0, 0, 2].mean()
    assert mirrored == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / n))


def test_what_is_drawn_depends_on_seed_epoch_batch_and_row_alone() -> None:
    ops, images, augment = NumpyBackend("float64"), pictures(30), Augment(2, flip=0.5)
    first = augment(images, 1, 2, 3, ops).copy()
    assert np.array_equal(augment(images, 1, 2, 3, ops), first)
    assert np.array_equal(augment(images[:7], 1, 2, 3, ops), first[:7])  # a short batch: the same rows, the same moves
    assert np.array_equal(augment(images.astype(np.float32), 1, 2, 3, NumpyBackend("float32")), first)
    for other in ((0, 2, 3), (1, 3, 3), (1, 2, 4)):
        assert not np.array_equal(augment(images, *other, ops), first)
    assert np.array_equal(images, pictures(30))


def test_nothing_asked_is_nothing_changed() -> None:
    images = pictures(9)
    assert np.array_equal(Augment(0)(images, 0, 1, 0, NumpyBackend("float64")), images)


def test_what_cannot_be_augmented() -> None:
    digits = load_dataset("digits")
    assert digits.augmented(Augment(7)).train.augment == Augment(7) and digits.train.augment is None
    with pytest.raises(UsageError, match=r"augment\.shift=8 moves images of \(1, 8, 8\) away; use less than 8"):
        digits.augmented(Augment(8))
    with pytest.raises(UsageError, match=r"the rows of flat have shape \(4,\); leave it out"):
        Split(np.zeros((2, 4)), np.zeros(2), name="flat", augment=Augment())
    for options in ({"shift": -1}, {"flip": 1.5}):
        with pytest.raises(UsageError, match="augment needs shift >= 0 and 0 <= flip <= 1"):
            Augment(**options)  # type: ignore[arg-type]
