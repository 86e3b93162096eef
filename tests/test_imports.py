"""Imports point one way, and `import lab` costs next to nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lab

ROOT = Path(lab.__file__).parent
# part of the lab -> what it must not import, directly
FORBIDDEN = {
    "backend": ("layers", "networks", "objectives", "trainers", "data", "record", "report", "sweep", "run", "config"),
    "layers": ("networks", "objectives", "trainers", "data", "record", "report", "sweep", "run", "config"),
    "networks": ("objectives", "trainers", "data", "record", "report", "sweep", "run", "config"),
    "objectives": ("networks", "trainers", "data", "record", "report", "sweep", "run", "config"),
    "trainers": ("report", "sweep", "run", "config", "app", "diagnose", "explain"),
    "diagnose": ("report", "sweep", "run", "config", "app", "record", "explain"),
    "parallel": ("layers", "networks", "objectives", "trainers", "data", "record", "report", "sweep", "run", "config"),
    "data": ("layers", "networks", "objectives", "trainers", "record", "report", "sweep", "run", "config"),
    "record": ("trainers", "report", "sweep", "run"),
    "audit": ("trainers", "layers", "networks", "objectives", "backend", "run", "sweep"),
    "report": ("trainers", "layers", "networks", "objectives", "backend", "run"),
}


def imported(path: Path) -> set[str]:
    """The lab's parts that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{a.name}" for a in node.names)]
        found |= {name.split(".")[1] for name in names if name.startswith("lab.")}
    return found


def test_imports_point_one_way() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports lab.{name}"
        for part, names in FORBIDDEN.items()
        for path in sorted((ROOT / part).rglob("*.py"))
        for name in sorted(imported(path) & set(names))
    ]
    assert not wrong


def test_layers_name_no_training_method() -> None:
    for path in (ROOT / "layers").glob("*.py"):
        text = path.read_text().lower()
        for word in ("goodness", "forward_forward", "forward-forward", "backprop "):
            assert word not in text, f"{path.name} names {word!r}"


def test_layers_keep_no_arrays_of_a_pass() -> None:
    for path in (ROOT / "layers").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name in ("forward", "backward"):
                for inner in ast.walk(node):
                    targets = inner.targets if isinstance(inner, ast.Assign) else []
                    kept = [t.attr for t in targets if isinstance(t, ast.Attribute)]
                    assert not kept, f"{path.name}: {node.name} sets self.{kept}"


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after `statement`."""
    code = f"{statement}\nimport sys; print(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    return set(run.stdout.splitlines()[-1].split())


def test_import_lab_loads_no_heavy_package() -> None:
    heavy = {"numpy", "pandas", "matplotlib", "seaborn", "scipy", "sklearn", "hydra", "cupy", "numba", "torch"}
    assert not heavy & loaded_by("import lab")
    light = loaded_by("import lab; lab.ForwardForwardTrainer(lab.mlp())")
    assert not {"cupy", "numba", "matplotlib", "pandas", "sklearn", "hydra", "torch"} & light


# What a command may load before it does its work: a count of packages says more than a time on one machine.
_SLOW = {"numpy", "pandas", "matplotlib", "seaborn", "scipy", "sklearn", "cupy", "numba", "torch", "jinja2", "requests"}


@pytest.mark.parametrize(
    ("statement", "lacking"),
    [
        ("import lab.app", _SLOW | {"hydra", "omegaconf"}),
        ("import lab.sweep.worker", _SLOW | {"hydra", "omegaconf"}),
        ("import lab.bench.__main__", _SLOW | {"hydra", "omegaconf"}),
        ("import lab.sweep.worker, lab.config, lab.run", _SLOW - {"numpy"} | {"hydra", "omegaconf"}),
        ("import lab.app, contextlib\ntry: lab.app.main(['--help'])\nexcept SystemExit: pass", _SLOW),
    ],
)
def test_a_command_loads_nothing_before_it_needs_it(statement: str, lacking: set[str]) -> None:
    assert not lacking & loaded_by(statement)


def test_public_names_are_there() -> None:
    for name in lab._HOME_OF:
        assert getattr(lab, name) is not None
    assert set(lab._HOME_OF) <= set(dir(lab))
