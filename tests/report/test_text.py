"""Hostile text in each output format."""

from __future__ import annotations

import csv
import io
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.report import text

NASTY = "\u202eevil\u2066 \ud800 \x00\x1b[31m a\nb\tc \u200b\ufeff\ufffe \U000e0041 $x$ \u2028"


def test_nothing_stays_hidden() -> None:
    shown = text.visible(NASTY)
    assert all(
        name in shown
        for name in ("\u27e8U+202E\u27e9", "\u27e8U+D800\u27e9", "\u27e8U+0000\u27e9", "\u27e8U+FEFF\u27e9")
    )
    assert "a b c" in shown and shown.isprintable()
    shown.encode("utf-8")


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_becomes_one_printable_line_that_xml_may_hold(value: str) -> None:
    shown = text.visible(value)
    shown.encode("utf-8")
    assert len(shown) <= text.LONGEST
    assert not any(unicodedata.category(c) in {"Cc", "Cs", "Cn", "Zl", "Zp"} for c in shown)
    assert text.visible(shown) == shown


def test_long_text_keeps_both_ends() -> None:
    shown = text.shorten("a" * 100 + "epochs=5", 21)
    assert len(shown) == 21 and shown.endswith("epochs=5") and "\u2026" in shown


@given(st.text(alphabet="\\{}$&%#_~^<>|\"`'[]*-ab\u2212\u00b1", max_size=30))
def test_latex_has_no_command_left(value: str) -> None:
    escaped = text.latex(value)
    rest = re.sub(r"\\(text[a-z]+|ldots)\{\}|\$\\?[a-z-]+\$|\\[{}$&%#_]|\{[\[\]*-]\}", "", escaped)
    assert not set(rest) & set("\\{}$&%#_~^<>|[]*-")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", " =", "\uff1d"])
def test_a_formula_is_not_a_formula_any_more(start: str) -> None:
    assert text.csv(f"{start}HYPERLINK(1)") == f"'{start}HYPERLINK(1)"
    target = io.StringIO()
    csv.writer(target).writerow([text.csv(f"{start}cmd|' /C calc'!A0")])
    assert next(csv.reader(io.StringIO(target.getvalue())))[0].startswith("'")


def test_plain_text_is_left_as_it_is_in_csv() -> None:
    assert text.csv("mlp 3x500 a=b") == "mlp 3x500 a=b"


@pytest.mark.parametrize(
    ("value", "escaped"),
    [
        ("a|b", r"a\|b"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("[x](javascript:1)", r"\[x\](javascript:1)"),
        ("- item", r"\- item"),
        ("1. item", r"1\. item"),
        ("14.48", "14.48"),
        ("a_b*c`d$e", r"a\_b\*c\`d\$e"),
    ],
)
def test_markdown(value: str, escaped: str) -> None:
    assert text.markdown(value) == escaped


def test_words_are_joined_as_in_a_sentence() -> None:
    assert [text.listed(list(w)) for w in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
    assert (text.counted(1, "seed"), text.counted(2, "seed")) == ("1 seed", "2 seeds")
