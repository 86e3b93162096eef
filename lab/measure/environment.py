"""Where a run ran: what a reader of its record needs to judge its times and to repeat it."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "scipy", "scikit-learn", "pandas", "numba", "cupy-cuda12x", "cupy-cuda13x", "hydra-core")
_CPU = Path("/proc/cpuinfo")


def environment(*, threads: int, device: str = "cpu", kernels: str = "numpy") -> dict[str, Any]:
    """Versions, processor, cores, BLAS library, load. `threads` is what was asked for, `blas_threads` what was got.

    device, kernels: in words, as the backend names them. No host or user name is recorded.
    """
    libraries = _blas()
    return {
        "python": platform.python_version(),
        "numpy": metadata.version("numpy"),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": usable_cores(),
        "blas": ", ".join(dict.fromkeys(name for name, _ in libraries)) or "unknown",
        "blas_threads": max((count for _, count in libraries), default=None),
        "threads": threads,
        "device": device,
        "kernels": kernels,
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
        "packages": _packages(),
    }


_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
              "NUMBA_THREADING_LAYER", "OPENBLAS_THREAD_TIMEOUT", "CUPY_TF32")  # fmt: skip


def usable_cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu() -> str:
    try:
        for line in _CPU.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _blas() -> list[tuple[str, int]]:
    from threadpoolctl import threadpool_info

    return [
        (f"{pool['internal_api']} {pool['version']} {pool.get('architecture') or ''}".strip(), int(pool["num_threads"]))
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    ]


def _packages() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
