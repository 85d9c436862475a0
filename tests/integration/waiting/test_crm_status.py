"""How a customer stands reaches the company that is that customer, over a real store: by changes, by time alone, and never twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.core.builders import ANN, PRO, RULES, invoice, payment, settled, usd
from tests.integration.waiting.office import NOW, Office

from counterfoil.core.commands.crm import CrmCommand, ShowStatus, Standing, StatusPart
from counterfoil.core.identity.ownership import Owner, ownership_of
from counterfoil.core.kinds.company import Company
from counterfoil.core.kinds.customer import Customer
from counterfoil.core.kinds.deal import DEAL, Deal, DealState
from counterfoil.core.kinds.dunning import Block
from counterfoil.core.kinds.invoice import InvoiceState
from counterfoil.core.kinds.subscription import Subscription, SubscriptionItem, SubscriptionState
from counterfoil.core.language.records import Purpose
from counterfoil.core.policies.rules import Destination, DunningStage, Route
from counterfoil.decide.deadlines import Deadlines
from counterfoil.kit.codec import decode_arguments
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool

HARBOR = Company("hubspot:4711.512", "Blue Harbor", customer_ids=(ANN.id,))
WITH_CRM = replace(RULES, destinations=(Destination(Purpose.CRM_STATUS, "hubspot"),))
BILL = invoice(usd(5_000), due_at=NOW + timedelta(days=30), issued_at=NOW, number="INV-1", amount_remaining=usd(5_000))


@pytest.fixture
def office(pool: Pool, cipher: Cipher) -> Office:
    return Office(pool, cipher, WITH_CRM)


async def settle(office: Office) -> None:
    """Let the time of collecting pass, decide the customers that are due, and after them their companies."""
    office.later(seconds=2)
    await office.decide()
    await office.decide()


async def at_its_time(office: Office) -> None:
    """Decide what was to be decided again by now."""
    await Deadlines(office.pool, office.rules_source(), office.clock, office.arm).turn("all")
    await office.decide()


async def shown(office: Office) -> list[ShowStatus]:
    """Return what the sales system was to show, in order, what was canceled left out."""
    rows = [row for row in await office.commands("show_status") if row.state.value != "canceled"]
    found = [decode_arguments(CrmCommand.SHOW_STATUS, row.arguments) for row in rows]
    return [one for one in found if isinstance(one, ShowStatus)]


async def test_an_invoice_shows_on_the_company_of_its_customer_whichever_came_first(office: Office) -> None:
    await office.tell(BILL)  # of a customer that is not known yet
    await office.tell(HARBOR, connection="hubspot")
    await settle(office)
    assert await shown(office) == []
    await office.tell(ANN, PRO)
    await settle(office)
    [status] = await shown(office)
    assert (status.record.key, status.standing, status.balances[0].open) == ("company/hubspot:4711.512", Standing.CURRENT, usd(5_000))
    await office.take("hubspot")
    await office.tell(replace(BILL, state=InvoiceState.PAID, amount_remaining=usd(0)))
    await settle(office)
    assert [one.balances[0].open for one in await shown(office)] == [usd(5_000), usd(0)]


async def test_an_invoice_shows_on_the_deal_it_came_of_whichever_came_first_and_no_more_on_one_that_names_it_no_longer(
    pool: Pool, cipher: Cipher
) -> None:
    shows = frozenset({StatusPart.DEALS})
    office = Office(pool, cipher, replace(RULES, destinations=(Destination(Purpose.CRM_STATUS, "hubspot", shows=shows),)))
    deal = Deal("hubspot:4711.7", "100 seats", DealState.WON, company_ids=(HARBOR.id,), billed_as=(f"invoice/{BILL.id}",))

    async def on_deal() -> list[ShowStatus]:
        return [one for one in await shown(office) if one.record == DEAL.ref(deal.id)]

    await office.tell(deal, connection="hubspot")
    await office.tell(HARBOR, connection="hubspot")
    await office.tell(ANN, PRO)
    await settle(office)
    await office.decide()
    assert await on_deal() == []
    await office.tell(BILL)
    await settle(office)
    await office.decide()
    [status] = await on_deal()
    assert (status.standing, status.balances[0].open, status.last_invoice) == (Standing.CURRENT, usd(5_000), "INV-1")
    await office.take("hubspot")
    await office.tell(replace(BILL, state=InvoiceState.PAID, amount_remaining=usd(0)))
    await settle(office)
    await office.decide()
    assert [one.balances[0].open for one in await on_deal()] == [usd(5_000), usd(0)]
    await office.take("hubspot")
    await office.tell(replace(deal, billed_as=()), connection="hubspot")
    await settle(office)
    assert (await on_deal())[-1] == ShowStatus(DEAL.ref(deal.id))


@pytest.mark.parametrize("is_first", [True, False])
async def test_an_invoice_that_names_a_deal_shows_on_it_whichever_came_first_and_no_more_once_it_names_another(
    pool: Pool, cipher: Cipher, is_first: bool
) -> None:
    shows = frozenset({StatusPart.DEALS})
    office = Office(pool, cipher, replace(RULES, destinations=(Destination(Purpose.CRM_STATUS, "hubspot", shows=shows),)))
    deal, other = (Deal(f"hubspot:4711.{number}", "100 seats", DealState.WON, company_ids=(HARBOR.id,)) for number in (7, 8))
    named = replace(BILL, deal_ids=(deal.id,))

    async def on_deals() -> dict[str, list[int]]:
        """Return what was open, of what the deals were to show one after the other."""
        found: dict[str, list[int]] = {}
        for one in await shown(office):
            if one.record.kind == DEAL.name:
                found.setdefault(one.record.id.rpartition(".")[2], []).append(one.balances[0].open.minor if one.balances else 0)
        return found

    if is_first:
        await office.tell(deal, other, HARBOR, connection="hubspot")
    await office.tell(ANN, PRO)
    await office.tell(named)
    if not is_first:
        await office.tell(deal, other, HARBOR, connection="hubspot")
    await settle(office)
    await office.decide()
    assert await on_deals() == {"7": [5_000]}
    await office.take("hubspot")
    await office.tell(payment(usd(2_000), (BILL.id, 2_000)), replace(named, amount_remaining=usd(3_000)))
    await settle(office)
    await office.decide()
    assert await on_deals() == {"7": [5_000, 3_000]}
    await office.take("hubspot")
    await office.tell(replace(named, amount_remaining=usd(3_000), deal_ids=(other.id,)))
    await settle(office)
    await office.decide()
    assert await on_deals() == {"7": [5_000, 3_000, 0], "8": [3_000]}


async def test_an_invoice_becomes_overdue_by_time_alone(office: Office) -> None:
    await office.tell(ANN, PRO)
    await office.tell(HARBOR, connection="hubspot")
    await office.tell(BILL)
    await settle(office)
    await office.take("hubspot")
    office.later(days=29)
    await at_its_time(office)
    assert [one.standing for one in await shown(office)] == [Standing.CURRENT]
    office.later(days=1)
    await at_its_time(office)
    assert [(one.standing, one.balances[0].overdue) for one in await shown(office)] == [
        (Standing.CURRENT, usd(0)), (Standing.OVERDUE, usd(5_000)),
    ]  # fmt: skip


async def test_what_a_merged_customer_owes_shows_on_the_company_of_the_one_it_was_merged_into(office: Office) -> None:
    old = Customer("stripe:cus_old", "Ann")
    await office.tell(ANN, PRO, old)
    await office.tell(HARBOR, connection="hubspot")
    await office.tell(BILL, replace(BILL, id="stripe:in_2", customer_id=old.id, amount_remaining=usd(70)))
    await settle(office)
    assert [one.balances[0].open for one in await shown(office)] == [usd(5_000)]
    await office.take("hubspot")
    await office.tell(replace(old, merged_into=ANN.id))
    await settle(office)
    await office.take("hubspot")
    await office.tell(replace(BILL, id="stripe:in_2", customer_id=old.id, amount_remaining=usd(30)))
    await settle(office)
    assert [one.balances[0].open for one in await shown(office)] == [usd(5_000), usd(5_070), usd(5_030)]


async def test_a_payment_that_two_systems_tell_of_pays_its_invoice_once_in_what_is_shown(office: Office) -> None:
    routes = (*RULES.routes, Route("US", "acme"))
    office.rules = replace(WITH_CRM, routes=routes, ownership=ownership_of([Owner("payment", "stripe")]))
    bill, cleared = replace(BILL, amount_remaining=None), replace(payment(usd(5_000)), settlement=settled(usd(5_000)))
    billed = replace(payment(usd(5_000), (BILL.id, 5_000)), id="acme:p1", is_out_of_band=True)  # only it says which invoice it pays
    await office.tell(ANN, PRO)
    await office.tell(HARBOR, connection="hubspot")
    await office.tell(bill, cleared)
    await office.tell(billed, connection="acme", same_as=cleared.id)
    await settle(office)
    assert [(one.balances[0].open, one.balances[0].paid) for one in await shown(office)][-1] == (usd(0), usd(5_000))
    await office.take("hubspot")
    await office.tell(billed, connection="acme", same_as="")  # two after all
    await settle(office)
    assert [one.balances[0].paid for one in await shown(office)][-1] == usd(10_000)


async def test_a_stage_of_dunning_that_begins_by_time_alone_shows_with_what_it_blocks_and_is_gone_once_it_is_paid(office: Office) -> None:
    stage = DunningStage("suspended", 3, (Block.ORDERS, Block.ACCESS))
    showing = replace(WITH_CRM.destinations[0], shows=frozenset({StatusPart.DUNNING}))
    office.rules = replace(WITH_CRM, dunning=(stage,), destinations=(showing,))
    late = replace(BILL, due_at=NOW)
    await office.tell(ANN, PRO)
    await office.tell(HARBOR, connection="hubspot")
    await office.tell(late)
    await settle(office)
    await office.take("hubspot")
    office.later(days=4)
    await at_its_time(office)
    await settle(office)
    await office.take("hubspot")
    await office.tell(replace(late, state=InvoiceState.PAID, amount_remaining=usd(0)))
    await settle(office)
    assert [(one.dunning_stage, one.blocked) for one in await shown(office)] == [
        ("", ()), ("suspended", (Block.ORDERS, Block.ACCESS)), ("", ()),
    ]  # fmt: skip


async def test_a_subscription_shows_on_the_company_of_its_customer_as_it_begins_renews_and_ends(office: Office) -> None:
    showing = replace(WITH_CRM.destinations[0], shows=frozenset({StatusPart.SUBSCRIPTIONS}))
    office.rules = replace(WITH_CRM, destinations=(showing,))
    month = SubscriptionItem("stripe:si_1", "stripe:price_1", PRO.id, 1, NOW, NOW + timedelta(days=31))
    active = Subscription("stripe:sub_1", ANN.id, SubscriptionState.ACTIVE, "USD", NOW, (month,))
    await office.tell(active)  # of a customer that is not known yet
    await office.tell(HARBOR, connection="hubspot")
    await office.tell(ANN, PRO)
    await settle(office)
    await office.take("hubspot")
    renewed = replace(active, items=(replace(month, period_start=month.period_end, period_end=NOW + timedelta(days=61)),))
    await office.tell(renewed)
    await settle(office)
    await office.take("hubspot")
    await office.tell(replace(renewed, state=SubscriptionState.CANCELED, ended_at=NOW))
    await settle(office)
    assert [(one.subscription, one.renews_on) for one in await shown(office)] == [
        (SubscriptionState.ACTIVE, (NOW + timedelta(days=31)).date()),
        (SubscriptionState.ACTIVE, (NOW + timedelta(days=61)).date()),
        (SubscriptionState.CANCELED, None),
    ]


async def test_a_company_that_is_told_again_as_it_was_is_wished_nothing(office: Office) -> None:
    await office.tell(ANN, PRO)
    await office.tell(HARBOR, connection="hubspot")
    await office.tell(BILL)
    await settle(office)
    await office.take("hubspot")
    before = await office.states()
    await office.tell(HARBOR, replace(HARBOR, name="Blue Harbor Inc"), connection="hubspot")
    await office.decide_again(HARBOR, ANN)
    assert await office.states() == before


async def test_a_customer_of_no_company_is_nobodys_and_without_a_destination_nothing_is_decided(office: Office) -> None:
    await office.tell(ANN, PRO, BILL)
    await settle(office)
    assert await shown(office) == []
    office.rules = RULES
    await office.tell(HARBOR, connection="hubspot")
    await settle(office)
    assert await shown(office) == []
