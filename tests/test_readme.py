"""What the README shows is run, so that it stays true."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import lab
from lab.data import load as loading
from tools import readme, setting

README = Path(lab.__file__).parent.parent / "README.md"


def test_every_python_block_of_the_readme_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert len(blocks) >= 7
    right = loading.load_dataset

    def few(name: str, **options: Any) -> Any:
        return right(name, limit=500, **options)

    monkeypatch.setattr("lab.data.load_dataset", few)
    monkeypatch.chdir(tmp_path)
    code = "\n".join(blocks).replace("cv=3", "cv=2")
    module = types.ModuleType("readme")
    monkeypatch.setitem(sys.modules, "readme", module)  # dataclasses look their module up
    exec(compile(code, str(README), "exec"), vars(module))  # noqa: S102
    assert (tmp_path / "three-blocks.safetensors").stat().st_size > 1_000_000


def test_its_figures_are_those_of_the_committed_records() -> None:
    assert readme.main(["--check"]) == 0
    assert setting.remarks() == setting.REMARKS.read_text(encoding="utf-8"), "run: python tools/setting.py"
