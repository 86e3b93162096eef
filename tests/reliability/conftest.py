"""The short mode that `make test` runs, the long one of `make test-long`, and the tally that a report is drawn from."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.story import make_rows

LONG = os.environ.get("LAB_TEST_LONG") == "1"
# A folder, which reports/reliability is drawn from; in full, because some tests go to folders of their own.
RESULTS = os.environ.get("LAB_RELIABILITY_RESULTS") and os.path.abspath(os.environ["LAB_RELIABILITY_RESULTS"])


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return make_rows(tmp_path / "rows.npz")


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """Counts of what a test tried and found; written down only where the test passed."""
    counts: Counter[str] = Counter()
    began = time.perf_counter()
    failed = request.session.testsfailed
    yield counts
    if RESULTS and request.session.testsfailed == failed:
        name = request.node.name.removeprefix("test_").split("[")[0]
        found = {"test": name, "long": LONG, "seconds": time.perf_counter() - began, **counts}
        Path(RESULTS).mkdir(parents=True, exist_ok=True)
        (Path(RESULTS) / f"{request.node.name}.json").write_text(json.dumps(found))
