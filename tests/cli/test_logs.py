"""Lines that come again and again are written once, then counted."""

from __future__ import annotations

import logging

import pytest
import structlog

from counterfoil.app.logs import working
from counterfoil.app.repeats import KEYS_MAX, Repeats, RepeatsFilter


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_line_that_keeps_coming_is_written_once_a_minute_with_how_often_it_was_left_out() -> None:
    clock = Time()
    repeats = Repeats(clock)
    said = []
    for _ in range(150):  # a line each second
        said.append(repeats.count("full"))
        clock.now += 1.0
    assert [(second, left_out) for second, left_out in enumerate(said) if left_out is not None] == [(0, 0), (60, 59), (120, 59)]


def test_lines_that_differ_in_what_they_are_about_are_each_written() -> None:
    repeats = Repeats(Time())

    def told(level: str, **line: object) -> object:
        try:
            return repeats.structured(None, level, {"level": level, **line}).get("left_out", 0)
        except structlog.DropEvent:
            return "left out"

    assert told("warning", event="poll failed", connection="a", code="x", wait_s=1) == 0
    assert told("warning", event="poll failed", connection="b", code="x") == 0
    assert told("warning", event="poll failed", connection="a", code="y") == 0
    assert told("warning", event="poll failed", connection="a", code="x", wait_s=2) == "left out"
    assert [told("info", event="asked for") for _ in range(2)] == [0, 0]
    failed = []
    for number in (1, 2, 2):
        try:
            raise ValueError(number)
        except ValueError:
            failed.append(told("error", event="connector failed", exc_info=True))
    assert failed == [0, 0, "left out"]  # another error is another line


def test_what_is_remembered_is_bounded() -> None:
    repeats = Repeats(Time())
    assert [repeats.count(number) for number in range(KEYS_MAX + 1)] == [0] * (KEYS_MAX + 1)
    assert (repeats.count(KEYS_MAX), repeats.count(0)) == (None, 0)


def test_lines_of_libraries_are_the_same_whatever_is_filled_in() -> None:
    clock = Time()
    one = RepeatsFilter(Repeats(clock))
    lines = [logging.LogRecord("psycopg.pool", logging.WARNING, "", 0, "error connecting in %r: %s", ("pool-1", n), None) for n in range(3)]
    assert [one.filter(line) for line in lines] == [True, False, False]
    clock.now = 61.0
    last = logging.LogRecord("psycopg.pool", logging.WARNING, "", 0, "error connecting in %r: %s", ("pool-1", 9), None)
    assert (one.filter(last), last.getMessage()) == (True, "error connecting in 'pool-1': 9 (left out 2 times)")


def test_a_worker_writes_so(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        working()
        log = structlog.get_logger()
        for attempt in range(3):
            log.warning("there is no room", target="books", attempt=attempt)
    finally:
        structlog.reset_defaults()
    assert capsys.readouterr().err.count("there is no room") == 1
