"""NVIDIA's run-time compiler, which needs no GPU: from its wheel, from a toolkit that is installed, or not at all."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

_WHEELS = ("nvidia.cuda_nvrtc", "nvidia.cu13")  # nvidia-cuda-nvrtc-cu12, nvidia-cuda-nvrtc
_NAMES = ("libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so")


def _places() -> Iterator[str]:
    for wheel in _WHEELS:
        try:
            spec = find_spec(wheel)
        except ModuleNotFoundError:  # nothing of NVIDIA's is installed
            break
        for folder in (spec.submodule_search_locations or []) if spec else []:
            yield from (str(path) for name in _NAMES if (path := Path(folder, "lib", name)).exists())
    yield from _NAMES


@cache
def _library() -> Any:
    for place in _places():
        try:
            return ctypes.CDLL(place)
        except OSError:
            continue
    return None


def compiled(source: str, options: Sequence[str]) -> str:
    """The PTX of a source. Where it is refused the test fails with the compiler's words; without one it is skipped."""
    nvrtc = _library()
    if nvrtc is None:
        pytest.skip("compiling for a GPU needs NVIDIA's NVRTC: pip install nvidia-cuda-nvrtc-cu12")
    program = ctypes.c_void_p()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None) == 0
    try:
        given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        if nvrtc.nvrtcCompileProgram(program, len(options), given):
            pytest.fail(_text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program))
        return _text(nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX, program)
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _text(size: Any, get: Any, program: ctypes.c_void_p) -> str:
    length = ctypes.c_size_t()
    assert size(program, ctypes.byref(length)) == 0
    text = ctypes.create_string_buffer(length.value)
    assert get(program, text) == 0
    return text.value.decode()
