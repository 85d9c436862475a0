"""Commands of the purpose ``crm_status``: what a record of a sales system is to show of the customer behind it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from counterfoil.core.kinds.dunning import Block
from counterfoil.core.kinds.subscription import SubscriptionState
from counterfoil.core.language.commands import Arguments, CommandKind, Spec
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Purpose


class Standing(StrEnum):
    """How a customer stands, worst first: of several that hold, the first one counts."""

    WRITTEN_OFF = "written_off"  # an invoice was given up and is not paid
    DISPUTED = "disputed"  # a payment is disputed and not decided
    OVERDUE = "overdue"  # an invoice is not paid although it is due
    CURRENT = "current"  # nothing is overdue


class StatusPart(StrEnum):
    """What of a status a destination may show or not, as its connector says; all else it shows."""

    DUNNING = "dunning"  # the stage of the customer's dunning, and what that blocks
    DEALS = "deals"  # what was billed of a deal, on the deal
    SUBSCRIPTIONS = "subscriptions"  # whether the customer is subscribed, and when that renews or ends


@dataclass(frozen=True, slots=True)
class Balance:
    """What there is in one currency.

    Attributes:
        invoiced: invoices less credit notes, with taxes.
        paid: payments less refunds and lost disputes.
        open: what is still to be paid of invoices, written off ones left out.
        overdue: the part of ``open`` that is due and not under way; ``overdue_since``: the day the oldest of it became due.
    """

    invoiced: Money
    paid: Money
    open: Money
    overdue: Money
    overdue_since: date | None = None

    @property
    def currency(self) -> str:
        """The one currency of it all."""
        return self.open.currency


@dataclass(frozen=True, slots=True)
class ShowStatus(Arguments):
    """Show on a record of a sales system how its customer stands, on a deal what was billed of it: all of it, as of now.

    Attributes:
        record: the record, by kind and canonical id.
        standing: None, and all else empty: nothing is known (any more) that could be shown.
        balances: by currency, that of the last invoice first; else in order of their codes.
        last_invoice, last_invoice_on: the newest invoice's number, and the day it was issued.
        last_payment, last_payment_on: the newest payment that succeeded.
        dunning_stage: how far the dunning of its invoices has come: the last of the stages they are in; empty: none, or it is not shown.
        blocked: all that is blocked for the customer by the dunning of any invoice.
        subscription: the state of its subscriptions, of several the one that is furthest from over; None: there was never one, or it is
            not shown.
        renews_on: the day the next of its running subscriptions renews; None: none does.
        ends_on: the day the next of its running subscriptions ends for good, as was agreed; None: none is to end.
    """

    record: ObjectRef
    standing: Standing | None = None
    balances: tuple[Balance, ...] = ()
    last_invoice: str = ""
    last_invoice_on: date | None = None
    last_payment: Money | None = None
    last_payment_on: date | None = None
    dunning_stage: str = ""
    blocked: tuple[Block, ...] = ()
    subscription: SubscriptionState | None = None
    renews_on: date | None = None
    ends_on: date | None = None

    watched_fields = ("standing",)

    @property
    def watched(self) -> Mapping[str, Any]:
        """Whether anything is shown: that alone hangs on what the sales system says, namely whom its record names.

        All else is of documents, whose amounts come back without anybody answering anybody.
        """
        return {"standing": "shown" if self.standing is not None else "nothing shown"}

    def keeping(self, earlier: Arguments, fields: Collection[str]) -> Arguments:
        """Return what was shown before."""
        return earlier if fields else self

    @property
    def money(self) -> Money | None:
        """What is open in the first currency."""
        return self.balances[0].open if self.balances else None

    @property
    def personal(self) -> tuple[tuple[str, str], ...]:
        """Nothing: amounts, days and an invoice's number."""
        return ()


class CrmCommand(CommandKind):
    """What is wished of a sales system."""

    SHOW_STATUS = "show_status"


SPECS = (
    Spec(
        kind=CrmCommand.SHOW_STATUS,
        purpose=Purpose.CRM_STATUS,
        arguments=ShowStatus,
        domain="crm_status",
        noun="customer's status",
        title="Customers' status",
        service_level=timedelta(minutes=5),
        is_ordered=True,
        same_thing=lambda command: (command.external_key,),
    ),
)
