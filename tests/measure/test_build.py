"""The version of the code names every source that decides numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.measure import build


@pytest.mark.parametrize(
    ("file", "decides"),
    [
        ("backend/cuda/rows.cu", True),
        ("backend/cuda/common.cuh", True),
        ("layers/dense.py", True),
        ("optimizers.py", True),
        ("report/page.py", False),
    ],
)
def test_the_version_follows_what_decides_numbers(
    file: str, decides: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = tmp_path / file
    for path in (changed, *(tmp_path / name for name in ("optimizers.py", "random.py", "run.py"))):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("before")
    monkeypatch.setattr(build, "__file__", str(tmp_path / "measure" / "build.py"))
    before = build.code_version.__wrapped__()
    changed.write_text("after")
    assert (build.code_version.__wrapped__() != before) is decides
