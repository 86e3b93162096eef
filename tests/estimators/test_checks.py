"""Scikit-learn's own suite of checks: all of it, on all four estimators, with no expected failures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import sklearn
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks

import lab
from lab.estimators import BackpropClassifier, BackpropRegressor, ForwardForwardClassifier, ForwardForwardRegressor

ROOT = Path(lab.__file__).parent.parent
# Narrow and soon done, because the checks fit some fifty little data sets each; all else is as by default.
SMALL = [
    BackpropClassifier(hidden=(32,), epochs=20),
    ForwardForwardClassifier(hidden=(32,), epochs=20),
    ForwardForwardClassifier(hidden=(24, 16), epochs=20, answer="softmax"),
    BackpropRegressor(hidden=(32,), epochs=20),
    ForwardForwardRegressor(hidden=(32,), epochs=20),
]


@parametrize_with_checks(SMALL)  # type: ignore[untyped-decorator]
def test_scikit_learns_checks(estimator: BaseEstimator, check: Any) -> None:
    check(estimator)


def test_arrays_that_follow_the_array_api() -> None:
    """The one check that the suite skips unless scipy is told so before it is imported."""
    code = """
import lab
from sklearn.utils.estimator_checks import estimator_checks_generator
for name in ("BackpropClassifier", "ForwardForwardClassifier", "BackpropRegressor", "ForwardForwardRegressor"):
    for estimator, check in estimator_checks_generator(getattr(lab, name)(hidden=(8,), epochs=2)):
        if check.func.__name__ == "check_array_api_input":
            check(estimator)
            print(name)
"""
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    release = tuple(map(int, sklearn.__version__.split(".")[:2]))
    assert len(run.stdout.split()) == 4 or release < (1, 9)  # earlier suites have no such check
