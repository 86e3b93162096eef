"""The rows that the runs of this folder learn from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reliability.story import make_rows


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return make_rows(tmp_path / "rows.npz")
