"""The month as it is played through Stripe's API: the same for the same seed, and with everything in it that can happen."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from counterfoil.app.demo.casting import MONTH_END, MONTH_START
from counterfoil.app.demo.company import DemoProgress, Played, StripeAccount, open_accounts, play
from counterfoil.app.demo.control import StripeControl
from counterfoil.app.demo.entities import ENTITIES
from counterfoil.app.demo.source_totals import SourceTotals, read_source
from counterfoil.app.demo.stripe_plain import StripePlain
from counterfoil.app.demo.totals import TotalKind
from counterfoil.connectors.stripe.sandbox import StripeSandbox


async def played(seed: int, invoices: int) -> tuple[StripeSandbox, tuple[StripeAccount, ...], Played, list[DemoProgress]]:
    sandbox = StripeSandbox(seed, start=MONTH_START, with_default_account=False)
    steps: list[DemoProgress] = []
    async with StripeControl(await sandbox.start()) as control:
        accounts = await open_accounts(control, ENTITIES)
        return sandbox, accounts, await play(accounts, control, seed, invoices, steps.append), steps


async def month(seed: int, invoices: int) -> tuple[dict[str, SourceTotals], dict[str, list[dict[str, Any]]], list[str]]:
    """Return, by entity, the totals and the invoices; and the types of all events in order."""
    sandbox, accounts, _, _ = await played(seed, invoices)
    totals, bills = {}, {}
    for account in accounts:
        async with StripePlain(account.url, account.key) as api:
            totals[account.entity.key] = await read_source(api)
            bills[account.entity.key] = [invoice async for invoice in api.every("/v1/invoices")]
    events = [event.type for account in accounts for event in sandbox.world.journal.events[account.id]]
    await sandbox.stop()
    return totals, bills, events


async def test_the_same_seed_plays_the_same_month() -> None:
    first, _, events = await month(11, 40)
    again, _, events_again = await month(11, 40)
    other, _, _ = await month(12, 40)
    assert first == again
    assert events == events_again
    assert first != other


async def test_the_month_ends_with_december_and_all_stories_told() -> None:
    sandbox, accounts, told, steps = await played(4, 30)
    await sandbox.stop()
    assert steps[-1].now == MONTH_END
    assert steps[-1].stories_done == steps[-1].stories_total == sum(told.stories.values())
    assert [account.id for account in accounts] == ["acct_us", "acct_de", "acct_jp"]
    assert set(told.tax_rates) == {(entity.key, tax.key) for entity in ENTITIES for tax in entity.taxes}


Large = tuple[dict[str, SourceTotals], dict[str, list[dict[str, Any]]], list[str]]


@pytest.fixture(scope="module")
def large() -> Large:
    """A month of the default size, played once for all tests that look at it."""
    return asyncio.run(month(1, 300))


def test_as_many_invoices_are_issued_as_were_asked_for(large: Large) -> None:
    issued = [bill for bills in large[1].values() for bill in bills if bill["status_transitions"]["finalized_at"] is not None]
    assert len(issued) >= 300


def test_every_entity_sees_every_kind_of_invoice(large: Large) -> None:
    for bills in large[1].values():
        assert {bill["status"] for bill in bills} >= {"paid", "open", "void", "uncollectible"}
        assert {bill["billing_reason"] for bill in bills} >= {"subscription_create", "subscription_cycle", "subscription_update", "manual"}
        lines = [line for bill in bills for line in bill["lines"]["data"]]
        assert min(bill["total"] for bill in bills) < 0, "a negative invoice"
        assert any(bill["total"] == 0 and bill["lines"]["data"] for bill in bills), "trials and coupons of 100 %"
        assert any(line["amount"] < 0 for line in lines), "prorations"
        assert any(line["discount_amounts"] for line in lines), "coupons"
        assert any(bill["starting_balance"] != bill["ending_balance"] for bill in bills if bill["total"] > 0), "credit in use"
        assert any(0 < bill["amount_paid"] < bill["amount_due"] for bill in bills), "paid in part"


def test_tax_is_inclusive_and_exclusive_and_currencies_are_three(large: Large) -> None:
    taxes = Counter(
        (entity, bill["currency"], tax["tax_behavior"])
        for entity, bills in large[1].items()
        for bill in bills
        for tax in bill["total_taxes"]
    )
    wanted = {
        ("US", "usd", "exclusive"),
        ("DE", "eur", "exclusive"),
        ("DE", "eur", "inclusive"),
        ("JP", "jpy", "exclusive"),
        ("JP", "jpy", "inclusive"),
    }
    assert set(taxes) >= wanted
    assert any(bill["currency"] == "usd" for bill in large[1]["DE"])


def test_every_kind_of_money_moves_in_every_entity(large: Large) -> None:
    for entity in ENTITIES:
        kinds = {kind for currency, kind in large[0][entity.key].tally.sums if currency == entity.currency}
        assert kinds >= set(TotalKind) - {TotalKind.ADJUSTMENT, TotalKind.CLEARING, TotalKind.PENDING, TotalKind.DISPUTED_FUNDS}


def test_the_source_tells_of_all_of_it(large: Large) -> None:
    assert set(large[2]) >= {
        "invoice.finalized",
        "invoice.voided",
        "invoice.marked_uncollectible",
        "invoice.payment_failed",
        "credit_note.created",
        "credit_note.voided",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
        "refund.created",
        "refund.failed",
        "payout.paid",
        "payout.failed",
        "customer.deleted",
        "customer.subscription.trial_will_end",
    }
