"""The source's side of the proof: totals read from Stripe's API object by object, as they stand now.

Sources: https://docs.stripe.com/api/invoices/object (total, amount_remaining, pre_payment_credit_notes_amount, amount_paid_off_stripe),
https://docs.stripe.com/reports/balance-transaction-types, https://docs.stripe.com/api/balance.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from .stripe_plain import StripePlain
from .totals import Tally, TotalKind

StripeObject = dict[str, Any]

PAYOUT_TYPES = frozenset({"payout", "payout_failure", "payout_cancel"})
FEE_TYPES = frozenset({"stripe_fee", "tax_fee", "stripe_fx_fee", "network_cost"})
EXPLAINED_TYPES = frozenset({"charge", "payment", "refund", "payment_refund", "refund_failure", "payment_failure_refund"})
"""Types of balance transactions whose amount is a payment's or a refund's; only their fee is a movement of its own."""


@dataclass(slots=True)
class SourceTotals:
    """An account's totals, its balance by currency (available plus pending), what of it is of payments still under way, and the ids of
    everything it told of.
    """

    tally: Tally = field(default_factory=Tally)
    balance: dict[str, int] = field(default_factory=dict)
    unsettled: dict[str, int] = field(default_factory=dict)
    under_way: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)


async def read_source(api: StripePlain) -> SourceTotals:
    """Read an account."""
    source = SourceTotals()
    credited_tax = await _credit_notes(api, source)
    await _invoices(api, source, credited_tax)
    await _payments(api, source)
    withdrawn = await _balance(api, source)
    async for dispute in api.every("/v1/disputes"):
        source.ids.add(dispute["id"])
        if dispute["status"] == "lost":
            currency, minor = withdrawn.get(dispute["id"], (dispute["currency"], 0))
            source.tally.add(currency, TotalKind.DISPUTE_LOST, minor)
    async for payout in api.every("/v1/payouts"):
        source.ids.add(payout["id"])
    async for customer in api.every("/v1/customers"):
        source.ids.add(customer["id"])
        if customer["balance"]:
            source.tally.add(customer["currency"], TotalKind.CUSTOMER_CREDIT, -customer["balance"])
    return source


def _tax(document: StripeObject) -> int:
    return sum(int(tax["amount"]) for tax in document["total_taxes"])


async def _credit_notes(api: StripePlain, source: SourceTotals) -> dict[str, int]:
    """Add the credit notes; return the tax credited by invoice. A voided one was issued too, and is taken back by an invoice."""
    credited: dict[str, int] = defaultdict(int)
    async for note in api.every("/v1/credit_notes"):
        source.ids.add(note["id"])
        tally, currency = source.tally, note["currency"]
        tally.add(currency, TotalKind.CREDIT_NOTE, note["total"])
        if note["out_of_band_amount"]:
            tally.add(currency, TotalKind.OUT_OF_BAND_REFUND, note["out_of_band_amount"])
        if note["status"] == "void":
            tally.add(currency, TotalKind.INVOICE, note["total"])
            continue
        tally.add(currency, TotalKind.TAX, -_tax(note), 0)
        credited[note["invoice"]] += _tax(note)
    return credited


async def _invoices(api: StripePlain, source: SourceTotals, credited_tax: dict[str, int]) -> None:
    async for invoice in api.every("/v1/invoices"):
        source.ids.add(invoice["id"])
        if invoice["status_transitions"]["finalized_at"] is None:
            continue  # a draft is no document
        tally, currency, total = source.tally, invoice["currency"], invoice["total"]
        kind, mirror = (TotalKind.INVOICE, TotalKind.CREDIT_NOTE) if total >= 0 else (TotalKind.CREDIT_NOTE, TotalKind.INVOICE)
        tally.add(currency, kind, abs(total))
        tally.add(currency, TotalKind.TAX, _tax(invoice), 0)
        if invoice["status"] == "open" and invoice["amount_remaining"]:
            tally.add(currency, TotalKind.OPEN_INVOICE, invoice["amount_remaining"])
        if invoice["status"] == "uncollectible":
            tally.add(currency, TotalKind.WRITE_OFF, invoice["amount_remaining"])
        if invoice["status"] == "void":
            rest = abs(total) - invoice["pre_payment_credit_notes_amount"]
            if rest > 0 or total == 0:
                tally.add(currency, mirror, rest)
                tally.add(currency, TotalKind.TAX, credited_tax.get(invoice["id"], 0) - _tax(invoice), 0)
        if invoice.get("amount_paid_off_stripe"):
            tally.add(currency, TotalKind.OUT_OF_BAND_PAYMENT, invoice["amount_paid_off_stripe"])


async def _payments(api: StripePlain, source: SourceTotals) -> None:
    async for charge in api.every("/v1/charges"):
        source.ids.update(filter(None, (charge["id"], charge["payment_intent"])))
        if charge["status"] == "pending" and charge["balance_transaction"]:
            source.under_way.add(charge["balance_transaction"])
        if charge["status"] == "succeeded" and charge["captured"]:
            source.tally.add(charge["currency"], TotalKind.PAYMENT, charge["amount_captured"])
    async for refund in api.every("/v1/refunds"):
        source.ids.add(refund["id"])
        if refund["balance_transaction"]:
            source.tally.add(refund["currency"], TotalKind.REFUND, refund["amount"])
        if refund.get("failure_balance_transaction"):
            source.tally.add(refund["currency"], TotalKind.PAYMENT, refund["amount"])


async def _balance(api: StripePlain, source: SourceTotals) -> dict[str, tuple[str, int]]:
    """Add what moved the balance without being a payment or a refund; return the net withdrawn by dispute."""
    withdrawn: dict[str, tuple[str, int]] = {}
    async for moved in api.every("/v1/balance_transactions"):
        source.ids.add(moved["id"])
        currency, amount, kind = moved["currency"], moved["amount"], moved["type"]
        if moved["id"] in source.under_way:
            source.unsettled[currency.upper()] = source.unsettled.get(currency.upper(), 0) + moved["net"]
            continue
        if moved["reporting_category"] in ("dispute", "dispute_reversal"):
            source.tally.add(currency, TotalKind.DISPUTE, -amount)
            before = withdrawn.get(moved["source"], (currency, 0))[1]
            withdrawn[moved["source"]] = (currency, before - amount)
        elif kind in PAYOUT_TYPES:
            source.tally.add(currency, TotalKind.PAYOUT, -amount)
        elif kind in FEE_TYPES:
            source.tally.add(currency, TotalKind.FEE, -amount)
        elif kind not in EXPLAINED_TYPES:
            source.tally.add(currency, TotalKind.ADJUSTMENT, -amount)
        if moved["fee"]:
            source.tally.add(currency, TotalKind.FEE, moved["fee"])
    balance = await api.get("/v1/balance")
    for part in (*balance["available"], *balance["pending"]):
        currency = part["currency"].upper()
        source.balance[currency] = source.balance.get(currency, 0) + part["amount"]
    return withdrawn
