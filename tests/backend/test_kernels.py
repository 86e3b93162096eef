"""Compiled loops equal the reference that they replace, on random shapes and for any number of threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lab
from lab.backend import NumpyBackend
from lab.errors import UsageError

pytest.importorskip("numba", reason="compiled kernels need the package numba")
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


@given(
    shape=st.sampled_from([(0,), (1,), (17,), (3, 5), (700, 513)]), dtype=st.sampled_from(["float32", "float64"]),
    threads=st.integers(1, 3), seed=st.integers(0, 99),
)  # fmt: skip
def test_optimizer_steps(shape: Any, dtype: str, threads: int, seed: int) -> None:
    results = []
    for kernels in ("numpy", "numba"):
        ops, rng = NumpyBackend(dtype, kernels=kernels, threads=threads), np.random.default_rng(seed)
        w, g, m, v = (ops.asarray(rng.standard_normal(shape)) for _ in range(4))
        v *= v
        ops.sgd_step(w, g, m, 0.1, 0.9, 0.4, 0.01)
        for step in (1, 2):
            ops.adam_step(w, g, m, v, 0.01, 0.9, 0.99, 1e-8, 0.05, step)
        results.append((w, m, v))
    for reference, found in zip(*results, strict=True):
        np.testing.assert_allclose(found, reference, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_arrays_that_are_not_flat_go_to_the_reference() -> None:
    ops = NumpyBackend("float64", kernels="numba")
    w, g, v = (np.random.default_rng(i).standard_normal((6, 4)).T for i in range(3))
    expected = w - 0.1 * (0.9 * v + 0.1 * g)
    ops.sgd_step(w, g, v, 0.1, 0.9, 0.9, 0.0)
    np.testing.assert_allclose(w, expected, rtol=1e-13)


def test_without_numba_the_reference_runs_and_numba_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    assert NumpyBackend(kernels="auto").kernels == "numpy"
    with pytest.raises(UsageError, match="install the extra fast"):
        NumpyBackend(kernels="numba")
    with pytest.raises(UsageError, match="valid: auto, numba, numpy"):
        NumpyBackend(kernels="fast")  # type: ignore[arg-type]


def compiled_for(dtype: str) -> dict[str, int]:
    """How many types each loop is compiled for; not those that loops alone call, which are compiled into these."""
    from lab.backend.compiled import cells, convolutions, fields, norms, optimizers, pools, rows

    return {
        name: len(loop.signatures)
        for module in (convolutions, fields, norms, optimizers, pools, rows, *([cells] if dtype == "float32" else []))
        for name, loop in vars(module).items()
        if hasattr(loop, "signatures") and loop.py_func.__module__ == module.__name__ and not name.startswith("_")
    }


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("trainer", ["backprop", "forward_forward"])
def test_training_compiles_nothing_after_the_warm_up(trainer: str, dtype: str) -> None:
    from lab.backend.compiled.warm import warm_up

    rng = np.random.default_rng(0)
    rows = lab.Split(rng.integers(0, 256, (30, 1, 4, 4), np.uint8), np.arange(30) % 3, 1 / 255)
    warm_up(np.dtype(dtype))
    before = compiled_for(dtype)
    assert len(before) >= 13 and min(before.values()) >= 1, "a loop that was left out of the warm-up"
    kind = lab.BackpropTrainer if trainer == "backprop" else lab.ForwardForwardTrainer
    made = kind(lab.mlp(depth=2, width=8), batch_size=10, dtype=dtype, kernels="numba")
    for _ in made.fit(rows, rows, epochs=1):
        pass
    assert compiled_for(dtype) == before


def test_the_warm_up_comes_before_the_first_step_is_timed() -> None:
    called: list[str] = []
    rows = lab.Split(np.ones((4, 3), np.float32), np.arange(4) % 2)
    made = lab.BackpropTrainer(lab.mlp(depth=1, width=2), batch_size=2)
    made.ops.warm_up = lambda: called.append(f"{made.progress.seconds} {made.progress.step}")  # type: ignore[method-assign]
    list(made.fit(rows, epochs=2))
    assert called == ["0.0 0"]


def test_a_loop_that_cannot_be_kept_on_disk_is_ready_all_the_same() -> None:
    code = (
        "import errno, numpy as np, numba.core.dispatcher as d\n"
        "from lab.backend.compiled import rows, warm_up\n"
        "def full(*arguments): raise OSError(errno.ENOSPC, 'no space left')\n"
        "for loop in vars(rows).values():\n"
        "    if hasattr(loop, 'signatures'):\n"
        "        loop._cache.load_overload, loop._cache.save_overload = lambda *a: None, full\n"
        "warm_up(np.dtype('float32'))\n"
        "x = -np.ones((2, 2), np.float32); rows.relu(x.reshape(-1), x.reshape(-1)); assert (x == 0).all()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(lab.__file__).parent.parent)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX folders")
def test_kernels_run_where_nothing_can_be_written(tmp_path: Path) -> None:
    code = (
        "import numba.core.caching as c\n"
        "c.CacheImpl._locator_classes = []\n"  # as where neither the package's folder nor the home can be written
        "import numpy as np; from lab.backend import NumpyBackend\n"
        "w = np.ones(5); NumpyBackend('float64', kernels='numba').sgd_step(w, w.copy(), np.zeros(5), .1, 0., 0., 0.)\n"
        "assert np.allclose(w, 0.9), w"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(lab.__file__).parent.parent)
