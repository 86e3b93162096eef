from __future__ import annotations

import subprocess
import sys
import zlib
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from lab.errors import UsageError
from lab.random import generator


def test_same_key_same_numbers_and_a_fresh_generator_each_time() -> None:
    first = generator(7, "weights", 3).random(5)
    assert np.array_equal(first, generator(7, "weights", 3).random(5))


def test_streams_differ_in_every_part_of_the_key() -> None:
    word = zlib.crc32(b"weights")
    keys: list[tuple[int, tuple[int | str, ...]]] = [
        (7, ()), (8, ()), (7, ("weights",)), (7, ("shuffle",)), (7, ("weights", 0)), (7, ("weights", 0, 0)), (7, (0,)),
        (7, (0, 0)), (7, (0, "weights")), (7, (word,)), (7, (1, word)), (7 + 2**32, ()), (7, ("",)),
    ]  # fmt: skip
    draws = [generator(seed, *key).integers(0, 2**63) for seed, key in keys]
    assert all(a != b for a, b in combinations(draws, 2))


def test_text_keys_do_not_depend_on_the_process() -> None:
    code = "from lab.random import generator; print(generator(1, 'a', 'b').integers(0, 2**63))"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parents[1],
            env={"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert seen == {f"{generator(1, 'a', 'b').integers(0, 2**63)}\n"}


def test_first_raw_words_are_pinned() -> None:
    """numpy promises that PCG64 and SeedSequence keep their bits; a change of the key's form would change every run."""
    words = generator(0, "shuffle", 1).bit_generator.random_raw(2)
    assert [int(v) for v in words] == [17383754122059585712, 16133821549720626226]


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "3"])
def test_bad_seed(seed: object) -> None:
    with pytest.raises(UsageError, match=r"seed=.*use .* 18446744073709551615"):
        generator(seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("part", [-1, 2**32, None])
def test_bad_key(part: object) -> None:
    with pytest.raises(UsageError, match="random key="):
        generator(0, part)  # type: ignore[arg-type]


def test_numpy_integers_are_accepted() -> None:
    assert generator(np.int64(3), np.uint8(2)).random() == generator(3, 2).random()
