"""Fused kernels for NVIDIA GPUs, as CUDA C++ source: what the reference needs several passes over memory for, in one.

Each kernel is the twin of a method of `Backend`, which its file names. They are plain enough to be compiled for the CPU
too, which is how tests compare them with their references where there is no GPU.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

FILES = ("activations", "rows", "labels", "batches", "draws", "optimizers", "losses")
_REAL = {"float32": "float", "float64": "double"}


def options(dtype: str) -> tuple[str, ...]:
    """What a compiler is told beside the source."""
    return (f"-Dreal={_REAL[dtype]}",)


@cache
def source() -> str:
    """All kernels as one source, so that they are compiled at once."""
    folder = Path(__file__).parent
    parts = [folder / "common.cuh", *(folder / f"{name}.cu" for name in FILES)]
    return "\n".join(part.read_text(encoding="utf-8") for part in parts)
