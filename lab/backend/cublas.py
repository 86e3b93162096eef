"""NVIDIA's cuBLAS, called directly for two things that cupy has no words for.

A product can be added to what is there (C <- alpha A B + beta C), and can be recorded in a CUDA graph, where cupy
refuses its own calls: cuBLAS may be recorded if its workspace is given to it, after the stream and each time, since
setting the stream takes the workspace away (cuBLAS documentation, "cublasSetWorkspace" and "CUDA Graphs Support").
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from lab.backend.base import Array

WORKSPACE = 32 << 20  # bytes: what NVIDIA recommends for Hopper; 4 MiB would do before it
_PLAIN, _TRANSPOSED = 0, 1  # CUBLAS_OP_N, CUBLAS_OP_T
_DEFAULT_MATH, _TF32_MATH = 0, 3  # cublasMath_t


class Cublas:
    """Products of matrices by a handle of its own; `library` has cuBLAS's functions.

    workspace  the address of WORKSPACE bytes on the device, which must outlive this and every graph it is recorded in
    tf32       let tensor cores round the factors of float32 products to 10 bits of mantissa
    """

    def __init__(self, library: Any, workspace: int, *, tf32: bool = False) -> None:
        self._library, self._workspace = library, workspace
        self.memory: Any = None  # whose address that is, where somebody has to hold it
        self._handle = ctypes.c_void_p()
        self._call("cublasCreate_v2", ctypes.byref(self._handle))
        self._call("cublasSetMathMode", self._handle, ctypes.c_int(_TF32_MATH if tf32 else _DEFAULT_MATH))

    def gemm(self, a: Array, b: Array, c: Array, alpha: float, beta: float, stream: int) -> bool:
        """c <- alpha a b + beta c on the stream; False, and nothing done, where they do not lie as cuBLAS wants.

        cuBLAS counts by columns: C in C order is its C^T = B^T A^T, and B in C order its B^T, untransposed.
        """
        left, right = _operand(a), _operand(b)
        types = {a.dtype, b.dtype, c.dtype}
        if left is None or right is None or not c.flags.c_contiguous or len(types) > 1 or a.dtype.char not in "fd":
            return False
        (m, k), n = a.shape, b.shape[1]
        if not c.size:
            return True
        if not k:
            return False
        name, real = (
            ("cublasSgemm_v2", ctypes.c_float) if a.dtype == np.float32 else ("cublasDgemm_v2", ctypes.c_double)
        )
        self._call("cublasSetStream_v2", self._handle, ctypes.c_void_p(stream))
        self._call("cublasSetWorkspace_v2", self._handle, ctypes.c_void_p(self._workspace), ctypes.c_size_t(WORKSPACE))
        by = [ctypes.c_int(number) for number in (right[0], left[0], n, m, k)]
        self._call(
            name, self._handle, *by, ctypes.byref(real(alpha)), _address(b), ctypes.c_int(right[1]), _address(a),
            ctypes.c_int(left[1]), ctypes.byref(real(beta)), _address(c), ctypes.c_int(n),
        )  # fmt: skip
        return True

    def _call(self, name: str, *arguments: Any) -> None:
        if (status := getattr(self._library, name)(*arguments)) != 0:
            raise RuntimeError(f"{name} failed with status {status}")


def _operand(x: Array) -> tuple[int, int] | None:
    """How cuBLAS is told of the transpose of x: (operation, leading dimension); None where both axes have gaps."""
    if x.ndim != 2:
        return None
    rows, columns = x.shape
    size = x.dtype.itemsize
    by_row, by_column = x.strides
    if (by_column == size or columns == 1) and (by_row >= columns * size or rows == 1) and by_row % size == 0:
        return _PLAIN, max(columns, by_row // size if rows > 1 else 0)
    if (by_row == size or rows == 1) and (by_column >= rows * size or columns == 1) and by_column % size == 0:
        return _TRANSPOSED, max(rows, by_column // size if columns > 1 else 0)
    return None


def _address(x: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(x.data.ptr)


def library() -> Any:
    """cuBLAS as cupy has loaded it. Raises OSError where there is none."""
    import cupy

    try:
        cupy.cuda.get_cublas_handle()  # cupy finds and loads it, from the toolkit's wheels or the system
    except (ImportError, RuntimeError) as error:
        raise OSError(str(error)) from error
    major = cupy.cuda.runtime.runtimeGetVersion() // 1000
    return ctypes.CDLL(f"libcublas.so.{major}")  # by this name it is the one that is loaded
