"""What can be measured of a trained network beside its accuracy, by name."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Measure: TypeAlias = Literal["calibration", "corruption", "outliers", "devices"]
MEASURES: tuple[str, ...] = get_args(Measure)
