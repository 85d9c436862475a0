"""Movements on Stripe's balance: every type is explained by another object, a balance entry by itself, or drift.

Source: https://docs.stripe.com/reports/balance-transaction-types
"""

from __future__ import annotations

import msgspec

from counterfoil.connectors.stripe.refs import canonical
from counterfoil.connectors.stripe.wire.money import BalanceTransaction
from counterfoil.core.facts.events import Fact
from counterfoil.core.kinds.balance_entry import BalanceEntry, BalanceEntryEvent
from counterfoil.kit.connector import Ignored, Normalized

from .charge import settled
from .reading import FetchedNotice, ObjectState, decode, look_up

_MOVEMENT = msgspec.json.Decoder(BalanceTransaction)

BY_REFUND = "explained_by_refund"

EXPLAINED: dict[str, str] = {
    "charge": "explained_by_charge",
    "payment": "explained_by_charge",
    "payment_failure_refund": "explained_by_charge",
    "refund": BY_REFUND,
    "payment_refund": BY_REFUND,
    "refund_failure": BY_REFUND,
    "payout": "explained_by_payout",
    "payout_cancel": "explained_by_payout",
    "payout_failure": "explained_by_payout",
}
"""Type -> the named rule by which it is ignored: the object named there carries it as its settlement or reversal."""

CATEGORIES: dict[str, str] = {
    "stripe_fee": "fee",
    "stripe_fx_fee": "fee",
    "tax_fee": "fee_tax",
    "adjustment": "adjustment",
    "topup": "topup",
    "topup_reversal": "topup",
    "inbound_transfer": "topup",
    "inbound_transfer_reversal": "topup",
    "reserve_transaction": "reserve",
    "reserved_funds": "reserve",
    "reserve_hold": "reserve",
    "reserve_release": "reserve",
    "risk_reserved_funds": "reserve",
    "payment_network_reserve_hold": "reserve",
    "payment_network_reserve_release": "reserve",
    "payout_minimum_balance_hold": "reserve",
    "payout_minimum_balance_release": "reserve",
    "transfer": "transfer",
    "transfer_cancel": "transfer",
    "transfer_failure": "transfer",
    "transfer_refund": "transfer",
    "connect_collection_transfer": "transfer",
    "advance": "other",
    "advance_funding": "other",
    "anticipation_repayment": "other",
    "application_fee": "other",
    "application_fee_refund": "other",
    "climate_order_purchase": "other",
    "climate_order_refund": "other",
    "contribution": "other",
    "fee_credit_funding": "other",
    "issuing_authorization_hold": "other",
    "issuing_authorization_release": "other",
    "issuing_dispute": "other",
    "issuing_dispute_provisional_credit": "other",
    "issuing_dispute_provisional_credit_reversal": "other",
    "issuing_transaction": "other",
    "obligation_outbound": "other",
    "obligation_reversal_inbound": "other",
    "payment_reversal": "other",
    "payment_unreconciled": "other",
    "stripe_balance_payment_debit": "other",
    "stripe_balance_payment_debit_reversal": "other",
    "tax_fund": "other",
}
"""Type -> category of the balance entry."""

DISPUTE_CATEGORIES = frozenset({"dispute", "dispute_reversal"})
"""Adjustments of disputes: their reporting category (https://docs.stripe.com/reports/reporting-categories) tells them from others."""


def rule_of(movement: BalanceTransaction) -> str:
    """Return the rule that explains a movement by another object, empty if it stands for itself."""
    if movement.type == "adjustment" and movement.reporting_category in DISPUTE_CATEGORIES:
        return "explained_by_dispute"
    return EXPLAINED.get(movement.type, "")


def entry_of(movement: BalanceTransaction) -> BalanceEntry:
    """Return the balance entry of a movement. Raises DriftError for a type in neither table."""
    category = look_up(CATEGORIES, movement.type, "balance_transaction.type")
    return BalanceEntry(id=canonical(movement.id), category=category, settlement=settled(movement), description=movement.description or "")


def facts(fetched: FetchedNotice) -> Normalized:
    """Return the entry of one listed movement, unless another object explains it."""
    state = fetched.own("balance_transaction")
    movement = decode(_MOVEMENT, state.body)
    rule = rule_of(movement)
    return Ignored(rule) if rule else (entry_fact(fetched, movement, state),)


def entry_fact(fetched: FetchedNotice, movement: BalanceTransaction, state: ObjectState) -> Fact:
    """Return one movement that stands for itself as a fact."""
    entry = entry_of(movement)
    kind = BalanceEntryEvent.FEE_CHARGED if entry.category in ("fee", "fee_tax") else BalanceEntryEvent.MOVED
    return fetched.side_fact(kind, entry, state, entry.settlement.occurred_at)
