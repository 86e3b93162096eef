"""Which rows were answered rightly comes back as it was, and nothing else passes for it."""

from __future__ import annotations

import numpy as np
import pytest

from lab.record.answers import MOST, packed, unpacked


@pytest.mark.parametrize("n", [1, 7, 8, 9, 24, 25, 10_000])
def test_answers_come_back(n: int) -> None:
    right = np.random.default_rng(n).random(n) < 0.9
    text = packed(right)
    assert np.array_equal(unpacked(text, n), right)
    assert unpacked(text, n + 24) is None


@pytest.mark.parametrize("text", [None, 5, "", "////", "!!!!", "AAAAAAA=", "A" * 10**6, ["AA=="]])
def test_what_is_no_answers_is_refused(text: object) -> None:
    assert unpacked(text, 3) is None or text == "AA=="


def test_long_test_sets_are_left_out() -> None:
    assert packed(np.ones(MOST + 1, bool)) is None and unpacked("", MOST + 1) is None
