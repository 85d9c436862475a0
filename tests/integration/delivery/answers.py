"""A target that answers command by command as a test says, and what such answers are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.integration.delivery.scripted import Desk

from counterfoil.core.language.commands import Command
from counterfoil.kit.context import Context
from counterfoil.kit.writing import Outcome, OutcomeStatus
from counterfoil.store import standing
from counterfoil.store.standing import ConnectionStanding


class Answers:
    """Answers sendings as a test says, command by command, and keeps what was sent; each takes three seconds."""

    def __init__(self, desk: Desk, **by_key: Outcome) -> None:
        self.desk, self.by_key = desk, by_key
        self.sent: list[Sequence[Command]] = []
        self.bound: list[dict[str, str]] = []
        desk.books.send = self.send  # type: ignore[method-assign]

    async def send(self, ctx: Context, commands: Sequence[Command], bound: Mapping[str, str]) -> tuple[Outcome, ...]:
        del ctx
        self.desk.later(3)
        self.sent.append(commands)
        self.bound.append(dict(bound))
        return tuple(replace(self.by_key[one.external_key], command_id=one.id) for one in commands if one.external_key in self.by_key)


def outcome(status: OutcomeStatus, code: str = "", message: str = "", **more: Any) -> Outcome:
    return Outcome("", status, code=code, message=message, **more)


DONE = outcome(OutcomeStatus.DONE, external_id="book/1", external_name="B/1")
NO = outcome(OutcomeStatus.REFUSED, "books.no", "no")


async def standing_of(desk: Desk) -> ConnectionStanding:
    async with desk.pool.connection() as conn:
        return await standing.read(conn, "books")
