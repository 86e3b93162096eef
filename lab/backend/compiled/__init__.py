"""Compiled loops for the CPU (numba, the extra `fast`): what numpy needs several passes over memory for, in one.

Each function in this package is the twin of a method of `Backend`, which is its reference and what runs where numba is
missing. Importing the package imports numba, which takes longer than all else in the lab: it is done at first use.
"""

from __future__ import annotations

from lab.backend.compiled import cells, convolutions, fields, norms, optimizers, pools, rows
from lab.backend.compiled.tools import split
from lab.backend.compiled.warm import warm_up

__all__ = ["cells", "convolutions", "fields", "norms", "optimizers", "pools", "rows", "split", "warm_up"]
