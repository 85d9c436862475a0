"""Workers killed at every boundary while what people said of who is who is read, decided and carried out: it is done once, and whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.crash.conftest import Note
from tests.crash.judging import Verdict, assert_whole
from tests.crash.matrix import IS_FULL, Kill
from tests.crash.test_worker_killed import go_on, kill_at
from tests.crash.workers import worker
from tests.integration.path.house import House

from counterfoil.app import identities
from counterfoil.app.database import Database
from counterfoil.app.identities import IdentityAct, IdentityVerb

pytestmark = [pytest.mark.crash, pytest.mark.asyncio(loop_scope="module")]

READING = (
    Kill("normalize"),
    Kill("normalized"),
    Kill("finishing", "normalize"),
    Kill("decide"),
    Kill("decided"),
    Kill("finished", "decide"),
)
SENDING = tuple(Kill(boundary, "post_invoice") for boundary in ("claimed", "sent", "answered", "settling", "settled"))
CELLS = tuple((verb, kill) for verb, kills in (("merge", (*READING, *SENDING)), ("unmerge", READING)) for kill in kills)
QUICK = (0, 3, 6, 8, 11, 14)
"""Of the cells, those of an ordinary run: each room once, and both ways of sending."""


@dataclass
class Told:
    """Two customers, and the invoices of the one that is merged into the other: by what should be told of each, its ids."""

    kept: str
    gone: str
    billed: dict[str, str] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)

    async def bill(self, made: House, what: str) -> None:
        """Bill the one that is merged, or was, and have it told."""
        story = made.story()
        await story.item(self.gone, "Consulting", 50_00)
        self.billed[what] = (await story.bill(self.gone))["id"]
        await made.deliver(made.news())

    def booked(self, made: House, what: str) -> Any:
        """Return whose an invoice is in the books; None: it is not there."""
        key = f"invoice_stripe.{self.billed[what]}"
        if not made.has(key):
            return None
        partner, env = made.document(key)["partner_id"], made.odoo.env()
        return next((one for one in (self.kept, self.gone) if env.ref(f"counterfoil.customer_stripe.{one}") == partner), "nobody")


async def say(made: House, verb: str, told: Told) -> None:
    """Decide as the command does."""
    database = Database(made.hub.dsn, made.hub.pool, made.hub.cipher)
    other = f"customer/stripe:{told.kept}" if verb == "merge" else ""
    act = IdentityAct(IdentityVerb(verb), f"customer/stripe:{told.gone}", other)
    await identities.decide(database, act, "mira", "one firm", made.clock.now())


async def test_what_people_said_is_done_once_and_whole_whenever_a_worker_is_killed(idle: House, note: Note) -> None:
    cells = CELLS if IS_FULL else tuple(CELLS[place] for place in QUICK)
    told = [Told((await idle.bill(10_00))["customer"], (await idle.bill(20_00))["customer"]) for _ in cells]
    await idle.deliver(idle.news())
    async with worker(idle):
        await idle.settle()
        for one in (one for one, (verb, _) in zip(told, cells, strict=True) if verb == "unmerge"):
            await say(idle, "merge", one)
        await idle.settle()
    for seed, (one, (verb, kill)) in enumerate(zip(told, cells, strict=True)):
        await one.bill(idle, "in flight")
        await say(idle, verb, one)
        await kill_at(idle, kill, one)
        await go_on(idle, seed)
    async with worker(idle):
        await idle.settle()
        for one in told:
            await one.bill(idle, "after")
        await idle.settle()
    wrong = []
    for one, (verb, kill) in zip(told, cells, strict=True):
        # What came at the same moment goes to either, and to one of them; what came after to whom it is of by then.
        after = one.kept if verb == "merge" else one.gone
        is_right = one.booked(idle, "in flight") in (one.kept, one.gone) and one.booked(idle, "after") == after
        found = await identities.show(Database("", idle.hub.pool, idle.hub.cipher), f"customer/stripe:{one.gone}")
        is_right &= found.into == (f"customer/stripe:{one.kept}" if verb == "merge" else "")
        is_right &= len(found.links) == 1
        note(verb, f"killed: {kill.boundary} {kill.kind}".rstrip(), Verdict(lost=[] if is_right else [one.gone]))
        if not is_right:
            wrong.append((verb, kill, one, found))
    assert wrong == [], await idle.where()
    assert await idle.cases() == []
    await assert_whole(idle)
