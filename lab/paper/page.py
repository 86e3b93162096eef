"""reports/paper: the page, its Markdown twin, tables and figures, from records alone."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lab.errors import DataError, StorageError, UsageError
from lab.paper import figures, pictures, projection
from lab.paper.claims import Claims, read_claims
from lab.paper.match import Found, of_experiment, records_under
from lab.paper.projection import Projection
from lab.paper.rows import Row, rows, table, variants_table
from lab.report import html, text, write
from lab.report.figure import Figure, on_page
from lab.report.style import styled
from lab.report.table import Table

TITLE = "Hinton's forward-forward paper, repeated"
FOLDERS = ("figures", "tables")


def make_page(runs: Sequence[Path], out: Path) -> Path:
    """Draws the page of the records under `runs` into `out`; returns index.html's path.

    All is drawn before the first file of an earlier page is replaced. Raises UsageError for what is no folder,
    DataError where none holds a run of these experiments, StorageError where `out` cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{str(out)!r} is a file; name a folder for the page")
    claims, found = read_claims(), records_under(runs)
    if not any(of_experiment(found, claim.of, claim.overrides) for claim in claims.rows):
        there = text.listed([repr(str(folder)) for folder in runs], last="or")
        raise DataError(f"no run of the paper's experiments that ended ok lies in {there}; name their folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
        drafts = Path(tempfile.mkdtemp(prefix=".paper-", dir=out))
        try:
            _draw(drafts, out, runs, claims, found)
            for name in FOLDERS:
                shutil.rmtree(out / name, ignore_errors=True)
            for path in sorted(drafts.iterdir(), key=lambda p: p.name == "index.html"):
                os.replace(path, out / path.name)
        finally:
            shutil.rmtree(drafts, ignore_errors=True)
    except OSError as error:
        why = error.strerror or error
        raise StorageError(f"the page cannot be written to {str(out)!r} ({why}); free space or use another") from error
    return out / "index.html"


def _draw(drafts: Path, out: Path, runs: Sequence[Path], claims: Claims, found: Sequence[Found]) -> None:
    made = rows(claims, found)
    more = [variants_table(asked, found) for asked in claims.tables]
    lines = pictures.written(pictures.looks(made))
    longer = projection.projections(claims.rows, found)
    tables = [
        table(made),
        *(each for each in (projection.table(longer) if longer else None, *more, lines) if each is not None),
    ]
    with styled():
        drawn = make_figures(made, found)
    for name in FOLDERS:
        (drafts / name).mkdir()
    for figure in drawn:
        if not figure.missing:
            figure.save(drafts / "figures")
    for each in tables:
        (drafts / "tables" / f"{each.key}.tex").write_text(write.latex(each), encoding="utf-8")
    place = out.absolute()
    page = {
        "title": TITLE,
        "source": claims.source,
        "answers": answers(made, longer),
        "tables": tables,
        "without": [f"{each.title}: no records yet." for each, t in zip(claims.tables, more, strict=True) if t is None],
        "links": {
            one.run_id: write.link(os.path.relpath(one.folder, place).replace(os.sep, "/") + "/") for one in found
        },
        "command": text.visible(shlex.join(["lab", "paper", *map(str, runs), "--out", str(out)]), 2000),
        "versions": text.listed(sorted({str(one.at("code_version")) for one in found})) or "none",
    }
    (drafts / "report.md").write_text(as_markdown(page, drawn), encoding="utf-8")
    (drafts / "index.html").write_text(as_html(page, drawn), encoding="utf-8")


def make_figures(made: Sequence[Row], found: Sequence[Found]) -> list[Figure]:
    """All figures, those that cannot be drawn with the reason."""
    seen = pictures.looks(made)
    return [
        figures.errors(made),
        figures.curves(made),
        pictures.boxes(found),
        pictures.settling(found),
        pictures.histograms(made),
        pictures.hybrids(),
        pictures.receptive_fields(seen),
        pictures.confusions(seen),
    ]


def answers(made: Sequence[Row], longer: Sequence[Projection] = ()) -> list[str]:
    """What a reader came for, in a few sentences."""
    named = [row for row in made if row.claim.error]
    done = {verdict: [r for r in named if r.verdict == verdict] for verdict in ("reached", "missed", "partial")}
    left = len(named) - sum(map(len, done.values()))
    said = [
        f"Of {text.counted(len(named), 'number')} that the paper names, {len(done['reached'])} reached, "
        f"{len(done['missed'])} missed, {len(done['partial'])} run in part, {left} not run."
    ]
    if done["missed"]:
        said.append("; ".join(f"{r.claim.row} {r.words}" for r in done["missed"]) + ".")
    if open_ := [f"{each.claim.row} {projection.span(each)} %" for each in longer if each.whole is None]:
        said.append(f"Projected from shorter runs, which is no confidence interval: {'; '.join(open_)}.")
    few = [r.claim.row for r in made if len(r.runs) in (1, 2)]
    if few:
        said.append(f"Fewer than three seeds: {'; '.join(few)}.")
    return said


def as_html(page: dict[str, Any], drawn: Sequence[Figure]) -> str:
    """The self-contained page."""
    style, script = html.page_style(), html.template("page.js")
    made = html.environment().from_string(html.template("paper.html.j2", "lab.paper"))
    return made.render({**page, "figures": on_page(drawn), "policy": html.policy(style, script), "style": Markup(style),
                        "script": Markup(script)})  # fmt: skip


def as_markdown(page: dict[str, Any], drawn: Sequence[Figure]) -> str:
    """The same as Markdown, with the PNG pictures."""
    environment = html.environment(html=False)
    environment.filters["md"] = text.markdown
    environment.filters["mdtable"] = lambda each: write.markdown(each, page["links"])
    return environment.from_string(html.template("paper.md.j2", "lab.paper")).render({**page, "figures": drawn})


def readme_table(folder: Path) -> Table:
    """The reproduction table as the README shows it: of the records in a folder, without what has no number at all."""
    made = rows(read_claims(), records_under([folder]) if folder.is_dir() else [])
    return table([row for row in made if row.claim.error or row.runs])
