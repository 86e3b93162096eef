"""What sets variants of one trainer apart, in words."""

from __future__ import annotations

from typing import Any

from lab.report.variants import settings, variant_labels

IMAGES = {"name": "images", "shift": 1, "flip": 0.0}


def labels(*changes: dict[str, Any]) -> list[str]:
    return variant_labels([settings({"trainer": {"epochs": 3}, "seed": 1, **change}) for change in changes])


def test_a_group_that_some_do_without_is_named_as_a_whole() -> None:
    assert labels({}, {"augment": IMAGES}) == ["augment=none", "augment=images"]
    assert labels({}, {"augment": IMAGES}, {"augment": IMAGES, "stop": {"name": "patience", "patience": 5}}) == [
        "augment=none, stop=none",
        "augment=images, stop=none",
        "augment=images, stop=patience",
    ]


def test_its_options_are_named_where_they_differ() -> None:
    other = {**IMAGES, "shift": 2}
    assert labels({"augment": IMAGES}, {"augment": other}) == ["shift=1", "shift=2"]
    assert labels({}, {"augment": IMAGES}, {"augment": other}) == [
        "augment=none, shift=unset",
        "augment=images, shift=1",
        "augment=images, shift=2",
    ]


def test_other_options_as_ever() -> None:
    assert labels({}) == [""]
    assert labels({"trainer": {"epochs": 3}}, {"trainer": {"epochs": 5}}) == ["epochs=3", "epochs=5"]
    assert labels({"a": {"name": "x"}}, {"a": {"name": "y"}}) == ["name=x", "name=y"]
    assert labels({"a": {"rate": 1}, "b": {"rate": 1}}, {"a": {"rate": 2}, "b": {"rate": 2}}) == [
        "a.rate=1, b.rate=1",
        "a.rate=2, b.rate=2",
    ]
