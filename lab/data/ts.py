"""Reading the .ts text format of time series: rows of several channels, each as long as it is.

Lines that start with # are comments, those with @ the header; after @data each line is one row, its channels separated
by colons, a channel's values by commas, the label last. Source: the description of the format on
https://www.timeseriesclassification.com.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lab.errors import DataError

Series = NDArray[np.float32]  # (T, channels), T its own


def parse_ts(data: bytes, what: str) -> tuple[list[Series], NDArray[np.int64], tuple[str, ...]]:
    """Return the rows, their labels from 0, and the names of the classes. Raises DataError naming `what` and the line.

    Time stamps and missing values are no part of what is read here.
    """
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{what} is no text ({error.reason} in byte {error.start})") from None
    classes: tuple[str, ...] = ()
    rows: list[Series] = []
    labels: list[int] = []
    begun = False
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        if not begun:
            words = line.split()
            begun = words[0].lower() == "@data"
            if words[0].lower() == "@classlabel" and words[1:2] == ["true"]:
                classes = tuple(words[2:])
            continue
        *channels, label = line.split(":")
        if label.strip() not in classes:
            raise DataError(
                f"{what}, line {number}: the label {label[:40]!r} is none of {', '.join(classes) or 'none'}"
            )
        try:
            values = np.array([channel.split(",") for channel in channels], np.float32)
        except ValueError as error:
            raise DataError(f"{what}, line {number}: its channels are not equally long numbers ({error})") from None
        if not values.size or not np.isfinite(values).all() or (rows and values.shape[0] != rows[0].shape[1]):
            raise DataError(f"{what}, line {number}: {values.shape[0]} channels, or values that are not finite numbers")
        rows.append(values.T)
        labels.append(classes.index(label.strip()))
    if not rows:
        raise DataError(f"{what} holds no rows after a line @data")
    return rows, np.array(labels), classes


def masked_rows(rows: Sequence[Series], length: int) -> NDArray[np.float32]:
    """(N, length, 1 + channels): in front of each step a 1, then its values; zeros where a row has ended.

    This is how a masked network takes rows of different lengths: the first number of a step says whether it exists.
    """
    x = np.zeros((len(rows), length, 1 + rows[0].shape[1]), np.float32)
    for out, row in zip(x, rows, strict=True):
        out[: len(row), 0] = 1
        out[: len(row), 1:] = row
    return x
