"""Every parser of files from others, given inputs that are nearly right: a million of them in the long mode."""

from __future__ import annotations

import importlib.util
import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from lab.errors import DataError
from tests.reliability.fuzz import PARSERS, mutate, no_code, try_one, warmed
from tests.tally import LONG

INPUTS = -(-1_000_000 // len(PARSERS)) if LONG else 800
GUIDED = LONG and importlib.util.find_spec("atheris") is not None


@pytest.mark.parametrize("parser", PARSERS)
def test_a_parser_takes_anything(parser: str, tmp_path: Path, tally: Counter[str]) -> None:
    if GUIDED:
        command = [sys.executable, "-m", "tests.reliability.fuzz_guided", parser, str(INPUTS), "1", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
        assert done.returncode == 0, done.stderr[-4000:]
        found = json.loads(done.stdout)
        tally["inputs chosen by coverage"] += found["tried"]
        tally["inputs kept for new paths"] += found["kept"]
        assert found["tried"] == INPUTS
    else:
        chosen = random.Random(parser)
        seeds, read = warmed(parser, tmp_path)
        assert all(try_one(read, seed) for seed in seeds[:1])
        for _ in range(INPUTS):
            try_one(read, mutate(seeds, chosen))
    tally["inputs to parsers"] += INPUTS
    tally["inputs that ran code"] += 0  # each is looked at by an audit hook, and the first one would end the test


def test_the_search_sees_what_it_looks_for(tmp_path: Path) -> None:
    """A parser that evaluates its input, and one that lets another error out, are both found within a few inputs."""
    seeds, chosen = [b"(1, 2)", b"1 + 1"], random.Random(0)

    def evaluates(data: bytes) -> object:
        try:
            return eval(data.decode("latin-1"), {"__builtins__": {}})  # noqa: S307 - the fault that is to be found
        except Exception:
            raise DataError("no") from None

    def crashes(data: bytes) -> object:
        return data.decode("utf-8")

    with pytest.raises(AssertionError, match="exec"):  # noqa: PT012 - which of the inputs finds it is chance
        for _ in range(100):
            try_one(evaluates, mutate(seeds, chosen))
    with pytest.raises(UnicodeDecodeError):  # noqa: PT012 - as above
        for _ in range(1000):
            try_one(crashes, mutate(seeds, chosen))
    with pytest.raises(AssertionError), no_code():
        subprocess.run(["true"])
