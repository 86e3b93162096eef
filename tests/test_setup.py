"""What set-up rests on: pins that fit the bounds, imports that are declared, one sentence where Python is unfit."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CORE = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = [Requirement(line) for extra in PROJECT["optional-dependencies"].values() for line in extra]
PINS = [
    Requirement(line)
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]

# Import names of packages that need not be installed where the tests run; of the others the metadata tell.
OPTIONAL = {
    "cupy": "cupy-cuda12x",
    "cupyx": "cupy-cuda12x",
    "mlflow": "mlflow-skinny",
    "numba": "numba",
    "optuna": "optuna",
    "ray": "ray",
    "submitit": "submitit",
    "tensorboardX": "tensorboardx",
    "torch": "torch",
}


@pytest.mark.parametrize("python", ["3.11.0", "3.12.0", "3.13.0", "3.14.0"])
def test_each_dependency_has_one_pin_a_python_within_its_bounds(python: str) -> None:
    where = {"python_version": python.rpartition(".")[0], "python_full_version": python}
    for wanted in CORE + EXTRAS:
        if canonicalize_name(wanted.name) == canonicalize_name(PROJECT["name"]):
            continue
        pins = [
            pin
            for pin in PINS
            if canonicalize_name(pin.name) == canonicalize_name(wanted.name)
            and (pin.marker is None or pin.marker.evaluate(where))
        ]
        assert len(pins) == 1, f"{wanted} has {len(pins)} pins for Python {python}; run `make constraints`"
        (pin,) = pins[0].specifier
        assert pin.operator == "=="
        assert wanted.specifier.contains(pin.version), f"{pins[0]} is outside of {wanted}; run `make constraints`"


def test_constraints_name_versions_and_no_place() -> None:
    assert PINS
    for pin in PINS:
        assert pin.url is None
        assert not pin.extras
        assert re.fullmatch(r"==[0-9][0-9a-z.]*", str(pin.specifier)), pin


def test_every_package_that_lab_imports_is_declared() -> None:
    declared = {canonicalize_name(wanted.name) for wanted in CORE + EXTRAS}
    home = packages_distributions()
    for path in sorted((ROOT / "lab").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            else:
                continue
            for top in {name.partition(".")[0] for name in names} - {"lab"} - sys.stdlib_module_names:
                given_by = {OPTIONAL[top]} if top in OPTIONAL else set(home.get(top, []))
                assert {canonicalize_name(name) for name in given_by} & declared, (
                    f"{path}: {top} is in no dependency list"
                )


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
@pytest.mark.parametrize(
    ("script", "said"),
    [
        (None, "There is no command"),
        ("case $1 in -V) echo Python 3.9.1;; *) case $2 in *version*) exit 1;; esac;; esac", "3.11 or newer is needed"),
        ("case $2 in *ensurepip*) exit 1;; esac", "python3-venv"),
    ],
)
def test_make_says_what_is_wrong_with_a_python(script: str | None, said: str, tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "setup.py", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "python-of-a-test"
    if script is not None:
        python.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        python.chmod(0o755)
    quiet = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", "run", f"PYTHON={python}"], cwd=tmp_path, capture_output=True, text=True, check=False, env=quiet
    )
    assert done.returncode != 0
    assert said in done.stderr
    assert not (tmp_path / ".venv").exists()
