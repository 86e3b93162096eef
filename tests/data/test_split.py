from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.data import load_dataset
from lab.data.dataset import Dataset, Split
from lab.data.parts import Parts
from lab.data.split import carve_rows, split_parts, split_permutation
from lab.errors import DataError, UsageError


def numbered(n: int, start: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return n rows whose first feature is the row's number, and labels 0, 1, 0, 1, ..."""
    return np.arange(start, start + n, dtype=np.float64)[:, None], np.arange(start, start + n) % 2


def numbers(split: Split) -> list[int]:
    return [int(v) for v in split.x[:, 0]]


def ids(data: Dataset) -> tuple[list[int], list[int], list[int]]:
    return numbers(data.train), numbers(data.valid), numbers(data.test)


@given(st.integers(10, 300), st.one_of(st.integers(0, 3), st.floats(0, 0.5)))
@settings(deadline=None)
def test_parts_are_disjoint_and_complete_and_labels_stay_with_their_rows(n: int, valid: float) -> None:
    data = split_parts("toy", Parts(numbered(n)), valid)
    train, valid_rows, test = ids(data)
    assert sorted(train + valid_rows + test) == list(range(n))
    assert len(test) == round(n * 0.2)
    assert len(valid_rows) == (valid if isinstance(valid, int) else round(valid * (n - len(test))))
    for part in (data.train, data.valid, data.test):
        assert np.array_equal(part.y, part.x[:, 0].astype(int) % 2)


def test_rows_of_the_permutation_are_pinned() -> None:
    """Other rows here would make every recorded run incomparable: raise split.RULE with them."""
    assert split_permutation(8, "valid").tolist() == [7, 4, 1, 3, 0, 5, 2, 6]
    assert split_permutation(8, "test").tolist() == [2, 0, 1, 6, 5, 4, 3, 7]


def test_an_official_test_part_stays_as_it_is() -> None:
    data = split_parts("toy", Parts(numbered(50), test=numbered(7, 100)), 0.1)
    assert numbers(data.test) == list(range(100, 107))
    assert sorted(numbers(data.train) + numbers(data.valid)) == list(range(50))


def test_the_test_part_does_not_depend_on_valid_and_larger_valid_parts_hold_the_smaller() -> None:
    small, large = (split_parts("toy", Parts(numbered(100)), valid) for valid in (10, 30))
    assert numbers(small.test) == numbers(large.test)
    assert numbers(small.valid) == numbers(large.valid)[:10]


def test_default_and_zero() -> None:
    assert [len(p) for p in ids(split_parts("toy", Parts(numbered(100))))] == [64, 16, 20]
    assert [len(p) for p in ids(split_parts("toy", Parts(numbered(100), default_valid=5)))] == [75, 5, 20]
    none = split_parts("toy", Parts(numbered(100), test=numbered(3)), 0)
    assert none.valid.x.shape == (0, 1)
    assert sorted(numbers(none.train)) == list(range(100))


def test_a_valid_part_of_its_own() -> None:
    parts = Parts(numbered(50), valid=numbered(6, 200), test=numbered(7, 100))
    data = split_parts("toy", parts)
    assert numbers(data.valid) == list(range(200, 206))
    assert sorted(numbers(data.train)) == list(range(50))
    assert numbers(data.train) != list(range(50))  # `limit` shall not meet a file's order
    with pytest.raises(UsageError, match="valid=5 cannot be met: toy has its own valid part; leave valid out"):
        split_parts("toy", parts, 5)


def test_limit_takes_the_first_rows_of_each_part_after_the_split() -> None:
    parts = Parts(numbered(100))
    for whole, cut in zip(ids(split_parts("toy", parts)), ids(split_parts("toy", parts, limit=17)), strict=True):
        assert cut == whole[:17]
    x, y = numbered(1000)
    by_class = np.argsort(y, kind="stable")
    assert set(split_parts("toy", Parts((x[by_class], y[by_class])), limit=40).train.y) == {0, 1}


@pytest.mark.parametrize("limit", [0, -1, 2.0, True, "5"])
def test_limits_that_are_no_number_of_rows(limit: Any) -> None:
    with pytest.raises(UsageError, match=r"limit=.* is no number of rows; use"):
        split_parts("toy", Parts(numbered(100)), limit=limit)


@pytest.mark.parametrize(
    ("share", "rows"), [(0, 0), (0.0, 0), (99, 99), (0.25, 25), (0.005, 0), (np.int64(7), 7), (np.float32(0.5), 50)]
)
def test_shares(share: Any, rows: int) -> None:
    assert carve_rows(100, share) == rows


@pytest.mark.parametrize(
    ("share", "message"),
    [
        (100, "valid=100 leaves none of the 100 rows to train on; use a whole number of rows below 100 or a fraction"),
        (0.999, "valid=0.999 leaves none"),
        (1.0, "valid=1.0 is no number of rows and no fraction"),
        (-1, "valid=-1 is no number"),
        (-0.1, "valid=-0.1 is no number"),
        (float("nan"), "valid=nan is no number"),
        (float("inf"), "valid=inf is no number"),
        (True, "valid=True is not a number"),
        ("0.1", "valid='0.1' is not a number"),
    ],
)
def test_shares_that_cannot_be_met(share: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        carve_rows(100, share)


def test_the_digest_changes_with_all_that_changes_rows_and_nothing_else() -> None:
    x, y = numbered(40)
    base = Parts((x, y), n_classes=2)
    changed = x.copy()
    changed[3] += 1

    def digest(parts: Parts = base, valid: float | None = None, limit: int | None = None) -> str:
        return split_parts("toy", parts, valid, limit).digest

    same = {digest(), digest(valid=0.2), digest(valid=6), digest(replace(base, source="elsewhere"), valid=6)}
    same |= {digest(Parts((x.astype(">f8"), np.asfortranarray(y)), n_classes=2)), split_parts("b", base).digest}
    assert len(same) == 1
    others = [
        digest(valid=7), digest(limit=5), digest(limit=6), digest(replace(base, train=(changed, y))),
        digest(replace(base, train=(x, 1 - y))), digest(replace(base, test=(x[:8], y[:8]))),
        digest(replace(base, scale=0.5)), digest(replace(base, standardise=True)),
        digest(replace(base, digest="known")), digest(replace(base, train=(x.astype(np.float32), y))),
        digest(replace(base, train=(x[:, :, None], y))),
    ]  # fmt: skip
    assert len({*same, *others}) == len(others) + 1


def test_features_are_standardised_by_the_training_rows_alone() -> None:
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(5, 3, 200), np.full(200, 7.0)])
    y = rng.integers(0, 2, 200)
    parts = Parts((x, y), standardise=True)
    data = split_parts("toy", parts)
    plain = split_parts("toy", replace(parts, standardise=False))
    assert np.allclose(data.train.x.mean(axis=0), 0)
    assert np.allclose(data.train.x.std(axis=0), [1, 0])  # a constant feature stays finite
    mean, deviation = plain.train.x[:, 0].mean(), plain.train.x[:, 0].std()
    for part in ("valid", "test"):
        assert np.allclose(getattr(data, part).x[:, 0], (getattr(plain, part).x[:, 0] - mean) / deviation)


