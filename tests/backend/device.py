"""A device without a GPU: arrays that no host code can read by accident, and a count of every time the host waits.

Where cupy would raise, so do these: numpy functions refuse them, they refuse numpy's arrays, products need a target in
C order, and the namespace has no name that cupy has not (where cupy is installed).
"""

from __future__ import annotations

import importlib
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from lab.backend import Backend, NumpyBackend
from lab.backend.fused import FusedOperations
from lab.backend.pool import Pool
from lab.registry import register
from tests.backend.on_host import launch

waits = [0]  # how often the host has read from a device
tapes: list[list[Callable[[], Any]]] = []  # where what is computed is noted, so that it can be computed again


class HostArrayLeak(TypeError):
    """A host array met a device array."""


def _inside(x: Any) -> Any:
    """The numpy arrays of device arrays in x, for numpy to work on; a host array is a leak."""
    if isinstance(x, DeviceArray):
        return x._array
    if isinstance(x, np.ndarray):
        raise HostArrayLeak(f"a host array {x.dtype} {x.shape} met a device array")
    if isinstance(x, (tuple, list)):
        return type(x)(_inside(each) for each in x)
    return {key: _inside(each) for key, each in x.items()} if isinstance(x, dict) else x


def _noted(work: Callable[[], Any], *inputs: Any) -> Any:
    """What `work` gives as device arrays; noted to be computed again in its place, unless it is a view of inputs."""
    found = work()
    out = _outside(found)
    for tape in tapes:
        if isinstance(out, DeviceArray):
            arrays = [x for x in inputs if isinstance(x, np.ndarray)]
            if not (isinstance(found, np.ndarray) and any(np.may_share_memory(found, x) for x in arrays)):
                tape.append(lambda: np.copyto(out._array, work()))
        else:
            assert not isinstance(out, (tuple, list)), "cannot be noted"
    return out


def _done(work: Callable[[], Any]) -> None:
    """Do what changes arrays, and note it."""
    work()
    for tape in tapes:
        tape.append(work)


def _outside(x: Any) -> Any:
    if isinstance(x, (np.ndarray, np.generic)):
        return DeviceArray(np.asarray(x))
    return type(x)(_outside(each) for each in x) if isinstance(x, (tuple, list)) else x


class DeviceArray:
    """Stands for an array on a device."""

    __array_ufunc__ = None  # numpy's operators leave it to ours
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, array: Any) -> None:
        self._array = array

    def __array__(self, *args: Any, **options: Any) -> Any:
        raise HostArrayLeak("a device array was given to host code")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(self._array, name)
        if name in ("item", "tolist", "tobytes"):
            waits[0] += 1
            return found
        if name in ("shape", "dtype", "ndim", "size", "nbytes", "itemsize", "flags", "strides"):
            return found
        if callable(found):
            return lambda *args, **options: self._call(found, _inside(args), _inside(options))
        return _outside(found)

    def _call(self, method: Any, args: Any, options: Any) -> Any:
        return _noted(lambda: method(*args, **options), self._array)

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, key: Any) -> Any:
        inside = _inside(key)
        if any(
            isinstance(k, np.ndarray) and k.dtype == bool for k in (inside if isinstance(inside, tuple) else [inside])
        ):
            waits[0] += 1  # how many rows there will be has to be known
        return _noted(lambda: self._array[inside], self._array)

    def __setitem__(self, key: Any, value: Any) -> None:
        at, values = _inside(key), _inside(value)
        _done(lambda: self._array.__setitem__(at, values))

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __float__(self) -> float:
        waits[0] += 1
        return float(self._array)

    def __int__(self) -> int:
        waits[0] += 1
        return int(self._array)

    def __bool__(self) -> bool:
        waits[0] += 1
        return bool(self._array)


def _operator(name: str) -> Any:
    def apply(self: DeviceArray, *others: Any) -> Any:
        method, inside = getattr(self._array, name), _inside(others)
        if name.startswith("__i") and name != "__invert__":
            _done(lambda: method(*inside))
            return self
        return _noted(lambda: method(*inside))

    return apply


for _name in (
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "and",
    "or",
    "xor",
    "lshift",
    "rshift",
    "matmul",
):
    for _form in ("", "r", "i"):
        setattr(DeviceArray, f"__{_form}{_name}__", _operator(f"__{_form}{_name}__"))
for _name in ("neg", "pos", "abs", "invert", "lt", "le", "gt", "ge", "eq", "ne"):
    setattr(DeviceArray, f"__{_name}__", _operator(f"__{_name}__"))


