"""Fill the README's figures from committed records: `make readme`. No number in them is typed.

python tools/readme.py           rewrite what stands between <!-- NAME:begin --> and <!-- NAME:end -->
python tools/readme.py --check   only say whether that would change anything (exit status 1)
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for tools.benches
from lab.audit import Evidence, audit, judged
from lab.audit.section import banner
from lab.paper.page import readme_table
from lab.report import load_records
from lab.report.advice import advice
from lab.report.aims import aims_table
from lab.report.grid import MEANS, grids
from lab.report.load import Records
from lab.report.table import Table
from lab.report.tables import folded, summary
from lab.report.tuning import sentence
from tools import benches, setting, support

ROOT = Path(__file__).resolve().parent.parent
# section of the README -> folder of records, and the columns that its table shows
SECTIONS = {
    "quick": (
        "reports/quick/runs",
        ("trainer", "seeds", "test error", "accuracy by goodness", "accuracy by softmax head", "training time",
         "samples a second", "activations", "peak memory"),
    ),
    "comparison": (
        "reports/comparison/runs",
        ("trainer", "network", "data", "seeds", "test error", "accuracy by goodness", "activations", "peak memory"),
    ),
    "ff_3x1000": (
        "reports/ff_3x1000/runs",
        ("trainer", "seeds", "test error", "accuracy by goodness", "accuracy by softmax head"),
    ),
    "networks": (
        "reports/networks/runs",
        ("trainer", "network", "data", "seeds", "test error"),
    ),
}  # fmt: skip

# section -> how it is drawn, and the folder of the bench's results
BENCHES = {"speed": (benches.speed, "reports/speed"), "memory": (benches.memory, "reports/memory")}


def bench(name: str) -> str:
    """A table of a bench's main figures; empty where nothing was measured."""
    draw, folder = BENCHES[name]
    return draw(ROOT / folder) if (ROOT / folder / f"{name}.json").is_file() else ""


def supported(name: str) -> str:
    """Networks x trainers x objectives: what works, and what the records of reports/networks reached."""
    return support.table(ROOT / "reports/networks/runs")


def reproduced(name: str) -> str:
    """The paper's results beside ours, of the records of reports/paper."""
    table = readme_table(ROOT / "reports/paper/runs")
    return markdown(table, ("experiment", "paper", "ours", "verdict", "seeds", "epochs"))


def settings(name: str) -> str:
    """What was at fault where forward-forward learned nothing of photographs."""
    return setting.table()


def section(name: str) -> str:
    """The sentences that compare, and the summary, of the records of one section; empty where there are none.

    Of a protocol's comparison, what it comes to; each pair's own sentence is left to its page.
    """
    folder, columns = SECTIONS[name]
    if not (ROOT / folder).is_dir():
        return ""
    records = load_records(ROOT / folder)
    if name == "networks" and (tables := grids(records)):
        return networks(records, tables)
    table = folded(summary(records))
    # one seed has no interval, and a single run's time says little: its sentence is left to the report
    several = records.counted["seed"].nunique() > 1
    evidence = Evidence(records)
    findings = audit(evidence) if several else []
    compared = judged(evidence, findings) if several else []
    told = advice(records, compared)  # of a protocol's comparison: what it comes to goes first
    if told:
        told += [f"**{banner(evidence, findings).words}**"]
    sentences = [f"{said}\n" for said in told or [comparison.sentence for comparison in compared]]
    return "\n".join([*sentences, markdown(table, columns)])


def networks(records: Records, tables: list[Table]) -> str:
    """A table for each data set, from how many trials its settings were chosen, and which aims were missed."""
    drawn = [text for table in tables for text in titled(table)]
    said = " ".join([MEANS, *filter(None, [sentence(records.trials)])]) + "\n"
    aims = titled(aims_table(records.aims, records.counted)) if records.aims else []
    return "\n".join([*drawn, said, *aims])


def titled(table: Table) -> tuple[str, str]:
    """A whole table under its title."""
    return f"**{table.title}**\n", markdown(table, tuple(column.label for column in table.columns))


def markdown(table: Table, columns: tuple[str, ...]) -> str:
    """The chosen columns of a table."""
    chosen = [i for name in columns for i, c in enumerate(table.columns) if c.label == name or c.heading == name]
    lines = [
        "| " + " | ".join(table.columns[i].heading for i in chosen) + " |",
        "|" + "|".join("---:" if table.columns[i].numeric else "---" for i in chosen) + "|",
        *("| " + " | ".join(row[i].text for i in chosen) + " |" for row in table.rows),
    ]
    return "\n".join(lines) + "\n"


def filled(text: str) -> str:
    """The README with every section drawn anew."""
    drawn_by = (
        dict.fromkeys(SECTIONS, section)
        | dict.fromkeys(BENCHES, bench)
        | {"support": supported, "paper": reproduced, "setting": settings}
    )
    for name, draw in drawn_by.items():
        pattern = rf"(<!-- {name}:begin -->\n).*?(<!-- {name}:end -->)"
        drawn = draw(name)
        text = re.sub(pattern, lambda m, drawn=drawn: f"{m[1]}{drawn}{m[2]}", text, flags=re.DOTALL)
    return text


def main(arguments: list[str]) -> int:
    """Write, or check."""
    readme = ROOT / "README.md"
    before = readme.read_text(encoding="utf-8")
    after = filled(before)
    if before == after:
        return 0
    if "--check" in arguments:
        print("README.md differs from the committed records; run: make readme", file=sys.stderr)
        return 1
    readme.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
