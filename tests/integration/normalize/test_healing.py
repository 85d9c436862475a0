"""Healing: what somebody waits for is asked of whoever can tell of such an id, and not of who waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest
from tests.integration.normalize.conftest import NOW, Caution, arm

from counterfoil.core.facts.events import Fact
from counterfoil.core.kinds.payment import Payment, PaymentEvent, PaymentState
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.keys import wait_for
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Purpose
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.connector import Delivery, Fetched, Normalized
from counterfoil.kit.context import Context
from counterfoil.kit.http import HttpClient
from counterfoil.normalize.healing import Healer
from counterfoil.normalize.stage import Normalizer
from counterfoil.store import agenda, objects, receipts
from counterfoil.store.agenda import Wait
from counterfoil.store.cipher import Cipher
from counterfoil.store.objects import ObjectRow
from counterfoil.store.pool import Pool
from counterfoil.store.receipts import ReceiptState
from counterfoil.store.work import SHARDS

PAYMENT = ObjectRef("payment", "stripe:ch_1")


@dataclass
class Account:
    """A processor's account that can be asked for its payments; or, of no ``namespace``, files that can be asked for nothing."""

    namespace: str
    payments: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)

    def locate(self, ref: ObjectRef) -> str | None:
        return ref.id.partition(":")[2] if self.namespace and ref.id.startswith(f"{self.namespace}:") else None

    def needs(self, delivery: Delivery) -> tuple[str, ...]:
        return ()

    async def fetch(self, ctx: Context, refs: Sequence[str]) -> tuple[Fetched, ...]:
        self.asked += refs
        return tuple(Fetched(ref, b"{}" if ref in self.payments else None, NOW) for ref in refs)

    def normalize(self, settings: Any, delivery: Delivery, fetched: Mapping[str, Fetched]) -> Normalized:
        payment = Payment(PAYMENT.id, "stripe:cus_1", PaymentState.SUCCEEDED, Money(100, "USD"), NOW)
        return (Fact(PaymentEvent.SUCCEEDED, NOW, 1, payment),)


@pytest.fixture
def accounts() -> dict[str, Account]:
    return {"files": Account(""), "stripe_de": Account("stripe"), "stripe_us": Account("stripe", ("ch_1",)), "sales": Account("crm")}


async def heal(pool: Pool, cipher: Cipher, accounts: Mapping[str, Account], waiting: str) -> None:
    """Have an object of a connection wait for the payment, look after all waits, and read what came of it."""
    clock = SettableClock(NOW)
    sources = cast(Any, {name: (one, Context(name, None, cast(HttpClient, None), clock)) for name, one in accounts.items()})
    subject = ObjectRef("refund", f"{waiting}:re_1")
    async with pool.connection() as conn, conn.transaction():
        await objects.upsert(conn, cipher, [ObjectRow(subject, waiting, 1, 1, b"", NOW, NOW, b"{}")])
        await agenda.set_waits(conn, [subject], [Wait(wait_for(PAYMENT), subject)], NOW)
    clock.advance_to(NOW + timedelta(seconds=5))
    await Healer(pool, cipher, sources, clock, arm).turn("all")
    for name in accounts:
        for shard in range(SHARDS):
            await Normalizer(pool, cipher, sources, clock, arm, (Purpose.BOOKS,)).turn(f"{name}/{shard}", Caution())


async def test_what_a_file_waits_for_is_fetched_by_the_account_that_has_it(
    pool: Pool, cipher: Cipher, accounts: dict[str, Account]
) -> None:
    await heal(pool, cipher, accounts, "files")
    async with pool.connection() as conn:
        [found] = (await objects.load(conn, cipher, [PAYMENT])).values()
        counts = await receipts.counts(conn)
        assert await agenda.waits_of(conn, ObjectRef("refund", "files:re_1")) == []  # it is decided again
    assert found.connection == "stripe_us"
    assert counts["stripe_de"][ReceiptState.IGNORED] == 1  # asked, and it says that it has no such payment
    assert {name: one.asked for name, one in accounts.items()} == {"files": [], "stripe_de": ["ch_1"], "stripe_us": ["ch_1"], "sales": []}


async def test_an_account_that_can_tell_itself_is_asked_alone(pool: Pool, cipher: Cipher, accounts: dict[str, Account]) -> None:
    await heal(pool, cipher, accounts, "stripe_us")
    assert {name: one.asked for name, one in accounts.items() if one.asked} == {"stripe_us": ["ch_1"]}


async def test_what_nobody_can_be_asked_for_is_asked_of_nobody(pool: Pool, cipher: Cipher, accounts: dict[str, Account]) -> None:
    del accounts["stripe_de"], accounts["stripe_us"]
    await heal(pool, cipher, accounts, "files")
    assert not any(one.asked for one in accounts.values())
    async with pool.connection() as conn:
        [wait] = await agenda.waits_of(conn, ObjectRef("refund", "files:re_1"))
    assert wait.fetch_asked  # once; what waits too long is told by the stage that watches
