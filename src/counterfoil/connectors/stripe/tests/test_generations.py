"""The same happenings told by webhooks of 2023-08-16 and of today: the same facts, but for what only fetching tells."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from counterfoil.connectors.stripe.sandbox import StripeSandbox
from counterfoil.core.kinds.credit_note import CreditNote
from counterfoil.core.kinds.invoice import Invoice, InvoiceLine
from counterfoil.core.kinds.payment import Payment
from counterfoil.core.language.records import Record
from counterfoil.kit.connector import Delivery, Ignored
from counterfoil.kit.errors import RejectedError

from .building import POLLS, SOURCE
from .sandboxed import ACCOUNT, KEY, opened, run_trigger, walk

SCENARIOS = (
    "customer.subscription.created",
    "customer.subscription.deleted",
    "invoice.voided",
    "credit_note.created",
    "charge.refunded",
    "charge.dispute.created",
    "payout.created",
    "price.created",
    "tax_rate.created",
)


def comparable(entity: Record) -> Record:
    """Return an entity without what its snapshot tells in one generation only."""
    match entity:
        case Invoice():
            return replace(entity, paid_out_of_band=None, paid_parts=None, lines=tuple(_line(line) for line in entity.lines))
        case CreditNote():
            return replace(entity, lines=tuple(_line(line) for line in entity.lines))
        case Payment():
            return replace(entity, applications=())
        case _:
            return entity


def _line(line: InvoiceLine) -> InvoiceLine:
    """Rates stand whole on older lines and are fetched for newer ones."""
    return replace(line, taxes=tuple(replace(tax, percentage=None, jurisdiction="") for tax in line.taxes))


async def told(name: str, version: str) -> dict[str, list[Record] | str]:
    """Play a scenario in an account of that version and return, by event, what its webhook alone tells."""
    sandbox = StripeSandbox(with_default_account=False)
    sandbox.add_account(ACCOUNT, "US", "usd", KEY, api_version=version)
    begin = sandbox.now
    run_trigger(sandbox, name)
    overlap = sandbox.now - begin + 3600
    async with opened(sandbox, poll_overlap_s=overlap) as ctx:
        polled, _ = await walk(lambda cursor: POLLS.poll(ctx, cursor))
        deliveries = [delivery for delivery in polled if not delivery.kind.endswith(".listed")]
        assert {delivery.api_version for delivery in deliveries} == {version}
        assert all(delivery.occurred_at - ctx.clock.now() < timedelta(0) for delivery in deliveries)
        return {delivery.dedupe_key: _alone(ctx.settings, delivery) for delivery in deliveries}


def _alone(settings: object, delivery: Delivery) -> list[Record] | str:
    try:
        result = SOURCE.normalize(settings, delivery, {})
    except RejectedError as error:
        return error.code
    return result.rule if isinstance(result, Ignored) else [comparable(fact.data) for fact in result]


@pytest.mark.parametrize("name", SCENARIOS)
async def test_both_generations_of_webhooks_tell_the_same(name: str) -> None:
    before, since = await told(name, "2023-08-16"), await told(name, "2026-10-28.endive")
    assert before == since
    assert any(isinstance(entities, list) for entities in since.values())
