"""Quotes: how far each has come, by what HubSpot tells of it, and what stands in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from counterfoil.connectors.hubspot import CONNECTOR
from counterfoil.connectors.hubspot.normalize.records import record_of
from counterfoil.connectors.hubspot.sandbox import HubspotSandbox
from counterfoil.connectors.hubspot.wire import Found, Row
from counterfoil.core.kinds.quote import QUOTE, Quote, QuoteEvent, QuoteLine, QuoteState
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.money import Money
from counterfoil.kit.connector import Ignored
from counterfoil.kit.context import Context
from counterfoil.kit.errors import DriftError

from .sandboxed import SOURCE, facts_of, later, opened, polled, settings_of, states, told, walk

S = QuoteState


def state_of(**properties: str) -> QuoteState:
    """Return how far a quote with some properties has come."""
    record = record_of(settings_of(HubspotSandbox()), QUOTE.name, Found(Row("7", dict(properties))))
    assert isinstance(record, Quote)
    return record.state


SIGNING = {"hs_esign_enabled": "true", "hs_esign_num_signers_required": "2"}


@pytest.mark.parametrize(
    ("properties", "state"),
    [
        ({}, S.DRAFT),
        ({"hs_status": "DRAFT"}, S.DRAFT),
        ({"hs_status": "PENDING_APPROVAL"}, S.SUBMITTED),
        ({"hs_status": "APPROVED"}, S.APPROVED),
        ({"hs_status": "APPROVAL_NOT_NEEDED"}, S.APPROVED),
        ({"hs_status": "REJECTED"}, S.REJECTED),
        ({"hs_status": "APPROVED", **SIGNING, "hs_esign_num_signers_completed": "1"}, S.APPROVED),
        ({"hs_status": "APPROVED", **SIGNING, "hs_esign_num_signers_completed": "2"}, S.ACCEPTED),
        # Nobody has to sign, so that all who must have: that is no acceptance.
        ({"hs_status": "APPROVED", "hs_esign_enabled": "true", "hs_esign_num_signers_completed": "0"}, S.APPROVED),
        ({"hs_status": "APPROVED", "hs_esign_num_signers_required": "1", "hs_esign_num_signers_completed": "1"}, S.APPROVED),
        ({"hs_status": "APPROVAL_NOT_NEEDED", "hs_manually_signed": "true"}, S.ACCEPTED),
        ({"hs_status": "APPROVAL_NOT_NEEDED", "hs_payment_status": "PAID"}, S.ACCEPTED),
        ({"hs_status": "APPROVAL_NOT_NEEDED", "hs_payment_status": "PENDING"}, S.APPROVED),
    ],
)
def test_a_quote_has_come_as_far_as_its_status_and_its_signatures_say(properties: dict[str, str], state: QuoteState) -> None:
    assert state_of(**properties) is state


def test_a_status_no_table_knows_is_drift_and_never_taken_for_approved() -> None:
    with pytest.raises(DriftError) as unknown:
        state_of(hs_status="HALF_APPROVED")
    assert unknown.value.drift_key == "quote_status/HALF_APPROVED"


async def quoted(ctx: Context) -> dict[str, Any]:
    """Return the states after one round of polls."""
    return states(await facts_of(ctx, (await polled(ctx))[0]))


async def test_a_quote_is_told_with_its_deal_buyer_and_lines_and_another_currency_than_the_accounts() -> None:
    sandbox = HubspotSandbox()
    company, mira = sandbox.create("companies", name="Blue Harbor"), sandbox.create("contacts", firstname="Mira")
    deal = sandbox.create("deals", dealname="100 seats")
    item = sandbox.create("line_items", name="Seat", quantity="100", price="12.005", amount="1140.48", recurringbillingfrequency="annually")
    quote = sandbox.create(
        "quotes", hs_title="Offer", hs_quote_number="Q-7", hs_status="APPROVED", hs_quote_amount="1140.48", hs_currency="EUR",
        hs_expiration_date="2026-03-31", hs_manually_signed="true", hs_esign_date="2026-03-05T10:00:00Z",
    )  # fmt: skip
    sandbox.associate(quote, deal, company, mira, item)
    async with opened(sandbox, first_poll_back_s=86_400, reads_quotes=True) as ctx:
        found = (await quoted(ctx))[f"quote/hubspot:4711.{quote.id}"]
    line = QuoteLine(
        f"hubspot:4711.{item.id}", "Seat", Decimal(100), Decimal("12.005"), Decimal("1140.48"), billing_period="P1Y"
    )  # 100 seats at 12.005, five percent off
    assert found == Quote(
        f"hubspot:4711.{quote.id}", "Offer", S.ACCEPTED, "Q-7", Money(114_048, "EUR"), "EUR", date(2026, 3, 31), date(2026, 3, 5),
        (f"hubspot:4711.{deal.id}",), (f"hubspot:4711.{company.id}",), (f"hubspot:4711.{mira.id}",), (line,),
    )  # fmt: skip


async def test_what_becomes_of_a_quote_is_told_by_webhooks_as_by_polls_and_no_value_of_it_is_kept_with_the_event() -> None:
    sandbox = HubspotSandbox()
    async with opened(sandbox, reads_quotes=True) as ctx:
        quote = sandbox.create("quotes", hs_title="Offer", hs_sender_email="noor@seller.example")
        seen = []
        for status in ("DRAFT", "PENDING_APPROVAL", "REJECTED", "APPROVED"):
            count = len(sandbox.events)
            sandbox.update(quote, hs_status=status)
            deliveries = told(ctx, sandbox, sandbox.events[count:])
            assert not any(status.encode() in one.body for one in deliveries)
            seen += [fact.type for fact in await facts_of(ctx, deliveries)]
    assert seen == [QuoteEvent.UPDATED, QuoteEvent.SUBMITTED, QuoteEvent.REJECTED, QuoteEvent.APPROVED]


async def test_a_line_that_changes_leads_to_its_quote_and_a_deleted_quote_keeps_what_was_known() -> None:
    sandbox = HubspotSandbox()
    quote, item = sandbox.create("quotes", hs_title="Offer"), sandbox.create("line_items", name="Seat", quantity="1", price="5")
    sandbox.associate(quote, item)
    async with opened(sandbox, first_poll_back_s=86_400, reads_quotes=True) as ctx:
        deliveries, cursor = await polled(ctx)
        known: dict[str, Any] = {}
        states(await facts_of(ctx, deliveries), known)
        count = len(sandbox.events)
        sandbox.update(item, quantity="3")
        [record] = states(await facts_of(ctx, told(ctx, sandbox, sandbox.events[count:])), known).values()
        assert isinstance(record, Quote)
        assert [line.quantity for line in record.lines] == [Decimal(3)]
        sandbox.delete(quote)
        later(sandbox, ctx, 900)
        gone, _ = await polled(ctx, cursor)
        [after] = states(await facts_of(ctx, gone), known).values()
    assert after == replace(record, state=S.DELETED)


async def test_where_quotes_are_not_read_no_call_asks_for_them_and_their_events_are_ignored() -> None:
    sandbox = HubspotSandbox()
    sandbox.scopes.discard("crm.objects.quotes.read")
    quote, item = sandbox.create("quotes", hs_title="Offer"), sandbox.create("line_items", name="Seat", quantity="1", price="5")
    sandbox.associate(quote, item)
    assert CONNECTOR.backfills is not None
    async with opened(sandbox, first_poll_back_s=86_400) as ctx:
        assert await quoted(ctx) == {}
        page = await CONNECTOR.backfills.backfill(ctx, QUOTE.name, ctx.clock.now(), "")
        assert (page.deliveries, page.has_more) == ((), False)
        deliveries = told(ctx, sandbox, [one for one in sandbox.events if one["subscriptionType"] == "quote.creation"])
        answers = {one.ref: one for one in await SOURCE.fetch(ctx, SOURCE.needs(deliveries[0]))}
        assert SOURCE.normalize(ctx.settings, deliveries[0], answers) == Ignored("object_type_is_not_read")


async def test_a_check_asks_for_the_right_to_read_quotes_where_they_are_read() -> None:
    assert CONNECTOR.source_check is not None
    sandbox = HubspotSandbox()
    sandbox.scopes.discard("crm.objects.quotes.read")
    found = []
    for reads in (False, True):
        async with opened(sandbox, reads_quotes=reads) as ctx:
            found.append(
                [one.remedy.rpartition(" ")[2] for one in await CONNECTOR.source_check(ctx) if one.code == "hubspot.scope_missing"]
            )
    assert found == [[], ["crm.objects.quotes.read"]]


async def test_a_backfill_lists_quotes_and_a_quote_has_a_page_of_its_own() -> None:
    sandbox = HubspotSandbox()
    quote = sandbox.create("quotes", hs_title="Offer")
    backfills = CONNECTOR.backfills
    assert backfills is not None
    assert CONNECTOR.link is not None
    async with opened(sandbox, reads_quotes=True) as ctx:
        since = ctx.clock.now().replace(year=2020)
        found, _ = await walk(lambda cursor: backfills.backfill(ctx, QUOTE.name, since, cursor))
        assert [one.shard_key for one in found] == [quote.id]
        assert SOURCE.locate(ObjectRef("quote", f"hubspot:4711.{quote.id}")) == f"4711/quote/{quote.id}"
    assert CONNECTOR.link({"base_url": "https://api.hubapi.com"}, "quote/4711.7") == "https://app.hubspot.com/contacts/4711/record/0-14/7"
