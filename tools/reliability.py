"""`python tools/reliability.py RESULTS OUT`: what tests tried and found that count it, as a table.

RESULTS is the folder that the tests write to where LAB_RELIABILITY_RESULTS names it: a JSON file for each that passed.
Where it holds results of the long mode, those of the short one (in a folder inside) only say how long that takes.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lab.record import storage


def table(results: Iterable[dict[str, Any]]) -> str:
    """Markdown: what has to be none; a row a test, its mode, its counts and its time; then the sums of all counts."""
    rows: dict[tuple[str, str], tuple[Counter[str], float]] = {}
    for found in results:
        key = found["test"], "all" if found["long"] else "a sample"
        counts, seconds = rows.setdefault(key, (Counter(), 0.0))
        counts.update({k: v for k, v in found.items() if k not in ("test", "long", "version", "seconds")})
        rows[key] = counts, seconds + found["seconds"]
    lines = ["| what has to be none | how often |", "|---|---:|"]
    lines += [f"| {what} | {count:,} |" for what, count in failures([counts for counts, _ in rows.values()]).items()]
    lines += ["", "| test | of what there is to try | tried and found | seconds |", "|---|---|---|---:|"]
    total: Counter[str] = Counter()
    for (name, mode), (counts, seconds) in sorted(rows.items()):
        total.update(counts)
        lines.append(f"| {name.replace('_', ' ')} | {mode} | {_words(counts)} | {seconds:.1f} |")
    lines += ["", "In all:", "", "| what | how often |", "|---|---:|"]
    lines += [f"| {what} | {count:,} |" for what, count in sorted(total.items())]
    return "\n".join(lines)


def failures(tests: Iterable[Counter[str]]) -> dict[str, int]:
    """What the counts of each test leave over: faults without an equal end, corruptions that nobody saw, ..."""
    tests = list(tests)
    total = sum(tests, Counter())
    faulty = sum((counts for counts in tests if "faults injected" in counts), Counter())
    return {
        "runs lost, or ended otherwise, after a fault": faulty["faults injected"] - faulty["runs that ended equal"],
        "corruptions that were not detected": total["corruptions tried"] - total["corruptions detected"],
        "attacks and inputs that ran code": total["attacks that ran code"] + total["inputs that ran code"],
        "attacks that wrote a file": total["attacks that wrote a file"],
        "elements that a report gained by attacks": total["elements that a report gained by attacks"],
    }


def times(results: Iterable[dict[str, Any]]) -> str:
    """How long each mode takes, in a sentence: the sum over its tests, as one after another on one core would take."""
    sums: Counter[str] = Counter()
    for found in results:
        sums["the long mode" if found["long"] else "the short mode, which `make test` runs"] += found["seconds"]
    return " and ".join(f"{seconds:,.0f} seconds for {mode}" for mode, seconds in sorted(sums.items()))


def _words(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items()))


def main(argv: list[str]) -> int:
    """Write OUT/index.md; returns the exit status."""
    results, out = Path(argv[0]), Path(argv[1])
    found = [json.loads(path.read_text()) for path in sorted(results.rglob("*.json"))]
    if not found:
        print(f"{results} holds no results; run the tests with LAB_RELIABILITY_RESULTS={results}", file=sys.stderr)
        return 2
    versions = sorted({entry["version"] for entry in found})
    if len(versions) > 1:
        print(
            f"{results} holds results of {' and '.join(versions)}; a table is of one version: remove it",
            file=sys.stderr,
        )
        return 2
    text = (
        "# Runs and sweeps that survive\n\n"
        f"What was tried on version {versions[0]}, written down by the tests that passed: those in\n"
        "`tests/reliability`, and others that try files and trainers; `make test-long` tries all there is.\n"
        "A fault is injected at an operation of the disk, a kill is a SIGKILL of a process, and a run ends equal if\n"
        "its weights and record are those of an uninterrupted run, bit for bit, but for times; where one is lost or\n"
        f"ends otherwise, its test fails. One after another these tests took {times(found)}.\n\n"
        f"{table([entry for entry in found if entry['long']] or found)}\n"
    )
    storage.make_folder(out)
    storage.write_atomic(out / "index.md", text.encode())
    print(out / "index.md")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