class Namespace(types.ModuleType):
    """numpy's functions over device arrays, as far as cupy has them."""

    ndarray = DeviceArray

    def __init__(self) -> None:
        super().__init__("device")
        self.lib = types.SimpleNamespace(
            stride_tricks=types.SimpleNamespace(
                as_strided=_view("as_strided"), sliding_window_view=_view("sliding_window_view")
            )
        )
        try:
            self._cupy: Any = importlib.import_module("cupy")
        except ImportError:
            self._cupy = None

    def asarray(self, x: Any, dtype: Any = None) -> DeviceArray:
        """From the host (or as it is): the one way in."""
        assert not tapes or isinstance(x, DeviceArray), "a graph would copy what the host has in that place later on"
        return DeviceArray(np.array(x._array if isinstance(x, DeviceArray) else x, dtype=dtype))

    def matmul(self, a: DeviceArray, b: DeviceArray, out: DeviceArray) -> None:
        assert out.flags.c_contiguous, "cupy writes products in C order alone"
        _done(lambda: np.matmul(a._array, b._array, out=out._array))

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if self._cupy is not None and not hasattr(self._cupy, name):
            raise AttributeError(f"cupy has no {name}")
        if isinstance(found, type) or not callable(found):
            return found
        if name == "may_share_memory":
            return lambda a, b: found(_inside(a), _inside(b))
        return lambda *args, **options: self._call(found, args, options)

    def _call(self, function: Any, args: Any, options: Any) -> Any:
        inside, named = _inside(args), _inside(options)
        if options.get("out") is not None:
            _done(lambda: function(*inside, **named))
            return options["out"]
        return _noted(lambda: function(*inside, **named), *inside)


def _view(name: str) -> Any:
    make = getattr(np.lib.stride_tricks, name)
    return lambda x, *args, **options: DeviceArray(make(x._array, *args, **options))


@register("backend", "device")
class Device(Backend):
    """The reference operations on such a device."""

    name = "device"
    kernels = "reference"

    def __init__(self, dtype: str = "float32", **options: Any) -> None:
        super().__init__(dtype)
        self.xp = Namespace()
        self.pool = Pool()
        self.usage = self.pool.usage

    def empty(self, shape: Any, dtype: Any = None, kind: str | None = None) -> Any:
        return DeviceArray(NumpyBackend.empty(self, shape, dtype, kind))  # type: ignore[arg-type]

    def resident(self, x: Any) -> Any:
        assert isinstance(x, np.ndarray)
        return DeviceArray(x.copy())

    def to_host(self, x: Any) -> Any:
        waits[0] += 1
        return x._array.copy()

    def synchronize(self) -> None:
        waits[0] += 1

    def warm_up(self) -> None:
        """Nothing to compile."""

    def trim(self) -> None:
        self.pool.trim()


@register("backend", "fused_device")
class FusedDevice(FusedOperations, Device):
    """The operations of the GPU backend on such a device, its kernels compiled for the CPU."""

    kernels = "fused"

    def launch(self, kernel: str, grid: tuple[int, int], block: int, *arguments: Any) -> None:
        inside = _inside(arguments)
        _done(lambda: launch(self.dtype.name, kernel, grid, block, inside))


class Repeated:
    """As lab.backend.graphs.Repeated: the work is run as it is, then run and noted, then repeated from the notes."""

    def __init__(self, work: Callable[[], None], ops: Any, tell: Callable[[str], None]) -> None:
        self._work, self._ops, self._tell, self._ran = work, ops, tell, 0
        self._pool = Pool()
        self._pool.usage = ops.usage
        self._tape: list[Callable[[], Any]] = []

    def __call__(self) -> None:
        self._ran += 1
        if self._ran > 2:
            for work in self._tape:
                work()
            return
        theirs, self._ops.pool = self._ops.pool, self._pool
        if self._ran == 2:
            tapes.append(self._tape)
            self._tell("")
        self._work()
        tapes.clear()
        self._ops.pool = theirs


@register("backend", "repeating_device")
class RepeatingDevice(FusedDevice):
    """The same, whose steps are repeated from notes as a GPU repeats them from a graph."""

    repeats = True

    def __init__(self, dtype: str = "float32", **options: Any) -> None:
        super().__init__(dtype)
        self.made: list[Repeated] = []

    def repeated(self, work: Callable[[], None], tell: Callable[[str], None]) -> Callable[[], None]:
        self.made.append(Repeated(work, self, tell))
        return self.made[-1]
