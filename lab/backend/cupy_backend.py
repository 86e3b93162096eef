"""The GPU backend: the reference operations over cupy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lab.backend.base import Array, Backend, Kernels, Shape
from lab.backend.pool import Usage
from lab.errors import UsageError
from lab.registry import register


@register("backend", "cupy")
class CupyBackend(Backend):
    """cupy on one NVIDIA GPU; cupy's own pool reuses the memory, and a hook on it counts."""

    name = "cupy"

    def __init__(self, dtype: str = "float32", *, kernels: Kernels = "auto", threads: int | None = None) -> None:
        super().__init__(dtype)
        self.kernels = "cupy"
        try:
            import cupy
        except ImportError as error:
            raise UsageError(
                "backend cupy needs the package cupy; install the extra cuda12 or cuda13, or choose backend=numpy"
            ) from error
        if not cupy.cuda.is_available():
            raise UsageError("backend cupy finds no CUDA device; check the driver, or choose backend=numpy")
        self.xp = cupy
        self.usage = Usage()
        self._hook = _counting_hook(self.usage)
        self._hook.__enter__()  # for the life of the backend: what is freed later must be seen as well

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
        """Nothing: cupy keeps what it compiled on disk, and compiles at first use what it has not."""

    def trim(self) -> None:
        self.xp.get_default_memory_pool().free_all_blocks()


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
