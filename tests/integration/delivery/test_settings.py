"""Lanes, service levels and maintenance windows in the configuration: read as meant, refused with the line."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from counterfoil.app import settings as settings_module
from counterfoil.app.checking import processors_of
from counterfoil.app.settings import parse
from counterfoil.connectors.files import CONNECTOR
from counterfoil.core.commands.books import BookCommand
from counterfoil.core.language.commands import CommandKind, Lane
from counterfoil.core.policies.rules import Route, Rules
from counterfoil.kit.errors import SetupError
from counterfoil.kit.windows import closed_until
from counterfoil.kit.writing import CommandWriter

GOOD = """\
[connections.books]
connector = "files"
inbox = "in"
outbox = "out"
namespace = "demo"
late_s = 45

[[connections.books.maintenance]]
days = ["sunday"]
starts = 02:00:00
ends = 04:00:00
time_zone = "Europe/Berlin"

[[connections.books.maintenance]]
starts_at = 2026-12-24T18:00:00
ends_at = 2026-12-27T06:00:00
time_zone = "Europe/Berlin"

[[domains]]
name = "entries"
lane = "batch"
at = [06:00:00]
within_s = 86400
"""


def test_lanes_and_windows_are_read() -> None:
    settings = parse(GOOD)
    windows = settings.connections["books"].maintenance
    assert closed_until(windows, datetime(2026, 3, 1, 2, 0, tzinfo=UTC)) == datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
    assert closed_until(windows, datetime(2026, 12, 25, tzinfo=UTC)) == datetime(2026, 12, 27, 5, 0, tzinfo=UTC)
    now = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
    placed = settings.lanes.place(BookCommand.POST_ENTRY, "DE01", Lane.REAL_TIME, now)
    assert placed == (Lane.BATCH, datetime(2026, 3, 3, 6, 0, tzinfo=UTC))
    assert settings.connections["books"].late_s == 45
    assert settings.lanes.within_s(BookCommand.POST_ENTRY, "DE01") == 86400


@pytest.mark.parametrize(
    ("good", "bad", "line", "words"),
    [
        ('days = ["sunday"]', 'days = ["someday"]', 9, "'monday', 'tuesday'"),
        ("ends = 04:00:00\n", "", 8, "a window is weekly, with days, starts and ends, or dated"),
        ("ends_at = 2026-12-27T06:00:00", "ends_at = 2026-12-23T06:00:00", 14, "ends before it starts"),
        ('time_zone = "Europe/Berlin"', 'time_zone = "Europe/Atlantis"', 12, "is not an IANA time zone"),
        ("late_s = 45", "late_s = -1", 6, "must be at least 0"),
        ('lane = "batch"', 'lane = "real_time"', 19, 'every_s and at are for lane = "batch"'),
        ('name = "entries"', 'name = "everything"', 20, "'customers'"),
        ('name = "entries"', 'name = "entries"\nentity = "DE01"', 21, "entity 'DE01' is not under [entities]"),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(good: str, bad: str, line: int, words: str) -> None:
    with pytest.raises(SetupError) as caught:
        parse(GOOD.replace(good, bad, 1))
    assert f"configuration:{line}: " in str(caught.value)
    assert words in str(caught.value)


ENTITY = (
    GOOD
    + """
[entities.DE01]
target = "books"
currency = "EUR"
time_zone = "Europe/Berlin"
"""
)


def test_a_connection_that_does_not_take_every_kind_of_command_keeps_no_books(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse(ENTITY).entities["DE01"].target == "books"
    partial: dict[CommandKind, CommandWriter] = {
        kind: one for kind, one in CONNECTOR.deliver.items() if kind not in (BookCommand.ALLOCATE, BookCommand.UNMATCH)
    }
    monkeypatch.setattr(settings_module, "load_connector", lambda _name: replace(CONNECTOR, deliver=partial))
    with pytest.raises(SetupError) as refused:
        parse(ENTITY)
    line = 1 + ENTITY.splitlines().index('target = "books"')
    assert f":{line}: entities.DE01.target: connection 'books' cannot keep books: it takes no allocate, unmatch" in str(refused.value)


def test_a_target_without_books_is_refused_with_the_line_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = replace(CONNECTOR, books=None, lists=None)
    monkeypatch.setattr(settings_module, "load_connector", lambda _name: elsewhere)
    text = GOOD + '\n[entities.DE01]\ntarget = "books"\ncurrency = "EUR"\ntime_zone = "Europe/Berlin"\n'
    line = text[: text.index('target = "books"')].count("\n") + 1
    words = (
        f":{line}: entities.DE01.target: connection 'books' cannot keep books: its connector has no accounts and no periods to be locked"
    )
    with pytest.raises(SetupError) as refused:
        parse(text)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("purpose", "bookz", "unknown purpose 'bookz'; known: books"),
        ("purpose", "books", "where books are kept is the `target` of each entity, and no destination beside it"),
        ("connection", "crm", "connection 'crm' is not under [connections]"),
        ("entity", "FR01", "entity 'FR01' is not under [entities]"),
    ],
)
def test_a_wrong_destination_is_refused_with_its_line(setting: str, value: str, words: str) -> None:
    given = {"purpose": "books", "connection": "books", "entity": "DE01"} | {setting: value}
    text = ENTITY + "".join(["\n[[destinations]]\n", *(f'{name} = "{one}"\n' for name, one in given.items())])
    line = text[: text.rindex(f'{setting} = "{value}"')].count("\n") + 1
    with pytest.raises(SetupError) as refused:
        parse(text)
    assert f"configuration:{line}: destinations.0.{setting}: {words}" in str(refused.value)


def test_only_what_has_a_balance_is_asked_for_a_clearing_account() -> None:
    connections = {
        name: SimpleNamespace(connector=replace(CONNECTOR, has_balance=has_balance))
        for name, has_balance in (("processor", True), ("other", True), ("crm", False))
    }
    hub: Any = SimpleNamespace(settings=SimpleNamespace(connections=connections))
    named = Rules(1, {}, (Route("US", connection="processor"), Route("US", connection="crm")))
    assert processors_of(hub, "US", named) == ["processor"]
    assert processors_of(hub, "US", Rules(1, {}, (Route("US"),))) == ["other", "processor"]
    assert processors_of(hub, "DE", named) == []
