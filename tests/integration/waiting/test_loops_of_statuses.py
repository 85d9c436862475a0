"""A sales system that names another customer upon each status it is shown is in a loop; amounts that come back are none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.builders import ANN, PRO, usd
from tests.integration.waiting.office import Office
from tests.integration.waiting.test_crm_status import BILL, HARBOR, WITH_CRM, settle, shown

from counterfoil.core.commands.books import UpsertCustomer, UpsertProduct
from counterfoil.core.commands.crm import ShowStatus, Standing
from counterfoil.core.kinds.company import COMPANY
from counterfoil.core.kinds.invoice import InvoiceState
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool


@pytest.fixture
async def office(pool: Pool, cipher: Cipher) -> Office:
    found = Office(pool, cipher, WITH_CRM)
    await found.tell(ANN, PRO, BILL)
    return found


async def link(office: Office, *, is_linked: bool) -> None:
    """Have the sales system name the customer, or nobody, and take what it is shown then."""
    await office.tell(replace(HARBOR, customer_ids=(ANN.id,) if is_linked else ()), connection="hubspot")
    await settle(office)
    await office.take("hubspot")


async def test_a_record_that_names_its_customer_and_does_not_by_turns_is_held_and_its_case_says_where_to_look(office: Office) -> None:
    for count in range(12):
        await link(office, is_linked=count % 2 == 0)
    assert [one.standing for one in await shown(office)] == [Standing.CURRENT, None] * 3
    [case] = await office.cases()
    assert "standing of company/hubspot:4711.512 goes round in a loop" in case.cause
    assert "values 'nothing shown' and 'shown'" in case.cause
    assert "hubspot answers what it is written with another value each time. What was written last" in case.cause
    assert case.next_step.startswith("Look in hubspot for what changes by itself whom company/hubspot:4711.512 names")
    assert "[[ownership]]" not in case.next_step


async def test_what_is_owed_goes_to_and_fro_as_often_as_it_likes(office: Office) -> None:
    await link(office, is_linked=True)
    for count in range(8):
        bill = replace(BILL, id=f"stripe:in_{count}")
        for state, rest in ((bill.state, bill.amount_remaining), (InvoiceState.PAID, usd(0))):
            await office.tell(replace(bill, state=state, amount_remaining=rest))
            await settle(office)
            await office.take("hubspot")
    assert len({one.balances[0].open for one in await shown(office)}) < len(await shown(office)) / 4
    assert await office.cases() == []


def test_a_field_is_kept_as_it_was_and_no_other() -> None:
    now, before = UpsertProduct("p", "Plan", "s2"), UpsertProduct("p", "PLAN", "s1")
    assert now.keeping(before, ["name"]) == UpsertProduct("p", "PLAN", "s2")
    ann = UpsertCustomer(replace(ANN, phone="1"))
    assert ann.keeping(UpsertCustomer(replace(ANN, name="ANN", phone="2")), ["phone"]) == UpsertCustomer(replace(ANN, phone="2"))
    status, nothing = ShowStatus(COMPANY.ref(HARBOR.id), Standing.OVERDUE), ShowStatus(COMPANY.ref(HARBOR.id))
    assert (status.keeping(nothing, ["standing"]), status.keeping(nothing, [])) == (nothing, status)
