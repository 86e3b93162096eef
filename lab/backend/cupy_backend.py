"""The GPU backend: cupy, with fused kernels and direct calls of cuBLAS where they are better."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from lab.backend import cuda
from lab.backend.base import Array, Kernels, Shape
from lab.backend.cublas import WORKSPACE, Cublas, library
from lab.backend.fused import FusedOperations
from lab.backend.graphs import Repeated
from lab.backend.pool import Usage
from lab.errors import UsageError
from lab.registry import register, unknown


@register("backend", "cupy")
class CupyBackend(FusedOperations):
    """cupy on one NVIDIA GPU; cupy's own pool reuses the memory, and a hook on it counts.

    kernels  cupy: the reference operations alone; auto: fused kernels, and products by direct calls of cuBLAS;
             tf32: as auto, with the factors of float32 products rounded to 10 bits of mantissa, so that
             tensor cores make them, which changes results. What runs is in `kernels` and in every record.

    All work goes to one stream of the process, which becomes the calling thread's current one. The 32 MiB that cuBLAS
    works in are the library's and not counted.
    """

    name = "cupy"

    def __init__(self, dtype: str = "float32", *, kernels: Kernels = "auto", threads: int | None = None) -> None:
        super().__init__(dtype)
        if kernels not in ("auto", "cupy", "tf32"):
            raise UsageError(unknown("kernels", kernels, ("auto", "cupy", "tf32")))
        if kernels == "tf32" and dtype != "float32":
            raise UsageError(f"kernels=tf32 rounds float32 products, but dtype is {dtype}; use dtype=float32")
        try:
            import cupy
        except ImportError as error:
            raise UsageError(
                "backend cupy needs the package cupy; install the extra cuda12 or cuda13, or choose backend=numpy"
            ) from error
        if not cupy.cuda.is_available():
            raise UsageError("backend cupy finds no CUDA device; check the driver, or choose backend=numpy")
        self.xp = cupy
        properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.runtime.getDevice())
        self.device = properties["name"].decode()
        self.usage = Usage()
        self.fused = kernels != "cupy"
        self._blas = _blas(cupy.cuda.runtime.getDevice(), kernels == "tf32") if self.fused else None
        self.adds_products = self._blas is not None
        self.kernels = "cupy"
        if self.fused:
            self.kernels = f"cupy+fused{'' if self._blas is None else '+cublas'}{'+tf32' * (kernels == 'tf32')}"
            if kernels == "tf32" and self._blas is None:
                raise UsageError("kernels=tf32 needs the library cuBLAS, which was not found; choose kernels=auto")
        self.repeats = self.fused
        self._stream = _stream(cupy.cuda.runtime.getDevice())
        self._stream.use()
        self._hook = _counting_hook(self.usage)
        self._hook.__enter__()  # for the life of the backend: what is freed later must be seen as well

    # -- memory --------------------------------------------------------------------------------------------------
    def empty(self, shape: Shape, dtype: npt.DTypeLike | None = None, kind: str | None = None) -> Array:
        self._hook.kind = self.usage.kind_of(kind)
        out: Array = self.xp.empty(shape, self.dtype if dtype is None else dtype)
        self._hook.kind = "workspace"
        return out

    def resident(self, x: Array) -> Array:
        out = self.empty(x.shape, x.dtype, kind="data")
        on_device: Any = out  # cupy's arrays have `set`, which numpy's type does not know
        on_device.set(np.ascontiguousarray(x))
        return out

    def to_host(self, x: Array) -> Array:
        host: Array = self.xp.asnumpy(x)
        return host

    def synchronize(self) -> None:
        self.xp.cuda.get_current_stream().synchronize()

    def warm_up(self) -> None:
        """Compile the fused kernels, or read them from cupy's folder; its own it compiles at first use."""
        self._stream.use()  # another thread may have made this
        if self.fused:
            _kernel(self.dtype.name, "relu").compile()

    def repeated(self, work: Callable[[], None], tell: Callable[[str], None]) -> Callable[[], None]:
        return Repeated(work, self._stream, tell)

    def trim(self) -> None:
        self.xp.get_default_memory_pool().free_all_blocks()

    # -- running -------------------------------------------------------------------------------------------------
    def launch(self, kernel: str, grid: tuple[int, int], block: int, *arguments: Any) -> None:
        null = np.uint64(0)
        values = tuple(null if argument is None else argument for argument in arguments)
        _kernel(self.dtype.name, kernel)(grid, (block,), values)

    def _product(self, a: Array, b: Array, out: Array, alpha: float, beta: float) -> bool:
        return self._blas is not None and self._blas.gemm(a, b, out, alpha, beta, self.xp.cuda.get_current_stream().ptr)


@cache
def _module(dtype: str) -> Any:
    import cupy

    return cupy.RawModule(code=cuda.source(), options=("--std=c++17", *cuda.options(dtype)))


@cache
def _kernel(dtype: str, name: str) -> Any:
    return _module(dtype).get_function(name)


@cache
def _stream(device: int) -> Any:
    """The one stream that this process gives the device work by: the default one cannot be recorded from."""
    import cupy

    return cupy.cuda.Stream(non_blocking=True)


@cache
def _blas(device: int, tf32: bool) -> Cublas | None:
    """cuBLAS on the current device, `device`, for the life of the process; None where the library is not found."""
    import cupy

    try:
        found = library()
    except OSError:
        return None
    memory = cupy.cuda.Memory(WORKSPACE)  # not of the pool
    blas = Cublas(found, memory.ptr, tf32=tf32)
    blas.memory = memory
    return blas


def _counting_hook(usage: Usage) -> Any:
    """A cupy memory hook that adds what the pool hands out to `usage` and subtracts what comes back.

    What is allocated outside `empty` (temporaries inside an expression) counts as workspace.
    """
    from cupy.cuda.memory_hook import MemoryHook

    class Counter(MemoryHook):  # type: ignore[misc]  # cupy has no type hints
        name = f"lab-usage-{id(usage)}"  # cupy refuses two hooks of one name
        kind = "workspace"

        def __init__(self) -> None:
            self._kinds: dict[int, str] = {}

        def malloc_postprocess(self, **event: int) -> None:
            if event["mem_ptr"]:
                self._kinds[event["mem_ptr"]] = self.kind
                usage.add(self.kind, event["mem_size"])

        def free_preprocess(self, **event: int) -> None:
            kind = self._kinds.pop(event["mem_ptr"], None)
            if kind is not None:
                usage.add(kind, -event["mem_size"])

    return Counter()
