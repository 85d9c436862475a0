"""Writes the books do long after the hub gave up waiting and newer ones were done: the books end with the newer ones all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from tests.crash.books import Ground, ground
from tests.crash.proxy import Call, Proxy, Rule, shown
from tests.crash.stories import begin, end
from tests.integration.path.conftest import assert_balanced

pytestmark = [pytest.mark.crash, pytest.mark.asyncio(loop_scope="module")]

TIMEOUT_S = 1.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def books(crash_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """Yield a hub at work before a sandbox, with the proxy between them."""
    async with ground(crash_database, Path(tmp_path_factory.mktemp("home")), timeout_s=TIMEOUT_S) as found:
        yield found


@dataclass(slots=True)
class Kept:
    """A strike that keeps the first request with some words in it until it is let go; its sender has long given up by then."""

    words: bytes
    is_kept: bool = False
    may_go: asyncio.Event = field(default_factory=asyncio.Event)
    is_done: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, proxy: Proxy, request: web.Request, body: bytes, call: Call) -> web.StreamResponse:
        """Keep the request, then have the server do it; pass others on at once."""
        del call
        if self.is_kept or self.words not in body:
            return shown(await proxy.pass_on(request, body))
        self.is_kept = True
        await self.may_go.wait()
        answer = await proxy.pass_on(request, body)
        self.is_done.set()
        return shown(answer)

    async def land(self) -> None:
        """Let the request go and wait until the server did it."""
        self.may_go.set()
        await asyncio.wait_for(self.is_done.wait(), 30.0)


def keep(books: Ground, kind: str, call: str, words: str) -> Kept:
    """Keep the next call of a name, with some words in it, that is made for a kind of command."""
    kept = Kept(words.encode())
    books.proxy.rules[:] = [Rule(kind, call, kept, times=-1)]
    return kept


def name_of(books: Ground, key: str) -> str:
    """Return what the books call a customer or product."""
    env = books.house.odoo.env()
    id = env.ref(f"counterfoil.{key}")
    if key.startswith("customer"):
        return str(env.row("res.partner", id)["name"])
    return str(env.row("product.template", env.row("product.product", id)["product_tmpl_id"])["name"])


def matches_of(books: Ground, first: str, second: str) -> int:
    """Return how many matches there are between two documents."""
    env = books.house.odoo.env()
    moves = {env.ref(f"counterfoil.{first}"), env.ref(f"counterfoil.{second}")}
    lines = {id for id, row in env.rows("account.move.line").items() if row["move_id"] in moves}
    partials = env.rows("account.partial.reconcile").values()
    return sum(1 for row in partials if {row["debit_move_id"], row["credit_move_id"]} <= lines)


@pytest.mark.parametrize(("what", "call"), [("customer", "res.partner/load"), ("product", "product.product/load")])
async def test_an_older_name_that_is_written_late_does_not_stand(books: Ground, what: str, call: str) -> None:
    made = books.house
    story = made.story()
    id = await story.customer() if what == "customer" else (await story.api.post("/v1/products", name="First Name"))["id"]
    await made.tell()
    kept = keep(books, f"upsert_{what}", call, "Older Name")
    await story.api.post(f"/v1/{what}s/{id}", name="Older Name")
    await made.tell()
    assert kept.is_kept
    await story.api.post(f"/v1/{what}s/{id}", name="Newer Name")
    await made.tell()
    key = f"{what}_stripe.{id}"
    assert name_of(books, key) == "Newer Name"
    await kept.land()
    assert name_of(books, key) == "Older Name"
    await books.hurry()
    assert name_of(books, key) == "Newer Name"
    assert await made.cases() == []


async def test_a_match_that_is_made_late_after_it_was_undone_does_not_stand(books: Ground) -> None:
    made = books.house
    told = await begin(made)
    voided = told.notes["voided"]
    kept = keep(books, "allocate", "account.partial.reconcile/load new", voided)
    await made.tell()
    assert kept.is_kept
    pair = told.keys["post_invoice"][1], f"credit_note_stripe.{voided}"
    assert matches_of(books, *pair) == 1
    await end(made, told)
    await made.tell()
    assert matches_of(books, *pair) == 0
    await kept.land()
    assert matches_of(books, *pair) == 1
    await books.hurry()
    assert matches_of(books, *pair) == 0
    await assert_balanced(made)
    proof = await made.prove()
    assert [row for row in proof.totals if not row.is_equal] == []
