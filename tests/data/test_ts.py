"""Series of several channels and lengths, read from text."""

from __future__ import annotations

import numpy as np
import pytest

from lab.data.ts import masked_rows, parse_ts
from lab.errors import DataError

TEXT = """# two channels
@problemName toy
@classLabel true up down
@data
1,2,3:4,5,6:down
-1.5e-1:7:up
"""


def test_rows_labels_and_masks() -> None:
    rows, labels, classes = parse_ts(TEXT.encode(), "toy.ts")
    assert classes == ("up", "down")
    assert labels.tolist() == [1, 0]
    assert [row.tolist() for row in rows] == [[[1, 4], [2, 5], [3, 6]], [[np.float32(-0.15), 7]]]
    x = masked_rows(rows, 4)
    assert x.dtype == np.float32
    assert x[0].tolist() == [[1, 1, 4], [1, 2, 5], [1, 3, 6], [0, 0, 0]]
    assert x[1].tolist() == [[1, np.float32(-0.15), 7], *([[0, 0, 0]] * 3)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1,2,3:4,5,6:down\n-1.5e-1:7:up\n", "", r"^toy\.ts holds no rows after a line @data$"),
        ("@data", "@dates", "holds no rows"),
        ("7:up", "7:left", "line 6: the label 'left' is none of up, down"),
        ("@classLabel true up down\n", "", "line 4: the label 'down' is none of none"),
        ("4,5,6", "4,5", "line 5: its channels are not equally long numbers"),
        ("4,5,6", "4,5,six", "line 5: its channels are not equally long numbers"),
        ("4,5,6", "4,5,nan", "line 5: 2 channels, or values that are not finite numbers"),
        ("-1.5e-1:7:up", "1:2:3:up", "line 6: 3 channels"),
        ("-1.5e-1:7:up", "up", "line 6: 0 channels"),
    ],
)
def test_what_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_ts(TEXT.replace(old, new).encode(), "toy.ts")


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(DataError, match=r"toy\.ts is no text"):
        parse_ts(TEXT.encode() + b"\xff", "toy.ts")
