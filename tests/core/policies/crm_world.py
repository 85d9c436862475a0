"""A company that a sales system told, what it is shown, and the documents of its customer."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from tests.core.builders import ANN, NOON, RULES, World, invoice, usd

from counterfoil.core.commands.crm import ShowStatus
from counterfoil.core.facts.events import ref_of
from counterfoil.core.kinds.company import Company
from counterfoil.core.kinds.dunning import Block, Dunning, DunningState
from counterfoil.core.kinds.invoice import Invoice, InvoiceState
from counterfoil.core.kinds.subscription import Subscription, SubscriptionItem, SubscriptionState
from counterfoil.core.language.records import Purpose, Record
from counterfoil.core.policies.decision import Decision, Origin
from counterfoil.core.policies.rules import Destination

WITH_CRM = replace(RULES, destinations=(Destination(Purpose.CRM_STATUS, "hubspot"),))


HARBOR = Company("hubspot:4711.512", "Blue Harbor", customer_ids=(ANN.id,))


DAY = timedelta(days=1)


def bill(minor: int, left: int, number: int = 1, *, due: datetime | None = NOON + 30 * DAY, **more: object) -> Invoice:
    """Return an invoice of which so much is left to be paid, the first issued at noon and each later one a day after."""
    state = InvoiceState.ISSUED if left else InvoiceState.PAID
    issued = NOON + (number - 1) * DAY
    base = invoice(usd(minor), id=f"stripe:in_{number}", number=f"INV-{number}", due_at=due, issued_at=issued)
    return replace(base, state=state, amount_remaining=usd(left), **more)  # type: ignore[arg-type]


def told(world: World, company: Company = HARBOR, now: datetime = NOON) -> Decision:
    """Return what a company's state calls for, as of now; it came from the connection ``hubspot``."""
    world.origins[ref_of(company)] = Origin("hubspot")
    return world.decide(company, when=now)


def to_hubspot(world: World) -> list[ShowStatus]:
    """Return what was wished of the sales system so far."""
    return [one.arguments for one in world.sent if isinstance(one.arguments, ShowStatus)]


def shown(world: World, company: Company = HARBOR, now: datetime = NOON) -> ShowStatus:
    [command] = [one for one in told(world, company, now).commands if one.target == "hubspot"]
    assert isinstance(command.arguments, ShowStatus)
    assert (command.external_key, command.order_key) == ("crm_status_hubspot.4711.512", "company/hubspot:4711.512")
    return command.arguments


def world_of(*states: Record) -> World:
    return World(WITH_CRM).know(ANN, *states)


def dunned(number: int, stage: str, *blocks: Block, state: DunningState = DunningState.RUNNING) -> Dunning:
    """Return how far the dunning of an invoice of the customer has come."""
    return Dunning(f"stripe:in_{number}", ANN.id, state, usd(100), "US", stage, NOON, blocks=blocks)


S = SubscriptionState


def subscription(number: int, state: SubscriptionState, *period_ends: datetime, cancel_at: datetime | None = None) -> Subscription:
    """Return a subscription of the customer with one position for each end of a period."""
    items = tuple(
        SubscriptionItem(f"stripe:si_{number}{place}", "stripe:price_1", "stripe:prod_1", 1, NOON, at)
        for place, at in enumerate(period_ends)
    )
    return Subscription(f"stripe:sub_{number}", ANN.id, state, "USD", NOON, items, cancel_at=cancel_at)
