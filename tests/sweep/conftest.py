"""A small data file and a config that reads it: a run takes a fraction of a second."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.config import RunConfig, parse


def raw_config(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    """Plain values of a small run; `trainer__epochs=2` changes an option of a section."""
    raw: dict[str, Any] = {
        "data": {"name": str(tmp_path / "rows.npz")},
        "model": {"name": "mlp", "depth": 2, "width": 8},
        "trainer": {"name": "troubled", "epochs": 3, "batch_size": 10},
        "optimizer": {"name": "adam", "learning_rate": 0.02},
        "backend": {"name": "numpy", "threads": 1},
        "runs": str(tmp_path / "runs"),
        "imports": ["tests.sweep.parts"],
        "retries": 0,
    }
    for key, value in changes.items():
        section, _, option = key.partition("__")
        if option:
            raw[section] = {**raw.get(section, {}), option: value}
        else:
            raw[section] = value
    return raw


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A data set of 100 rows with two classes that can be told apart."""
    rng = np.random.default_rng(0)
    y = np.arange(100) % 2
    x = rng.normal(size=(100, 6)).astype(np.float32) + y[:, None]
    path = tmp_path / "rows.npz"
    np.savez(path, x=x, y=y)
    return path


@pytest.fixture
def small(rows: Path, tmp_path: Path) -> RunConfig:
    """The checked config of a small run."""
    return parse(raw_config(tmp_path))
