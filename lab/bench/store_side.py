"""`python -m lab.bench.store_side load | report STORE OUT`: read a store once and say what that took.

CPU seconds are the process's whole life, the start of Python and all imports included, as a user of `lab report` pays
them; the peak is the largest resident set.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from lab.measure.memory import process_peak


def main(side: str, store: str, out: str) -> None:
    """Print one JSON object."""
    began = time.perf_counter()
    page = None
    if side == "load":
        from lab.report import load_records

        n = len(load_records(Path(store)).runs)
    else:
        from lab.report import make_report

        page = make_report(Path(store), Path(out))
        n = page.with_name("runs.csv").read_text(encoding="utf-8").count("\n") - 1
    seconds = time.perf_counter() - began
    peak, _ = process_peak()
    written = 0 if page is None else sum(file.stat().st_size for file in page.parent.rglob("*") if file.is_file())
    print(json.dumps({
        "read": n, "seconds": seconds, "cpu_seconds": time.process_time(), "peak_bytes": peak,
        "page_bytes": page and page.stat().st_size, "written_bytes": written,
    }))  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
