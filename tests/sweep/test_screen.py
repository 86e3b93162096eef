"""What a user sees: lines that stay, one line that moves on a terminal, and no more than that."""

import io

import pytest

from lab.sweep.screen import Screen, duration, score


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def shown(self) -> list[str]:
        """The lines as a terminal shows them."""
        lines = [""]
        column = 0
        for character in self.getvalue():
            if character == "\n":
                lines.append("")
                column = 0
            elif character == "\r":
                column = 0
            else:
                line = lines[-1].ljust(column)
                lines[-1] = line[:column] + character + line[column + 1 :]
                column += 1
        return [line.rstrip() for line in lines]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def epoch(number: int, accuracy: float) -> dict[str, object]:
    return {"event": "epoch", "epoch": number, "valid": {"accuracy": accuracy}, "loss": 0.5}


def test_a_terminal_has_one_moving_line() -> None:
    stream, clock = Terminal(), Clock()
    screen = Screen(stream, clock=clock)
    screen.begin("run 1/2", "backprop  mlp 3x500  mnist  seed 0")
    screen.event({"event": "start", "epochs": 8, "done": 0, "notes": []})
    clock.now += 5
    screen.event({"event": "step", "at": 0.5})
    assert stream.shown() == ["run 1/2  backprop  mlp 3x500  mnist  seed 0", "         epoch 1/8   1 min 15 s left"]
    clock.now += 5
    screen.event(epoch(1, 0.9512))
    assert stream.shown()[1:] == ["         epoch 1/8   valid error 4.88 %   1 min 10 s left"]
    screen.line("a word in between")
    screen.event({"event": "step", "at": 1.5})
    screen.end("ok", "test error 1.90 %  80 s")
    assert stream.shown()[1:] == ["a word in between", "run 1/2  ok  test error 1.90 %  80 s", ""]


def test_elsewhere_a_line_is_written_now_and_then() -> None:
    stream, clock = io.StringIO(), Clock()
    screen = Screen(stream, clock=clock)
    screen.begin("run", "x")
    screen.event({"event": "start", "epochs": 40, "done": 0, "notes": []})
    for number in range(1, 41):
        clock.now += 4
        screen.event({"event": "step", "at": number - 0.5})
        screen.event(epoch(number, 0.9))
    screen.end("ok", "")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "run  x" and lines[-1] == "run  ok" and "\r" not in stream.getvalue()
    assert lines[1] == "     epoch 3/40   valid error 10.00 %   2 min 28 s left"
    assert 10 <= len(lines) <= 16


def test_time_left_after_a_resume_counts_from_there() -> None:
    stream, clock = Terminal(), Clock()
    screen = Screen(stream, clock=clock)
    screen.begin("run", "x")
    screen.event({"event": "start", "epochs": 10, "done": 8, "notes": ["resumed after epoch 8 of 10"]})
    clock.now += 10
    screen.event(epoch(9, 0.9))
    assert stream.shown()[1:] == [
        "     resumed after epoch 8 of 10",
        "     epoch 9/10   valid error 10.00 %   10 s left",
    ]


def test_no_progress_where_none_is_wanted() -> None:
    stream = Terminal()
    screen = Screen(stream, progress=False)
    screen.begin("run", "x")
    screen.event({"event": "start", "epochs": 2, "done": 0, "notes": ["a note"]})
    screen.event(epoch(1, 0.9))
    screen.end("ok", "")
    assert stream.getvalue() == "run  x\n     a note\nrun  ok\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.4, "9.4 s"), (9.6, "10 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"),
     (3599.6, "1 h 00 min"), (4800, "1 h 20 min")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_scores() -> None:
    assert score({"accuracy": 0.9876}, "test") == "test error 1.24 %"
    assert score({"accuracy": 0.4, "bits_per_character": 2.34567}, "test") == "test 2.346 bits per character"
    assert score({"rmse": 54.321, "r2": 0.4}, "test") == "test RMSE 54.32"
    assert score({}, "test") == ""
    for odd in ([1], "accuracy", {"accuracy": "x"}, {"accuracy": 10**400}, {"rmse": 10**400}, {"accuracy": None}, None):
        assert score(odd, "test") == ""
