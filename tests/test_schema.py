"""A signature read as a schema: values in normal form, or one sentence that says what may stand there."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import UsageError
from lab.schema import MISSING, Option, convert, describe, fill, options, suits


class Part:
    def __init__(self, rate: float, kind: "Literal['a', 'b']" = "a", blocks: tuple[int, ...] | None = None) -> None: ...


def test_options_are_the_signature() -> None:
    found = options(Part)
    assert list(found) == ["rate", "kind", "blocks"]
    assert found["rate"].default is MISSING and found["kind"] == Option("kind", Literal["a", "b"], "a")
    assert list(options(Part, leave_out=("kind",))) == ["rate", "blocks"]


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (1, float, 1.0),
        (-0.0, float, 0.0),
        (3.0, int, 3),
        (1, int | float | None, 1),
        (1.0, int | float | None, 1.0),
        (None, int | None, None),
        (True, bool, True),
        ("auto", float | Literal["auto"], "auto"),
        (2, float | Literal["auto"], 2.0),
        ([1, 2.0], tuple[int, ...], (1, 2)),
        ([1, 2], Sequence[float], (1.0, 2.0)),
        ([1, "x"], tuple[int, str], (1, "x")),
        ([], tuple[int, ...] | Literal["auto"], ()),
        (1.0, Literal[1, 2] | float, 1.0),
        ("x", str, "x"),
    ],
)
def test_values_that_fit(value: Any, hint: Any, expected: Any) -> None:
    found = convert(value, hint, "part.option")
    assert found == expected and type(found) is type(expected)
    assert str(found) == str(expected)  # tells -0.0 from 0.0


@pytest.mark.parametrize(
    ("value", "hint", "words"),
    [
        ("1", int, "part.option='1' does not fit; give a whole number"),
        (True, int, "part.option=True does not fit; give a whole number"),
        (1, bool, "give true or false"),
        (1.5, int, "part.option=1.5 does not fit"),
        (float("nan"), float, "part.option=nan does not fit; give a number"),
        (float("inf"), float, "give a number"),
        (10**400, float, "give a number"),
        (None, float, "part.option=null does not fit"),
        ("hrad", Literal["hard", "uniform"], "unknown part.option 'hrad': did you mean 'hard'? valid: hard, uniform"),
        ("atuo", float | Literal["auto"], "did you mean 'auto'? valid: auto (or a number)"),
        (1.0, Literal[1, 2], "give 1 or 2"),
        ([1, "x"], tuple[int, ...], "give a list of whole numbers"),
        ([1, 2, 3], tuple[int, int], "does not fit"),
        ({"a": 1}, str, "give a text"),
        ("x" * 500, int, "..."),
    ],
)
def test_values_that_do_not_fit(value: Any, hint: Any, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        convert(value, hint, "part.option")
    assert words in str(caught.value) and len(str(caught.value)) < 250 and "\n" not in str(caught.value)


def test_fill_names_the_wrong_key_and_the_missing_one() -> None:
    schema = options(Part)
    assert fill({"rate": 1}, schema, "part") == {"rate": 1.0, "kind": "a", "blocks": None}
    with pytest.raises(UsageError, match=r"unknown option 'part.rat': did you mean 'part.rate'\? valid: part.blocks"):
        fill({"rat": 1}, schema, "part")
    with pytest.raises(UsageError, match=r"part.rate is missing; give a number"):
        fill({}, schema, "part")


class Speaks(Protocol):
    volume: int

    def speak(self) -> None: ...


class Dog:
    def speak(self) -> None: ...


class Stone: ...


def test_suits_asks_for_the_protocols_methods_or_the_class() -> None:
    assert suits(Dog, Speaks | None) and not suits(Stone, Speaks | None)
    assert suits(Stone, Stone | None) and suits(type("Pebble", (Stone,), {}), Stone) and not suits(Dog, Stone | None)
    assert suits(lambda: Dog(), Stone)  # a function is believed
    assert suits(Dog, Any)


def test_describe_reads_as_a_sentence() -> None:
    assert describe(int | float | None) == "a whole number, a number or null"
    assert describe(tuple[int, ...] | Literal["auto"]) == "a list of whole numbers or auto"


@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_converting_twice_changes_nothing(value: Any) -> None:
    for hint in (float | None, int | float | None, tuple[float, ...] | Literal["auto"], bool | str):
        try:
            once = convert(value, hint, "x")
        except UsageError:
            continue
        again = convert(once, hint, "x")
        assert again == once and repr(again) == repr(once)
