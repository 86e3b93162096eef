"""The CUDA kernels' own source, compiled for the CPU and run there: threads as threads, barriers as barriers.

What a GPU gives a kernel (threadIdx, shared memory, __syncthreads) a few lines give here, so that every kernel's
arithmetic, indices and arguments are tested where there is no GPU. What this cannot show: data races that need more
threads than run here, and the GPU's own rounding.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.backend import NumpyBackend, cuda
from lab.backend.fused import FusedOperations
from lab.backend.pool import Pool

_PRELUDE = """
#include <barrier>
#include <cmath>
#include <memory>
#include <thread>
#include <vector>
using namespace std;
struct Index { unsigned x = 0, y = 0, z = 0; };
static thread_local Index threadIdx, blockIdx;
static Index blockDim, gridDim;
static unique_ptr<barrier<>> at_barrier;
#define __global__
#define __device__
#define __shared__ static
#define __syncthreads() at_barrier->arrive_and_wait()
template <class Kernel> static void launch(unsigned columns, unsigned rows, unsigned threads, Kernel kernel) {
    gridDim = {columns, rows, 1};
    blockDim = {threads, 1, 1};
    at_barrier = make_unique<barrier<>>(threads);
    vector<thread> all;
    for (unsigned t = 0; t < threads; t++) all.emplace_back([=] {
        threadIdx.x = t;
        for (unsigned y = 0; y < rows; y++) for (unsigned x = 0; x < columns; x++) {
            blockIdx = {x, y, 0};
            kernel();
            at_barrier->arrive_and_wait();  // shared memory is one block's at a time
        }
    });
    for (auto& each : all) each.join();
}
"""
_KERNEL = re.compile(r'extern "C" __global__ void (\w+)\(([^)]*)\)')


def kernels() -> dict[str, list[str]]:
    """The parameters' declarations of each kernel, by its name."""
    return {
        name: [" ".join(p.split()) for p in parameters.split(",")]
        for name, parameters in _KERNEL.findall(cuda.source())
    }


@cache
def _library(dtype: str) -> ctypes.CDLL:
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler to compile the kernels with for the CPU")
    launchers = []
    for name, declared in kernels().items():
        passed = ", ".join(parameter.split()[-1].lstrip("*") for parameter in declared)
        launchers.append(
            f'extern "C" void launch_{name}(unsigned grid_x, unsigned grid_y, unsigned threads, {", ".join(declared)}) '
            f"{{ launch(grid_x, grid_y, threads, [=] {{ {name}({passed}); }}); }}"
        )
    folder = Path(tempfile.mkdtemp(prefix="lab-kernels-"))
    (folder / "kernels.cpp").write_text("\n".join([_PRELUDE, cuda.source(), *launchers]), encoding="utf-8")
    command = [compiler, "-std=c++20", "-O1", "-ffp-contract=off", "-pthread", "-shared", "-fPIC", "-Wall", "-Werror",
               *cuda.options(dtype), "kernels.cpp", "-o", "kernels.so"]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if "barrier: No such file" in done.stderr:
        pytest.skip("the C++ compiler knows no C++20")
    assert done.returncode == 0, done.stderr
    loaded = ctypes.CDLL(str(folder / "kernels.so"))
    shutil.rmtree(folder)
    return loaded


_SCALARS = {"long long": np.int64, "unsigned int": np.uint32, "unsigned long long": np.uint64, "double": np.float64}
_ELEMENTS = {"unsigned char": np.uint8, "long long": np.int64, "double": np.float64}


def launch(dtype: str, kernel: str, grid: tuple[int, int], threads: int, arguments: tuple[Any, ...]) -> None:
    """Run a kernel with few threads a block; the arguments must be of the very types that it declares."""
    assert 0 < threads <= 256 and threads & (threads - 1) == 0, "not what block_sum can sum over"
    assert min(grid) > 0
    real = np.dtype(dtype).type
    values: list[Any] = []
    declared = kernels()[kernel]
    assert len(declared) == len(arguments), (kernel, declared)
    for parameter, argument in zip(declared, arguments, strict=True):
        words = parameter.removeprefix("const ").split()
        kind, name = " ".join(words[:-1]), words[-1]
        if "*" in kind:
            element = _ELEMENTS.get(kind.rstrip("*").strip(), real)
            if argument is not None:
                assert argument.dtype == element and argument.flags.c_contiguous, (kernel, parameter, argument.dtype)
            values.append(ctypes.c_void_p(0 if argument is None else argument.ctypes.data))
        else:
            scalar = _SCALARS.get(kind, real)
            assert type(argument) is scalar, (kernel, name, type(argument))
            values.append(np.ctypeslib.as_ctypes(np.array(argument)))
    # fewer threads than on a GPU, in as many blocks: loops go further
    few = min(threads, 4)
    getattr(_library(dtype), f"launch_{kernel}")(
        ctypes.c_uint(grid[0]), ctypes.c_uint(grid[1]), ctypes.c_uint(few), *values
    )


class HostKernels(FusedOperations):
    """The operations of the GPU backend over numpy's arrays, with the kernels on the CPU."""

    name = "numpy"
    kernels = "on host"
    xp = np

    def __init__(self, dtype: str = "float32", **options: Any) -> None:
        super().__init__(dtype)
        self.launched: set[str] = set()
        _library(dtype)
        self.pool = Pool()
        self.usage = self.pool.usage

    empty = NumpyBackend.empty
    resident = NumpyBackend.resident
    to_host = NumpyBackend.to_host
    synchronize = NumpyBackend.synchronize
    trim = NumpyBackend.trim

    def warm_up(self) -> None:
        """Compiled already."""

    def launch(self, kernel: str, grid: tuple[int, int], block: int, *arguments: Any) -> None:
        self.launched.add(kernel)
        launch(self.dtype.name, kernel, grid, block, arguments)