def test_labels_of_any_value_are_numbered_and_the_classes_stated() -> None:
    x, y = numbered(60)
    data = split_parts("toy", Parts((x, np.where(y, 1, -1)), test=(x[:2], np.array([1, -1]))))
    assert (data.n_classes, data.classes) == (2, ("-1", "1"))
    assert data.test.y.tolist() == [1, 0]
    assert np.array_equal(data.train.y, data.train.x[:, 0].astype(int) % 2)
    with pytest.raises(DataError, match=r"toy \(test\): label 5 in row 1 does not occur in the training part"):
        split_parts("toy", Parts((x, y), test=(x[:2], np.array([1, 5]))))
    with pytest.raises(DataError, match="toy: all labels are 1; give it two classes or more"):
        split_parts("toy", Parts((x, np.ones(60, int))))


def test_the_task_follows_from_the_targets() -> None:
    x, y = numbered(60)
    assert split_parts("toy", Parts((x, y.astype(np.float32)))).task == "regression"
    assert split_parts("toy", Parts((x, y.astype(bool)))).task == "classification"
    forced = split_parts("toy", Parts((x, y), n_classes=0))
    assert (forced.task, forced.n_classes, forced.train.y.dtype) == ("regression", 0, np.float64)


@pytest.mark.parametrize(
    ("stored", "dtype", "scale"),
    [
        (np.uint8, np.uint8, 1 / 255), (bool, np.float32, 1), (np.int16, np.float32, 1), (np.float16, np.float32, 1),
        (np.int64, np.float64, 1), (">f4", np.float32, 1), (np.longdouble, np.float64, 1),
    ],
)  # fmt: skip
def test_dtypes_of_rows(stored: Any, dtype: Any, scale: float) -> None:
    x, y = numbered(60)
    data = split_parts("toy", Parts(((x % 2).astype(stored), y)))
    assert (data.train.x.dtype, data.train.scale) == (dtype, scale)
    assert np.array_equal(data.train.x[:, 0], data.train.y)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (Parts((np.array([["a"]] * 9), np.arange(9))), r"toy \(train\): x has dtype <U1, which is not numbers"),
        (Parts((np.zeros((9, 2), complex), np.arange(9))), "x has dtype complex128"),
        (Parts((np.zeros(9), np.arange(9))), r"x has shape \(9,\); give it one row a sample"),
        (Parts((np.zeros((9, 0)), np.arange(9))), "a row holds nothing"),
        (Parts((np.full((9, 1), 1e300), np.arange(9))), "x holds 1e.300, which float32 cannot"),
        (Parts((np.full((9, 1), -1e300), np.arange(9))), "x holds 1e.300, which float32 cannot"),
        (Parts((np.zeros((9, 1)), np.array(["a", "b", "c"] * 3))), r"y has dtype <U1.*np\.unique"),
        (Parts((np.zeros((9, 1)), np.eye(9))), r"y has shape \(9, 9\); .*argmax"),
        (Parts((np.zeros((9, 1)), np.arange(8))), "x has 9 rows but y has 8"),
        (Parts((np.zeros((2, 1)), np.arange(2))), "2 training rows are too few"),
        (Parts((np.zeros((9, 1)), np.zeros(9, int)), n_classes=1), "n_classes=1 does not fit"),
        (Parts((np.zeros((9, 1)), np.arange(9)), n_classes=8), "holds the label 8 in row 8, which is not 0 to 7"),
        (Parts((np.zeros((9, 1)), np.arange(9) - 1), n_classes=9), "holds the label -1 in row 0, which is not 0 to 8"),
        (Parts((np.zeros((9, 1)), np.ones(9)), n_classes=2), "but labels are whole numbers"),
        (Parts((np.zeros((9, 1)), np.full(9, 2**63, np.uint64))), "holds the label 9223372036854775808"),
        (Parts(numbered(9), test=(np.zeros((3, 2)), np.arange(3) % 2)), r"toy \(test\): rows of \(2,\)"),
    ],
)
def test_parts_that_cannot_be_used(parts: Parts, message: str) -> None:
    with pytest.raises(DataError, match=message):
        split_parts("toy", parts)


