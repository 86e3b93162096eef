"""What tests tried and found, counted: reports/reliability is drawn from it. And the long mode of `make test-long`."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from lab.measure.build import code_version
from lab.record.storage import write_atomic  # by its name: a test may put another in its place

LONG = os.environ.get("LAB_TEST_LONG") == "1"
# A folder, which reports/reliability is drawn from; in full, because some tests go to folders of their own.
RESULTS = os.environ.get("LAB_RELIABILITY_RESULTS") and os.path.abspath(os.environ["LAB_RELIABILITY_RESULTS"])

PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Notes on each test whether it passed, for its fixtures."""
    report = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """Counts of what a test tried and found; written down only where the test passed, and not where it was skipped."""
    counts: Counter[str] = Counter()
    began = time.perf_counter()
    yield counts
    if RESULTS and request.node.stash.get(PASSED, False):
        name = request.node.name.removeprefix("test_").split("[")[0]
        seconds = time.perf_counter() - began
        found = {"test": name, "long": LONG, "version": code_version(), "seconds": seconds, **counts}
        Path(RESULTS).mkdir(parents=True, exist_ok=True)
        write_atomic(result_of(request.node), json.dumps(found).encode())


def result_of(item: pytest.Item) -> Path:
    assert RESULTS is not None
    return Path(RESULTS) / f"{item.name.replace('/', '_')}.json"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What this version of the code has passed already is left out: `make test-long` can be stopped and go on."""
    for item in items:
        if not RESULTS or "tally" not in getattr(item, "fixturenames", ()) or not result_of(item).exists():
            continue
        found = json.loads(result_of(item).read_text())
        if (found["version"], found["long"]) == (code_version(), LONG):
            item.add_marker(pytest.mark.skip(reason="this version passed it already, see LAB_RELIABILITY_RESULTS"))
