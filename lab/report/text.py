"""Text from configs and records, made safe to show: invisible characters named, markup of each format escaped."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 400

# Controls, bidi and other format characters, lone surrogates, unassigned code points and line separators: each of them
# can hide or reorder text, or is not allowed in XML. The two joiners stay, since scripts of India and Persia need them.
_NAMED = {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}", "'": r"\textquotesingle{}",
    # A bracket or star at the start of a row would be read as an argument of the `\\` before it.
    "[": "{[}", "]": "{]}", "*": "{*}", "-": "{-}",
    "\u2212": r"$-$", "\u00b1": r"$\pm$", "\u00d7": r"$\times$", "\u00b7": r"$\cdot$", "\u2026": r"\ldots{}",
    "\u2013": r"--", "\u27e8": r"$\langle$", "\u27e9": r"$\rangle$",
}  # fmt: skip
_MARKDOWN = set("\\`*_[]#|~$@")
_MARKS = ("-", "+", "=", ">", ":")
_FORMULA = tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20")


def visible(value: object, longest: int = LONGEST) -> str:
    """Returns the value as one line of text in which nothing is hidden: U+202E becomes the letters of its name.

    Line breaks and tabs become spaces. Text over `longest` characters is cut in its middle, where labels differ least.
    """
    text = value if isinstance(value, str) else str(value)
    if len(text) <= longest and text.isascii() and text.isprintable():  # as nearly all text is
        return text.strip()
    return shorten("".join(_visible(c) for c in text[: 20 * longest]).strip(), longest)


def _visible(character: str) -> str:
    if character in "\n\r\t":
        return " "
    if unicodedata.category(character) in _NAMED and character not in _JOINERS:
        return f"\u27e8U+{ord(character):04X}\u27e9"
    return character


def shorten(text: str, longest: int) -> str:
    """Cuts the middle out of a text that is longer than `longest` characters."""
    if len(text) <= longest:
        return text
    head = (longest - 1) // 2
    return f"{text[:head]}\u2026{text[len(text) - (longest - 1 - head) :]}"


def short_id(run_id: str) -> str:
    """A run id as shown: the first twelve characters of a long one, as its folder is found by them."""
    return f"{run_id[:12]}\u2026" if len(run_id) > 30 else run_id


def latex(text: str) -> str:
    """Escapes every character that LaTeX would read as a command; other letters are left for a UTF-8 engine."""
    return "".join(_LATEX.get(c, c) for c in text)


def markdown(text: str) -> str:
    """Escapes text for a Markdown paragraph or table cell, raw HTML and formulas included."""
    html = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
    escaped = "".join(html.get(c) or (f"\\{c}" if c in _MARKDOWN else c) for c in text)
    # At its start a dash would make a list, a number with a full stop too, and an equals sign a heading.
    escaped = re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", escaped)
    return f"\\{escaped}" if escaped.startswith(_MARKS) else escaped


def csv(text: str) -> str:
    """Puts an apostrophe before text that a spreadsheet would run as a formula (=, +, -, @, their wide forms, tab)."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def listed(words: list[str], last: str = "and") -> str:
    """Joins words as a sentence does: "a", "a and b", "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else ""


def counted(count: int, noun: str, plural: str = "") -> str:
    """Returns "1 seed", "3 seeds"."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"