def test_errors_name_the_row_that_the_file_has() -> None:
    x, y = numbered(60)
    x[41] = np.nan
    with pytest.raises(DataError, match=r"toy \(train\): x is nan in row 41;"):
        split_parts("toy", Parts((x, y)))


def test_arrays_are_read_only_and_the_owner_s_are_not_touched() -> None:
    x, y = numbered(60)
    data = split_parts("toy", Parts((x, y), test=(x, y)))
    for split in (data.train, data.valid, data.test):
        assert not split.x.flags.writeable
        assert not split.y.flags.writeable
    x[0] = 1


def test_pieces_of_a_stream_are_cut_and_not_shuffled() -> None:
    data = split_parts("toy", Parts(numbered(50), gap=2), 6)
    train, valid, test = ids(data)
    assert (test, valid, train) == (list(range(40, 50)), list(range(32, 38)), list(range(30)))
    assert ids(split_parts("toy", Parts(numbered(50), gap=0), 6))[0] == list(range(34))
    assert ids(split_parts("toy", Parts(numbered(50), gap=2), 0)) == (list(range(38)), [], test)
    assert data.digest != split_parts("toy", Parts(numbered(50), gap=0), 6).digest
    with pytest.raises(UsageError, match=r"valid=36 leaves no row of toy to train on: of its 38 rows 2 beside"):
        split_parts("toy", Parts(numbered(50), gap=2), 36)


def test_fewer_training_rows_leave_the_other_parts_whole() -> None:
    whole, fewer = load_dataset("digits"), load_dataset("digits", train=100)
    assert np.array_equal(fewer.train.x, whole.train.x[:100]) and np.array_equal(fewer.train.y, whole.train.y[:100])
    assert len(fewer.valid) == len(whole.valid) and len(fewer.test) == len(whole.test) and fewer.digest != whole.digest
    for wrong in (0, 10**6):
        with pytest.raises(UsageError, match=f"train={wrong} cannot be met"):
            load_dataset("digits", train=wrong)
