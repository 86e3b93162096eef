"""Puts a report together: a page, its Markdown twin, CSV, LaTeX tables and figure files, all or none of them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lab.audit import Evidence, audit, judged
from lab.audit.section import Banner, audit_table, banner, doubt_of_times
from lab.errors import StorageError, UsageError
from lab.report import html, text, write
from lab.report.advice import advice
from lab.report.aims import aims_table
from lab.report.compare import Comparison, compare
from lab.report.figure import Figure, on_page
from lab.report.figures import KEYS, OPTIONAL, make_figures
from lab.report.grid import grids
from lab.report.limits import limits, status_text
from lab.report.load import Records, load_records, no_collecting
from lab.report.sweeps import planned_runs, sweep_runs
from lab.report.table import Table
from lab.report.tables import make_tables
from lab.report.tuning_table import tuning_table

TABLES = (
    "aims", "summary", "comparisons", "significance", "across", "audit", "pareto", "targets", "budget", "protocol",
    "calibration", "corruption", "outliers", "sizes", "tuning", "memory", "blocks", "runs",
)  # fmt: skip
FIRST = ("summary", "comparisons", "significance", "across")  # of the tables: what the audit is about
OWN = tuple(
    [f"figures/{k}.{e}" for k in (*KEYS, *OPTIONAL) for e in ("svg", "png")]
    + [f"tables/{k}.tex" for k in TABLES]
    + ["run_ids.txt", "runs.csv", "report.md", "index.html"]
)
GRIDS = "tables/results_*.tex"  # as many as there are data sets
HEADLINES = 4
LEAD = "pareto"  # the figure that stands above the contents


def make_report(
    runs: Path | Sequence[Path],
    out: Path,
    *,
    run_ids: Sequence[str] | None = None,
    expected: Sequence[Mapping[str, Any]] | None = None,
    sweep: str | None = None,
    title: str | None = None,
    reload: float | None = None,
) -> Path:
    """Draws a report of the runs under `runs` into the folder `out` and returns the path of its index.html.

    `run_ids`, `expected` ({"run_id": ..., "config": ...}) or the name of a sweep limit it to those runs, and list the
    ones that are missing. `reload`: seconds after which an open page loads itself anew. All is drawn before the first
    file of an earlier report is replaced; index.html comes last.
    Raises UsageError for a folder or sweep that is not there, StorageError when `out` cannot be written.
    """
    roots = [Path(runs)] if isinstance(runs, Path | str) else [Path(r) for r in runs]
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise UsageError(f"{str(out)!r} is a file; name a folder for the report")
    if sweep is not None:
        expected = sweep_runs(roots, sweep)
    elif expected is not None and run_ids is None:
        sweep = _own_sweep(roots, out)
    records = load_records(roots, run_ids=run_ids, expected=expected)
    ids = None if records.expected is None or sweep is not None else list(records.runs["run_id"])
    made = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        drafts = Path(tempfile.mkdtemp(prefix=".report-", dir=out))
        try:
            _draw(drafts, out, roots, records, ids=ids, sweep=sweep, title=title, reload=reload)
            _publish(drafts, out)
        finally:
            shutil.rmtree(drafts, ignore_errors=True)
    except OSError as error:
        raise StorageError(
            f"the report cannot be written to {str(out)!r} ({error.strerror or error}); free space or use another"
        ) from error
    finally:
        if made and out.is_dir() and not any(out.iterdir()):
            out.rmdir()
    return out / "index.html"


def _own_sweep(roots: list[Path], out: Path) -> str | None:
    """The sweep whose folder the report is written to, since naming it rebuilds the report."""
    folder = out.absolute().parent
    return folder.name if any(folder.parent == root.absolute() / "sweeps" for root in roots) else None


@no_collecting()
def _draw(
    drafts: Path, out: Path, roots: list[Path], records: Records, *, ids: list[str] | None, sweep: str | None,
    title: str | None, reload: float | None,
) -> None:  # fmt: skip
    evidence = Evidence(records, planned_runs(roots), compare(records))
    findings = audit(evidence)
    comparisons = judged(evidence, findings)
    figures = make_figures(records, doubt_of_times(findings))
    tables = make_tables(records, comparisons)
    tables.insert(sum(table.key in FIRST for table in tables), audit_table(findings))
    if records.trials:
        tables.insert([table.key for table in tables].index("audit") + 1, tuning_table(records.trials))
    results = grids(records)
    if records.aims:
        results.append(aims_table(records.aims, records.counted))
    top = banner(evidence, findings)
    (drafts / "figures").mkdir()
    (drafts / "tables").mkdir()
    for figure in figures:
        if not figure.missing:
            figure.save(drafts / "figures")
    for table in (*results, *tables):
        (drafts / "tables" / f"{table.key}.tex").write_text(write.latex(table), encoding="utf-8")
    (drafts / "runs.csv").write_text(write.runs_csv(records), encoding="utf-8")
    if ids is not None:
        (drafts / "run_ids.txt").write_text("".join(f"{i}\n" for i in ids), encoding="utf-8")
    page = content(
        records, comparisons, figures, results, tables, top, out, roots, limited=ids is not None, sweep=sweep,
        title=title,
    )  # fmt: skip
    (drafts / "report.md").write_text(as_markdown(page, figures), encoding="utf-8")
    (drafts / "index.html").write_text(as_html({**page, "reload": reload}, figures), encoding="utf-8")


def _publish(drafts: Path, out: Path) -> None:
    for name in ("figures", "tables"):
        (out / name).mkdir(exist_ok=True)
    numbered = {path.relative_to(folder).as_posix() for folder in (drafts, out) for path in folder.glob(GRIDS)}
    for name in (*sorted(numbered), *OWN):
        if (drafts / name).exists():
            os.replace(drafts / name, out / name)
        else:  # left by an earlier report of other runs, and no longer true
            (out / name).unlink(missing_ok=True)


def content(
    records: Records, comparisons: list[Comparison], figures: list[Figure], results: list[Table], tables: list[Table],
    top: Banner, out: Path, roots: list[Path], *, limited: bool, sweep: str | None, title: str | None,
) -> dict[str, Any]:  # fmt: skip
    """Everything that both the page and its Markdown twin say, as plain text."""
    question = _question(records)
    asked = "" if records.ledger is None else records.ledger.protocol.question
    named = {cell.run for table in (*results, *tables) for row in table.rows for cell in row if cell.run}
    links = {
        run: write.link(os.path.relpath(folder, out.absolute()).replace(os.sep, "/") + "/")
        for run, folder in zip(records.runs["run_id"], records.runs["folder"], strict=True)
        if folder and run in named
    }
    counts, told = records.counts, advice(records, comparisons)
    return {
        "title": text.visible(title or asked or question),
        "subtitle": question if title or asked else "",
        "answers": told or _answers(records, comparisons),
        "sentences": [c.sentence for c in comparisons] if told else [],
        "remarks": [] if records.ledger is None else list(records.ledger.remarks),
        "audit": top,
        "status": status_text(records),
        "warn": any(counts.get(s) for s in counts if s != "ok"),
        "results": results,
        "tables": tables,
        "links": links,
        "limits": limits(records, comparisons, [f.missing for f in figures if f.missing and not records.counted.empty]),
        "command": _command(roots, out, limited, sweep, title),
        "roots": [
            {
                "name": text.visible(r),
                "link": write.link(os.path.relpath(r.absolute(), out.absolute()).replace(os.sep, "/")),
            }
            for r in roots
        ],
        "versions": text.listed(sorted(set(records.runs["code_version"]) - {""})) or "not recorded",
    }


def _question(records: Records) -> str:
    runs = records.counted if len(records.counted) else records.runs
    known = runs[~runs["trainer"].str.startswith("unknown")] if len(runs) else runs
    trainers, data = list(dict.fromkeys(known["trainer"])), list(dict.fromkeys(known["data"]))
    if not trainers:
        return "A report without results"
    where = f" on {text.listed(data)}" if len(data) <= 4 else f" on {len(data)} data sets"
    if len(trainers) == 1:
        return f"How well does {trainers[0]} do{where}?"
    who = text.listed(trainers) if len(trainers) <= 4 else f"{len(trainers)} trainers"
    return f"How do {who} compare{where}?"


def _answers(records: Records, comparisons: list[Comparison]) -> list[str]:
    # The first comparison of each network and data set speaks before any setting has a second word.
    firsts = {(c.data, c.network): c for c in reversed(comparisons)}
    order = sorted(comparisons, key=lambda c: firsts[(c.data, c.network)] is not c)
    sentences = [c.sentence for c in order[:HEADLINES]]
    if len(order) > HEADLINES:
        rest = text.counted(len(order) - HEADLINES, "more comparison")
        sentences.append(f"{rest} in the table of paired comparisons.")
    if not sentences and records.counted.empty:
        return ["No run ended ok with a test result, so there is no answer yet."]
    return sentences or ["Only one trainer has results here, so there is nothing to compare it with."]


def _command(roots: list[Path], out: Path, limited: bool, sweep: str | None, title: str | None) -> str:
    words = ["python", "-m", "lab.report", *map(str, roots), "--out", str(out)]
    words += ["--sweep", sweep] if sweep is not None else []
    words += ["--ids", str(out / "run_ids.txt")] if limited else []
    words += ["--title", title] if title else []
    return text.visible(shlex.join(words), 2000)


def as_html(page: Mapping[str, Any], figures: Sequence[Figure]) -> str:
    """The one self-contained page; its policy allows its own style and script by their digests, and nothing else."""
    style, script = html.page_style(), html.template("page.js")
    environment = html.environment()
    environment.filters["tied"] = lambda sentence: re.sub(r"(?<=\d) %", "\u00a0%", sentence)
    return environment.from_string(html.template("page.html.j2")).render({
        **page, "figures": on_page(figures), "lead": LEAD, "policy": html.policy(style, script),
        "style": Markup(style), "script": Markup(script),
    })  # fmt: skip


def as_markdown(page: Mapping[str, Any], figures: Sequence[Figure]) -> str:
    """The same content as Markdown, with the PNG pictures."""
    environment = html.environment(html=False)
    environment.filters["md"] = text.markdown
    environment.filters["mdtable"] = lambda table: write.markdown(table, page["links"])
    return environment.from_string(html.template("report.md.j2")).render({**page, "figures": figures})
