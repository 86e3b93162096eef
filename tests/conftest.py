"""Every backend that this machine has: numpy always, cupy where there is a CUDA device."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from lab import registry
from lab.backend import Backend
from lab.errors import UsageError
from lab.registry import part
from tests.tally import pytest_collection_modifyitems, pytest_runtest_makereport, tally

__all__ = ["pytest_collection_modifyitems", "pytest_runtest_makereport", "tally"]  # pytest looks for them here

# No deadline: a shared machine may stall an example, and no timing decides a test.
settings.register_profile("lab", deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lab")


@pytest.fixture(params=["numpy", "cupy"])
def backend(request: Any) -> str:
    """The name of a backend."""
    name: str = request.param
    try:
        part("backend", name)("float64")
    except UsageError as error:
        pytest.skip(str(error))
    return name


@pytest.fixture
def ops(backend: str) -> Backend:
    """A float64 backend."""
    made: Backend = part("backend", backend)("float64")
    return made


@pytest.fixture
def only_the_labs_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the parts that other tests of this process registered, which would stand in a list of what is valid."""
    own = {
        group: {name: made for name, made in parts.items() if made.__module__.startswith("lab.")}
        for group, parts in registry._PARTS.items()
    }
    monkeypatch.setattr(registry, "_PARTS", own)
