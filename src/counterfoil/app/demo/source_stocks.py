"""What must stand on four accounts of the books at rest, by the source alone: read from Stripe's API object by object, as it is now.

Sources: https://docs.stripe.com/api/invoices/object (amount_remaining, amount_overpaid), https://docs.stripe.com/api/invoice-payment/list,
https://docs.stripe.com/api/credit_notes/object (refunds), https://docs.stripe.com/api/disputes/object (status).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from .source_totals import StripeObject
from .stripe_plain import StripePlain
from .totals import Parts, Stock

OPEN_DISPUTES = frozenset({"needs_response", "under_review"})
LOST_DISPUTES = frozenset({"lost", "prevented"})
GONE_REFUNDS = frozenset({"failed", "canceled"})


@dataclass(slots=True)
class _Reader:
    """Reads one account. ``applied``: what paid invoices took of each payment intent, or of a charge without one."""

    api: StripePlain
    found: dict[Stock, dict[tuple[str, str], int]] = field(default_factory=lambda: {stock: defaultdict(int) for stock in Stock})
    applied: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    voided: set[str] = field(default_factory=set)
    overpaid: dict[str, StripeObject] = field(default_factory=dict)
    credited: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, stock: Stock, currency: str, minor: int, whose: str = "") -> None:
        if minor:
            self.found[stock][currency.upper(), whose] += minor

    async def customers(self) -> None:
        """Add what customers have in hand, each for himself."""
        async for customer in self.api.every("/v1/customers"):
            if customer["balance"]:
                self.add(Stock.CUSTOMER_CREDIT, customer["currency"], -customer["balance"], customer["id"])

    async def invoices(self) -> None:
        """Add what is open on invoices, and what is uncollectible."""
        async for invoice in self.api.every("/v1/invoices"):
            if invoice["status"] == "open":
                self.add(Stock.RECEIVABLE, invoice["currency"], invoice["amount_remaining"])
            elif invoice["status"] == "uncollectible":
                self.add(Stock.BAD_DEBT, invoice["currency"], invoice["amount_remaining"])
            elif invoice["status"] == "void":
                self.voided.add(invoice["id"])
            if invoice.get("amount_overpaid"):
                self.overpaid[invoice["id"]] = invoice

    async def applications(self) -> None:
        """Learn what invoices took of payments: nothing, if they were voided; what was paid too much is on the customer's balance."""
        paid: dict[str, int] = defaultdict(int)
        last: dict[str, str] = {}
        async for part in self.api.every("/v1/invoice_payments", status="paid"):
            by = part["payment"].get("payment_intent") or part["payment"].get("charge") or ""
            invoice = part["invoice"]
            if invoice not in self.voided:
                self.applied[by] += part["amount_paid"]
                paid[invoice] += part["amount_paid"]
                last.setdefault(invoice, by)
        for id, invoice in self.overpaid.items():
            told = max(0, paid[id] - invoice["amount_due"])
            self.applied[last.get(id, "")] += invoice["amount_overpaid"] - told

    async def refunds(self) -> dict[str, int]:
        """Return, by charge, what was given back for good and no credit note accounts for; add what credit notes owe as it came back."""
        refunds = [refund async for refund in self.api.every("/v1/refunds") if refund["balance_transaction"]]
        by_id = {refund["id"]: refund for refund in refunds}
        failed: list[tuple[StripeObject, int]] = []
        async for note in self.api.every("/v1/credit_notes"):
            for part in note.get("refunds") or ():
                refund = by_id.get(part["refund"])
                if refund is not None and refund["status"] in GONE_REFUNDS:
                    failed.append((refund, part["amount_refunded"]))
                elif refund is not None:
                    self.credited[refund["id"]] += part["amount_refunded"]
        standing = [refund for refund in reversed(refunds) if refund["status"] not in GONE_REFUNDS]
        for refund, minor in failed:
            alike = [one for one in standing if (one["charge"], one["amount"]) == (refund["charge"], minor)]
            made_again = next((one for one in alike if not self.credited[one["id"]]), None)
            if made_again is not None:
                self.credited[made_again["id"]] = minor
            else:
                self.add(Stock.RECEIVABLE, refund["currency"], -minor)
        given: dict[str, int] = defaultdict(int)
        for refund in standing:
            given[refund["charge"] or ""] += refund["amount"] - self.credited[refund["id"]]
        return given

    async def charges(self, given: Mapping[str, int]) -> None:
        """Take off the receivable what customers have with us: paid, taken by no invoice, and not given back."""
        async for charge in self.api.every("/v1/charges"):
            applied = self.applied[charge["payment_intent"] or charge["id"]]
            if charge["status"] == "succeeded" and charge["captured"]:
                left = charge["amount_captured"] - applied - given.get(charge["id"], 0)
                self.add(Stock.RECEIVABLE, charge["currency"], -max(0, left))
            elif charge.get("failure_balance_transaction"):
                self.add(Stock.RECEIVABLE, charge["currency"], applied)

    async def disputes(self) -> None:
        """Add what open disputes have withdrawn, and what is lost by those that are over."""
        withdrawn: dict[str, int] = defaultdict(int)
        currency_of: dict[str, str] = {}
        async for moved in self.api.every("/v1/balance_transactions"):
            if moved["reporting_category"] in ("dispute", "dispute_reversal"):
                withdrawn[moved["source"]] -= moved["amount"]
                currency_of[moved["source"]] = moved["currency"]
        async for dispute in self.api.every("/v1/disputes"):
            id, status = dispute["id"], dispute["status"]
            stock = Stock.DISPUTED_FUNDS if status in OPEN_DISPUTES else Stock.BAD_DEBT if status in LOST_DISPUTES else None
            if stock is not None and id in currency_of:
                self.add(stock, currency_of[id], withdrawn[id])


async def read_stocks(api: StripePlain) -> Mapping[Stock, Parts]:
    """Return what must stand on each account, by currency, and customers' credit by customer. Refunds beyond what was open owe nothing."""
    reader = _Reader(api)
    await reader.customers()
    await reader.invoices()
    await reader.applications()
    await reader.charges(await reader.refunds())
    await reader.disputes()
    return reader.found
