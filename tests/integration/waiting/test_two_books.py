"""Wishes of one key against two targets: each target's stands for itself, whatever becomes of the other's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.builders import ANN, DE, PRO, US, eur, invoice, usd
from tests.integration.waiting.office import Office

from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.money import Money
from counterfoil.core.policies.rules import Route, Rules
from counterfoil.store import case_work, cases, outbox, outbox_cancel
from counterfoil.store.cipher import Cipher
from counterfoil.store.opening import opening
from counterfoil.store.outbox import EndStatus
from counterfoil.store.pool import Pool

RULES = Rules(
    1,
    {"US": replace(US, target="odoo_us"), "DE": replace(DE, target="odoo_de")},
    (Route("DE", "stripe", currency="EUR"), Route("US", "stripe")),
)


@pytest.mark.parametrize(("here", "away", "bill"), [("odoo_de", "odoo_us", usd(10000)), ("odoo_us", "odoo_de", eur(10000))])
async def test_a_customer_decided_again_stays_wished_of_the_target_that_has_not_taken_it_yet(
    pool: Pool, cipher: Cipher, here: str, away: str, bill: Money
) -> None:
    office = Office(pool, cipher, RULES)
    await office.tell(ANN, PRO)
    await office.take_all(here)
    await office.tell(replace(ANN, balance=Money(-500, "USD")))  # nothing that either of them is to hold
    await office.tell(invoice(bill))
    assert set(await office.states("upsert_customer")) == {
        (here, "customer_stripe.cus_A", "done"),
        (away, "customer_stripe.cus_A", "ready"),
    }
    assert await office.take_all(away) == ["customer_stripe.cus_A", "product_stripe.prod_pro", "invoice_stripe.in_1"]


async def test_a_change_replaces_the_wish_in_each_target_by_itself(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher, RULES)
    await office.tell(ANN)
    await office.take_all("odoo_de")
    await office.tell(replace(ANN, name="Ann Limited"))
    states = {(row.target, row.state.value, b"Ann Limited" in row.arguments) for row in await office.commands("upsert_customer")}
    assert states == {
        ("odoo_de", "done", False),
        ("odoo_de", "ready", True),  # a second upsert: the first took effect
        ("odoo_us", "canceled", False),  # replaced before it was sent
        ("odoo_us", "ready", True),
    }


async def test_what_was_canceled_as_moot_is_wished_again_when_it_is_called_for_again(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN, PRO)
    renamed = replace(ANN, name="Ann Limited")
    await office.tell(renamed, ANN, renamed)  # each replaces the open one before it
    await office.tell(ANN)
    assert [state for _, _, state in await office.states("upsert_customer")] == ["canceled"] * 4 + ["ready"]
    [last] = [row for row in await office.commands("upsert_customer") if row.state is outbox.CommandState.READY]
    assert b"Ann Ltd" in last.arguments
    await office.tell(invoice(usd(10000)))
    async with pool.connection() as conn, conn.transaction():  # as a policy that was switched to and fro would have it
        await outbox_cancel.cancel(conn, [last.id], outbox.NO_LONGER_CALLED_FOR)
    await office.decide_again(ANN)
    assert await office.take_all() == ["product_stripe.prod_pro", "customer_stripe.cus_A", "invoice_stripe.in_1"]


async def test_what_a_person_waived_is_not_wished_again(pool: Pool, cipher: Cipher) -> None:
    office = Office(pool, cipher)
    await office.tell(ANN)
    await office.take(status=EndStatus.REFUSED)
    [refused] = await office.commands("upsert_customer")
    now = office.clock.now()
    case = opening(
        fingerprint="f",
        case_class=CaseClass.REJECTED_BY_TARGET,
        code="x",
        cause="",
        next_step="",
        stage="deliver",
        subject=refused.id,
        now=now,
    )
    async with pool.connection() as conn, conn.transaction():
        ids = await cases.open_or_count(conn, [case], now)
        await case_work.waive(conn, ids["f"], "olga", "not ours", now)
    await office.decide_again(ANN)
    assert [state for _, _, state in await office.states("upsert_customer")] == ["canceled"]
    await office.tell(replace(ANN, name="Ann Limited"))  # something new is something else
    assert [state for _, _, state in await office.states("upsert_customer")] == ["canceled", "ready"]
