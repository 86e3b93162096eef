"""`python tools/reliability.py RESULTS OUT`: what the tests in tests/reliability tried and found, as a table.

RESULTS is the folder that the tests write to where LAB_RELIABILITY_RESULTS names it: a JSON file for each that passed.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lab.measure.build import code_version
from lab.record import storage


def table(results: Iterable[dict[str, Any]]) -> str:
    """Markdown: a row a test, what it counted and how long it took, then the sums of all counts."""
    rows: dict[str, tuple[Counter[str], float]] = {}
    for found in results:
        counts, seconds = rows.setdefault(found["test"], (Counter(), 0.0))
        counts.update({k: v for k, v in found.items() if k not in ("test", "long", "seconds")})
        rows[found["test"]] = counts, seconds + found["seconds"]
    lines = ["| test | tried and found | seconds |", "|---|---|---:|"]
    total: Counter[str] = Counter()
    for name, (counts, seconds) in sorted(rows.items()):
        total.update(counts)
        lines.append(f"| {name.replace('_', ' ')} | {_words(counts)} | {seconds:.1f} |")
    lines += ["", "In all:", "", "| what | how often |", "|---|---:|"]
    lines += [f"| {what} | {count:,} |" for what, count in sorted(total.items())]
    return "\n".join(lines)


def _words(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items()))


def main(argv: list[str]) -> int:
    """Write OUT/index.md; returns the exit status."""
    results, out = Path(argv[0]), Path(argv[1])
    found = [json.loads(path.read_text()) for path in sorted(results.glob("*.json"))]
    if not found:
        print(f"{results} holds no results; run the tests with LAB_RELIABILITY_RESULTS={results}", file=sys.stderr)
        return 2
    mode = "the long mode (`make test-long`)" if all(each["long"] for each in found) else "the short mode"
    text = (
        "# Runs and sweeps that survive\n\n"
        f"What the tests in `tests/reliability` tried in {mode} on version {code_version()}, written down\n"
        "by the tests that passed. A fault is injected at an operation of the disk, a kill is a SIGKILL of a process,\n"
        "and a run ends equal if its weights and its record are those of an uninterrupted run, bit for bit, but for\n"
        "times.\n\n"
        f"{table(found)}\n"
    )
    storage.make_folder(out)
    storage.write_atomic(out / "index.md", text.encode())
    print(out / "index.md")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
