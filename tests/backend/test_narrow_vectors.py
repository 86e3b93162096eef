"""The compiled tiles in vectors of 32 bytes, as without AVX-512: their tests once more, in a process told of none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import lab

pytest.importorskip("numba", reason="compiled kernels need the package numba")
from lab.backend.compiled.vectors import WIDE

WITHOUT = """
import sys
import llvmlite.binding

real = llvmlite.binding.get_host_cpu_features

def without():
    features = real()
    features.update({name: False for name in features if name.startswith("avx512")})
    return features

llvmlite.binding.get_host_cpu_features = without
import pytest
from lab.backend.compiled.vectors import VECTOR
assert VECTOR == 32
sys.exit(pytest.main(sys.argv[1:]))
"""


@pytest.mark.skipif(not WIDE, reason="here the other tests use these vectors")
@pytest.mark.parametrize("tests", ["test_field_loops.py", "test_convolution_loops.py"])
def test_of_narrow_vectors(tests: str, tmp_path: Path) -> None:
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(Path(__file__).with_name(tests))]
    told = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTEST_ADDOPTS": ""}
    here = Path(lab.__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", WITHOUT, *options], env=told, cwd=here, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
