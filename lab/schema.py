"""The schema of a part is its signature: names, types and defaults of its options, and values made to fit them."""

from __future__ import annotations

import inspect
import math
import numbers
import types
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from lab.errors import UsageError
from lab.registry import unknown

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", type(None): "null"}
MISSING = inspect.Parameter.empty


@dataclass(frozen=True)
class Option:
    """One option: its type as in the signature, and its default (MISSING where it has to be given)."""

    name: str
    hint: Any
    default: Any = MISSING


def options(part: Callable[..., Any], leave_out: Collection[str] = ()) -> dict[str, Option]:
    """The options of a part in the order of its signature, but for those that someone else fills in."""
    # A dataclass's own hints: those of its __init__ would be looked up in its module, inherited fields' ones too.
    hints = get_type_hints(part.__init__ if inspect.isclass(part) and not is_dataclass(part) else part)
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {
        name: Option(name, hints.get(name, Any), parameter.default)
        for name, parameter in inspect.signature(part).parameters.items()
        if parameter.kind in kinds and name not in leave_out
    }


def fill(values: Mapping[str, Any], schema: Mapping[str, Option], path: str) -> dict[str, Any]:
    """All options of `schema`, given values normalised and defaults filled in, in the schema's order.

    `path` is how the user names the place ("trainer"). Raises UsageError for a wrong key or value, or a missing one.
    """
    for key in values:
        if key not in schema:
            raise UsageError(unknown("option", f"{path}.{key}", [f"{path}.{name}" for name in schema]))
    filled = {}
    for name, option in schema.items():
        value = values.get(name, option.default)
        if value is MISSING:
            raise UsageError(f"{path}.{name} is missing; give {describe(option.hint)}")
        filled[name] = convert(value, option.hint, f"{path}.{name}")
    return filled


def convert(value: Any, hint: Any, path: str) -> Any:
    """`value` in the form that `hint` asks for: 1 where a float is meant becomes 1.0, so that equal options are equal.

    Raises UsageError naming `path`, the value, and what it may be.
    """
    fits, converted = _fit(value, hint)
    if fits:
        return converted
    choices = [str(choice) for choice in _choices(hint)]
    if choices and isinstance(value, str) and not _open_text(hint):
        also = [word for word in _words(hint) if word not in choices]
        near = unknown(path, value, choices)
        raise UsageError(near + (f" (or {' or '.join(also)})" if also else ""))
    raise UsageError(f"{path}={_shown(value)} does not fit; give {describe(hint)}")


def check(made: Any) -> None:
    """Bring the fields of a part that is a dataclass into the form its signature asks for; for its __post_init__.

    The library takes the same words as a config does: a misspelt one is refused and never read as another choice.
    """
    for name, option in options(type(made)).items():
        object.__setattr__(made, name, convert(getattr(made, name), option.hint, f"{type(made).__name__}.{name}"))


def suits(part: Any, hint: Any) -> bool:
    """Whether what a part makes can stand where `hint` is asked for: it is of that class, or has the methods.

    A part that is a function is believed: what it makes is not known before it is called.
    """
    if not inspect.isclass(part):
        return True
    for member in _members(hint):
        if getattr(member, "_is_protocol", False):
            methods = [name for name, value in vars(member).items() if callable(value) and not name.startswith("_")]
            if all(hasattr(part, name) for name in methods):
                return True
        elif member is Any or not inspect.isclass(member) or (member is not type(None) and issubclass(part, member)):
            return True
    return False


def describe(hint: Any) -> str:
    """What may be given, in words: "a whole number or null"."""
    words = _words(hint)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _fit(value: Any, hint: Any) -> tuple[bool, Any]:
    origin = get_origin(hint)
    if hint is Any:
        return True, value
    if origin in (Union, types.UnionType):
        members = get_args(hint)
        # A whole number stays one where both are allowed: valid=1 is one row, valid=1.0 would be all of them.
        exact = [member for member in members if type(value) is member]
        for member in [*exact, *members]:
            fits, converted = _fit(value, member)
            if fits:
                return True, converted
        return False, None
    if origin is Literal:
        found = [choice for choice in get_args(hint) if type(choice) is type(value) and choice == value]
        return bool(found), value
    if hint is None or hint is type(None):
        return value is None, None
    if hint is float:
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            return False, None
        try:
            number = float(value)
        except OverflowError:
            return False, None
        return (True, number + 0.0) if math.isfinite(number) else (False, None)  # + 0.0: -0.0 and 0.0 are one value
    if hint is int:
        whole = not isinstance(value, bool) and (
            isinstance(value, numbers.Integral)
            or (isinstance(value, float) and value.is_integer() and abs(value) < 2**53)
        )
        return (True, int(value)) if whole else (False, None)
    if hint in (bool, str):
        return isinstance(value, hint), value
    if origin in (tuple, list) or (inspect.isclass(origin) and issubclass(origin, Iterable)):
        return _fit_list(value, hint)
    return False, None


def _fit_list(value: Any, hint: Any) -> tuple[bool, Any]:
    arguments = get_args(hint)
    if not isinstance(value, list | tuple):
        return False, None
    if get_origin(hint) is tuple and arguments[-1] is not Ellipsis:
        if len(value) != len(arguments):
            return False, None
        fitted = [_fit(item, member) for item, member in zip(value, arguments, strict=True)]
    else:
        fitted = [_fit(item, arguments[0]) for item in value]
    return all(fits for fits, _ in fitted), tuple(item for _, item in fitted)


def _members(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _choices(hint: Any) -> list[Any]:
    return [choice for member in _members(hint) if get_origin(member) is Literal for choice in get_args(member)]


def _open_text(hint: Any) -> bool:
    return str in _members(hint)


def _words(hint: Any) -> list[str]:
    words: list[str] = []
    for member in _members(hint):
        if get_origin(member) is Literal:
            words += [str(choice) for choice in get_args(member)]
        elif get_origin(member) is not None:
            item, each = get_args(member)[0], describe(get_args(member)[0]).removeprefix("a ")
            words.append(f"a list of {each}" + ("" if get_origin(item) is Literal else "s"))
        else:
            words.append(_WORDS.get(type(None) if member is None else member, "another value"))
    return words


def _shown(value: Any) -> str:
    text = "null" if value is None else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."
