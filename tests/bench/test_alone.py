from __future__ import annotations

import pytest

from lab.bench import alone


@pytest.mark.parametrize(
    ("used", "expected", "most", "anew"),
    [
        ([0.0], [1.0], 0.0, 0),
        ([0.5, 0.3, 0.01], [3.0], 0.01, 2),
        ([0.5] * 9, [6.0], 0.5, 5),
        ([None], [1.0], None, 0),
    ],
)
def test_a_disturbed_turn_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, used: list[float | None], expected: list[float], most: float | None, anew: int
) -> None:
    class Told:
        def cores(self) -> float | None:
            return used.pop(0)

    monkeypatch.setattr(alone, "Others", Told)
    monkeypatch.setattr(alone, "usable_cores", lambda: 2)
    monkeypatch.setattr(alone, "_WAIT", 0.0)
    made = iter(range(1, 10))
    watch = alone.Alone()
    assert watch.turn(lambda: [float(next(made))]) == expected
    assert (watch.most, watch.anew) == (most, anew)
