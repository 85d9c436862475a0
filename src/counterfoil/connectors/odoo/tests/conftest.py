"""One Odoo per test: the sandbox, or the real server that COUNTERFOIL_TEST_ODOO_URL (with _DB, _LOGIN, _KEY) names."""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest

from counterfoil.connectors.odoo import CONNECTOR
from counterfoil.connectors.odoo.config import OdooConfig
from counterfoil.connectors.odoo.tests.books import Books, provision, sandbox_books
from counterfoil.connectors.odoo.tests.plain import PlainOdoo
from counterfoil.connectors.odoo.tests.wishes import Wishes
from counterfoil.core.language.commands import Command
from counterfoil.kit.clock import SystemClock
from counterfoil.kit.context import Context
from counterfoil.kit.writing import Outcome, OutcomeStatus

_REAL = "COUNTERFOIL_TEST_ODOO_URL"
NEWEST = 19
NEXT = 20
"""Known from its sources and papers: the sandbox speaks it, and nothing was run on a real one."""
EVERY_VERSION = pytest.mark.parametrize("version", [NEWEST] if os.environ.get(_REAL) else [17, 18, NEWEST, NEXT], indirect=True)
"""For tests of what the versions do differently; a real server is of its own version."""

_made: dict[str, Books] = {}  # a real server's books are made once per session
_runs = itertools.count(1)
_SESSION = uuid.uuid4().hex[:6]


@dataclass(frozen=True)
class Server:
    """Where an Odoo is, and with which key."""

    url: str
    database: str
    login: str
    key: str


@dataclass
class Desk:
    """What a test works with: the connector's context on provisioned books, a plain client, and wishes of its own."""

    ctx: Context
    plain: PlainOdoo
    books: Books
    wishes: Wishes
    sandbox: Any = None
    bindings: dict[str, str] = field(default_factory=dict)

    async def send(self, *commands: Command) -> list[Outcome]:
        """Deliver commands of one kind and bind what they produce."""
        outcomes = await CONNECTOR.deliver[commands[0].kind].send(self.ctx, commands, self.bindings)
        for command, outcome in zip(commands, outcomes, strict=True):
            assert command.id == outcome.command_id
            if command.produces and outcome.status is OutcomeStatus.DONE:
                self.bindings[command.produces] = outcome.external_id
        return list(outcomes)

    async def done(self, *commands: Command) -> list[Outcome]:
        """Deliver commands that must be done."""
        outcomes = await self.send(*commands)
        assert [outcome.status for outcome in outcomes] == [OutcomeStatus.DONE] * len(commands), outcomes
        return outcomes

    async def record(self, outcome: Outcome, *fields: str) -> dict[str, Any]:
        """Read the record an outcome names, by the plain client."""
        model, _, record_id = outcome.external_id.partition("/")
        return (await self.plain.find(model, [["id", "=", int(record_id)]], list(fields), self.company_id))[0]

    async def lines(self, outcome: Outcome, *fields: str) -> list[dict[str, Any]]:
        """Read the journal items of a move or payment, largest balance first."""
        model, _, record_id = outcome.external_id.partition("/")
        name = "move_id" if model == "account.move" else "payment_id"
        found = await self.plain.find("account.move.line", [[name, "=", int(record_id)]], ["balance", *fields], self.company_id)
        return sorted(found, key=lambda row: -row["balance"])

    async def account_id(self, code: str) -> int:
        """Return an account of the entity's company."""
        owner = "company_id" if self.plain.major == 17 else "company_ids"
        rows = await self.plain.find("account.account", [["code", "=", code], [owner, "in", [self.company_id]]], ["id"], self.company_id)
        return int(rows[0]["id"])

    @property
    def company_id(self) -> int:
        """The company of the wishes' entity."""
        return self.books.companies[self.wishes.entity]

    @asynccontextmanager
    async def locked(self, until: date) -> AsyncIterator[None]:
        """Lock the entity's books up to and including a day for as long as the context lasts: a real server's are shared by all tests."""
        (before,) = await self.plain.find("res.company", [["id", "=", self.company_id]], ["fiscalyear_lock_date"], self.company_id)
        await self._lock(until.isoformat())
        try:
            yield
        finally:
            await self._lock(before["fiscalyear_lock_date"])

    async def _lock(self, until: str | bool) -> None:
        context = {"allowed_company_ids": [self.company_id]}
        await self.plain.call("res.company", "write", [self.company_id], vals={"fiscalyear_lock_date": until}, context=context)
        self.ctx.state.clear()  # the connector remembers lock dates for a while

    def settings(self, **changes: Any) -> OdooConfig:
        """Return the settings with some changed."""
        current: OdooConfig = self.ctx.settings
        return current.model_copy(update=changes)


@pytest.fixture
def version(request: pytest.FixtureRequest) -> int:
    """The version of the sandbox; tests whose result depends on it are parametrized over all (``EVERY_VERSION``)."""
    return int(getattr(request, "param", NEWEST))


@pytest.fixture
async def server(version: int) -> AsyncIterator[tuple[Server, Any]]:
    """The Odoo to test against: a fresh sandbox, or the real one."""
    if url := os.environ.get(_REAL):
        yield Server(url, os.environ[f"{_REAL[:-4]}_DB"], os.environ[f"{_REAL[:-4]}_LOGIN"], os.environ[f"{_REAL[:-4]}_KEY"]), None
        return
    assert CONNECTOR.sandbox is not None
    sandbox = CONNECTOR.sandbox(version=version)
    await sandbox.start()
    try:
        yield sandbox_server(sandbox), sandbox
    finally:
        await sandbox.stop()


def sandbox_server(sandbox: Any) -> Server:
    """Return where a sandbox is."""
    details: Mapping[str, Any] = sandbox.details()
    return Server(details["url"], details["db"], details["login"], details["api_key"])


@pytest.fixture
async def desk(server: tuple[Server, Any]) -> AsyncIterator[Desk]:
    """A connected desk over provisioned books."""
    place, sandbox = server
    async with PlainOdoo(place.url, place.database, place.login, place.key) as plain:
        if sandbox is not None:
            books = await sandbox_books(sandbox, plain)
        else:
            books = _made.get(place.url) or await provision(plain, _SESSION)
            _made[place.url] = books
        settings = OdooConfig.model_validate(
            {"url": place.url, "database": place.database, "login": place.login, "api_key": place.key, "companies": books.config}
        )
        assert CONNECTOR.client is not None
        async with CONNECTOR.client(settings) as http:
            ctx = Context("odoo", settings, http, SystemClock())
            yield Desk(ctx, plain, books, Wishes(f"{_SESSION}x{next(_runs)}"), sandbox)


def statuses(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the statuses as words."""
    return [outcome.status.value for outcome in outcomes]
