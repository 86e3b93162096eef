"""What cuBLAS is told of a product, given to a stand-in that reads and writes by columns as cuBLAS does."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from lab.backend import cublas
from lab.backend.cublas import WORKSPACE, Cublas


class ByColumns:
    """cuBLAS's functions on the host, strict about the order of calls and the arguments that the real ones check."""

    def __init__(self) -> None:
        self.math = -1
        self._stream = self._workspace = 0

    def cublasCreate_v2(self, handle: Any) -> int:
        handle._obj.value = 7
        return 0

    def cublasSetMathMode(self, handle: Any, mode: Any) -> int:
        self.math = mode.value
        return 0

    def cublasSetStream_v2(self, handle: Any, stream: Any) -> int:
        self._stream, self._workspace = stream.value, 0  # it takes the workspace away
        return 0

    def cublasSetWorkspace_v2(self, handle: Any, address: Any, size: Any) -> int:
        assert size.value == WORKSPACE
        self._workspace = address.value
        return 0

    def cublasSgemm_v2(self, *arguments: Any) -> int:
        return self._gemm(np.float32, *arguments)

    def cublasDgemm_v2(self, *arguments: Any) -> int:
        return self._gemm(np.float64, *arguments)

    def _gemm(self, dtype: Any, handle: Any, transa: Any, transb: Any, m: Any, n: Any, k: Any, alpha: Any, a: Any,
              lda: Any, b: Any, ldb: Any, beta: Any, c: Any, ldc: Any) -> int:  # fmt: skip
        assert (handle.value, self._stream, self._workspace) == (7, 11, 13)

        def matrix(address: Any, rows: int, columns: int, ld: int) -> Any:
            assert ld >= max(1, rows)
            span = (columns - 1) * ld + rows
            raw = (ctypes.c_char * (span * np.dtype(dtype).itemsize)).from_address(address.value)
            size = np.dtype(dtype).itemsize
            return as_strided(np.frombuffer(raw, dtype), (rows, columns), (size, ld * size))

        m, n, k = m.value, n.value, k.value
        A = matrix(a, *((k, m) if transa.value else (m, k)), lda.value)
        B = matrix(b, *((n, k) if transb.value else (k, n)), ldb.value)
        C = matrix(c, m, n, ldc.value)
        C[...] = alpha._obj.value * (A.T if transa.value else A) @ (B.T if transb.value else B) + beta._obj.value * C
        return 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(4, 3, 5), (1, 3, 5), (4, 1, 5), (4, 3, 1), (1, 1, 1)])
@pytest.mark.parametrize("left", ["rows", "columns", "part"])
@pytest.mark.parametrize("right", ["rows", "columns", "part"])
def test_products(
    monkeypatch: pytest.MonkeyPatch, dtype: str, shape: tuple[int, int, int], left: str, right: str
) -> None:
    monkeypatch.setattr(cublas, "_address", lambda x: ctypes.c_void_p(x.ctypes.data))
    rng, (m, k, n) = np.random.default_rng(0), shape

    def laid(rows: int, columns: int, how: str) -> Any:
        if how == "columns":
            return rng.standard_normal((columns, rows)).astype(dtype).T
        wide = rng.standard_normal((rows, columns + 2)).astype(dtype)
        return wide[:, 1 : columns + 1] if how == "part" else np.ascontiguousarray(wide[:, :columns])

    a, b, c = laid(m, k, left), laid(k, n, right), laid(m, n, "rows")
    expected = 0.5 * a @ b + 0.25 * c
    assert Cublas(ByColumns(), 13).gemm(a, b, c, 0.5, 0.25, stream=11)
    np.testing.assert_allclose(c, expected, rtol=1e-5)


def test_what_does_not_lie_as_cublas_wants_is_left_to_others() -> None:
    blas, x = Cublas(ByColumns(), 13), np.ones((4, 4), np.float32)
    for a, b, c in (
        (x[::2, ::2], x[:2, :2], x[:2, :2].copy()),
        (x, x, np.ones((4, 4), np.float32).T[::1][:, ::1]),
        (x, x.astype(np.float64), x.copy()),
        (x[None], x[None], x[None].copy()),
        (x[:, :0], x[:0], x.copy()),
    ):
        before = c.copy()
        assert not blas.gemm(a, b, c, 1.0, 0.0, 11)
        assert (c == before).all()


def test_tensor_cores_round_float32_only_where_asked() -> None:
    for tf32, mode in ((False, 0), (True, 3)):
        library = ByColumns()
        Cublas(library, 13, tf32=tf32)
        assert library.math == mode
