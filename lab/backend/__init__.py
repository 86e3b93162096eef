"""Backends: every operation once in plain array code, and where it runs."""

from __future__ import annotations

from lab.backend.base import Array, Backend, Kernels, Shape
from lab.backend.cupy_backend import CupyBackend
from lab.backend.numpy_backend import NumpyBackend
from lab.backend.pool import KINDS, Pool, Usage
from lab.backend.product import Product
from lab.backend.scaled import ScaledRows, scaled, written

__all__ = [
    "KINDS",
    "Array",
    "Backend",
    "CupyBackend",
    "Kernels",
    "NumpyBackend",
    "Pool",
    "Product",
    "ScaledRows",
    "Shape",
    "Usage",
    "scaled",
    "written",
]
