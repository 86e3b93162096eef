"""`python -m tests.reliability.fuzz_guided PARSER INPUTS SEED FOLDER`: atheris tries one parser of `fuzz`.

It keeps inputs that lead to new places in our code, and goes on from them. What was tried is printed as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["lab"]):
    from tests.reliability.fuzz import LONGEST, try_one, warmed


def main(name: str, inputs: str, seed: str, folder: str) -> None:
    """Try the parser with so many inputs and end the process; status 77 where one of them broke it."""
    home = Path(folder)
    seeds, read = warmed(name, home)
    corpus = home / "corpus"
    corpus.mkdir()
    for number, data in enumerate(seeds):
        (corpus / str(number)).write_bytes(data)
    tried, taken, most = 0, 0, int(inputs)

    def one(data: bytes) -> None:
        nonlocal tried, taken
        taken += try_one(read, data)
        tried += 1
        if tried == most:
            print(json.dumps({"tried": tried, "taken": taken, "kept": len(list(corpus.iterdir()))}), flush=True)
            os._exit(0)

    # An input that takes ten minutes has hung; all of them together may take as long as a busy machine needs.
    limits = [f"-max_len={LONGEST}", "-rss_limit_mb=4096", "-timeout=600"]
    options = [f"-runs={most + 1000}", f"-seed={seed}", "-verbosity=0", *limits]
    atheris.Setup(["fuzz", *options, f"-artifact_prefix={home}/", str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
