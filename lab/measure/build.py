"""On what a run's bits depend beside its config: the code, the libraries and the machine that make its numbers."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab import __version__

# The parts of the lab that decide numbers; what only writes, shows or starts things is not among them.
_DECIDING = ("backend", "data", "layers", "networks", "objectives", "trainers", "optimizers.py", "random.py", "run.py")
_SOURCES = ("*.py", "*.cu", "*.cuh")
_HELD = ("cpu", "threads", "device", "kernels")
_VARIABLES = ("OPENBLAS_CORETYPE", "MKL_CBWR", "CUPY_TF32")  # choose among ways to compute
_PACKAGES = ("numpy", "scipy", "numba", "cupy-cuda12x", "cupy-cuda13x")


@functools.cache
def code_version() -> str:
    """The version with a digest of the sources that decide numbers, the GPU's among them: "0.1.0+5f0c2a91"."""
    home = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for part in _DECIDING:
        path = home / part
        files = [path] if path.suffix else sorted(f for kind in _SOURCES for f in path.rglob(kind))
        for file in files:
            digest.update(f"{file.relative_to(home).as_posix()}\n".encode() + file.read_bytes() + b"\0")
    return f"{__version__}+{digest.hexdigest()[:8]}"


def build(environment: Mapping[str, Any]) -> dict[str, Any]:
    """What has to be equal for equal bits, taken from what `environment.environment` gave. JSON values only."""
    packages = environment["packages"]
    return {
        "code": code_version(),
        "machine": platform.machine(),
        **{name: packages[name] for name in _PACKAGES if name in packages},
        **{name: environment[name] for name in _HELD},
        **{name: os.environ[name] for name in _VARIABLES if name in os.environ},
        "blas": _blas(),
    }


def _blas() -> str:
    """The library that numpy multiplies with, as numpy was built; which others are loaded does not matter."""
    import numpy as np

    found = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{found.get('name')} {found.get('version')}"


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """What sets two builds apart, in words: "numpy 2.3.5 there and 2.4.0 here"."""
    return [
        f"{name} {there.get(name, 'unknown')} there and {here.get(name, 'unknown')} here"
        for name in sorted({*there, *here})
        if there.get(name) != here.get(name)
    ]
