"""Stripe's side of the proof: what happened in a month and what stands now, read object by object by the plain client.

It knows nothing of how the connector beside it reads Stripe. Sources: https://docs.stripe.com/api/invoices/object (total, amount_remaining,
pre_payment_credit_notes_amount, amount_paid_off_stripe), https://docs.stripe.com/reports/balance-transaction-types,
https://docs.stripe.com/api/balance.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from counterfoil.connectors.stripe.config import StripeConfig
from counterfoil.connectors.stripe.plain import StripePlain, StripePlainError
from counterfoil.core.proving.items import BALANCE, OPEN_DISPUTES, AccountingPeriod, ProofItem
from counterfoil.core.proving.totals import TotalKind
from counterfoil.kit.errors import SetupError, TransientError

from .fetching import Object

DRAFT_MAX = timedelta(days=45)
"""A document of the month was made at most so long before: an older one that is voided or written off in it shows in what stands now."""
PAYOUT_TYPES = frozenset({"payout", "payout_failure", "payout_cancel"})
FEE_TYPES = frozenset({"stripe_fee", "tax_fee", "stripe_fx_fee", "network_cost"})
EXPLAINED_TYPES = frozenset({"charge", "payment", "refund", "payment_refund", "refund_failure", "payment_failure_refund"})
"""Types of balance transactions whose amount is a payment's or a refund's; only their fee is a movement of its own."""
RETURN_TYPES = frozenset({"refund_failure", "payment_failure_refund"})
DISPUTE_CATEGORIES = frozenset({"dispute", "dispute_reversal"})
UNDECIDED = frozenset({"needs_response", "under_review"})
PARTS = {"ISK": 100, "UGX": 100}
TIMES = {"MGA": 100}
"""Currencies that Stripe counts in other units than ISO 4217 (https://docs.stripe.com/currencies#special-cases)."""


async def items(settings: StripeConfig, period: AccountingPeriod) -> AsyncIterator[ProofItem]:
    """Yield everything an account says of a month and of now.

    Raises:
        TransientError: Stripe gave no answer. SetupError: it refused the key.
    """
    try:
        async with StripePlain(settings.base_url, settings.api_key.get_secret_value()) as api:
            reader = _Reader(api, period)
            for part in (reader.credit_notes, reader.invoices, reader.charges, reader.balance, reader.refunds, reader.standing):
                async for item in part():
                    yield item
    except StripePlainError as error:
        if 400 <= error.status < 500:
            raise SetupError(f"Stripe refused: {error}", code="prove.refused") from error
        raise TransientError(f"Stripe cannot be read: {error}", code="prove.unreachable") from error


class _Reader:
    """Reads one account."""

    def __init__(self, api: StripePlain, period: AccountingPeriod) -> None:
        self._api = api
        self._period = period
        self._credited: dict[str, int] = {}
        self._returned: dict[str, int] = {}
        self._under_way: set[str] = set()

    def _on(self, seconds: int) -> date:
        return datetime.fromtimestamp(seconds, UTC).astimezone(self._period.zone).date()

    def _every(self, path: str, back: timedelta = DRAFT_MAX, **parameters: Any) -> AsyncIterator[Object]:
        first, after = (datetime.combine(day, time(), self._period.zone) for day in (self._period.first, self._period.after))
        created = {"gte": int((first - back).timestamp()), "lt": int(after.timestamp())}
        return self._api.every(path, created=created, **parameters)

    async def credit_notes(self) -> AsyncIterator[ProofItem]:
        """Yield credit notes with their tax. A voided one was issued, too, and is taken back by an invoice."""
        async for note in self._every("/v1/credit_notes"):
            id, name, currency = note["id"], note["number"] or "", note["currency"]
            issued = self._on(note.get("effective_at") or note["created"])
            at, of = note["created"], (note["invoice"],)
            yield _item(TotalKind.CREDIT_NOTE, currency, note["total"], id, issued, name, of, at)
            if note["out_of_band_amount"]:
                yield _item(TotalKind.OUT_OF_BAND_REFUND, currency, note["out_of_band_amount"], id, issued, name, of, at)
            yield _item(TotalKind.TAX, currency, -_tax(note), id, issued, name, of, at)
            if note["status"] == "void":
                at = note["voided_at"] or note["created"]
                voided = self._on(at)
                yield _item(TotalKind.INVOICE, currency, note["total"], id, voided, name, of, at)
                yield _item(TotalKind.TAX, currency, _tax(note), id, voided, name, of, at)
            else:
                self._credited[note["invoice"]] = self._credited.get(note["invoice"], 0) + _tax(note)

    async def invoices(self) -> AsyncIterator[ProofItem]:
        """Yield invoices with their tax, what was paid on them outside of Stripe, and what takes voided ones back."""
        async for invoice in self._every("/v1/invoices"):
            if invoice["status_transitions"]["finalized_at"] is not None:  # a draft is no document
                for item in self._invoice(invoice):
                    yield item

    def _invoice(self, invoice: Object) -> Iterator[ProofItem]:
        moments = invoice["status_transitions"]
        id, name, currency, total = invoice["id"], invoice["number"] or "", invoice["currency"], invoice["total"]
        at = moments["finalized_at"]
        issued = self._on(at)
        kind, mirror = (TotalKind.INVOICE, TotalKind.CREDIT_NOTE) if total >= 0 else (TotalKind.CREDIT_NOTE, TotalKind.INVOICE)
        of = (invoice["customer"],)
        yield _item(kind, currency, abs(total), id, issued, name, of, at)
        yield _item(TotalKind.TAX, currency, _tax(invoice), id, issued, name, of, at)
        if invoice["status"] == "void":
            at = moments["voided_at"]
            voided = self._on(at)
            rest = abs(total) - invoice["pre_payment_credit_notes_amount"]
            if rest > 0 or total == 0:
                yield _item(mirror, currency, rest, id, voided, name, of, at)
                yield _item(TotalKind.TAX, currency, self._credited.get(id, 0) - _tax(invoice), id, voided, name, of, at)
        if invoice.get("amount_paid_off_stripe"):
            at = moments["paid_at"]
            yield _item(TotalKind.OUT_OF_BAND_PAYMENT, currency, invoice["amount_paid_off_stripe"], id, self._on(at), name, of, at)

    async def charges(self) -> AsyncIterator[ProofItem]:
        """Yield what was captured, on the day it moved the balance."""
        async for charge in self._every("/v1/charges", expand=["data.balance_transaction"]):
            if charge["status"] == "pending" and charge["balance_transaction"]:  # a bank debit is booked when it succeeds
                self._under_way.add(charge["balance_transaction"]["id"])
            if charge["status"] == "succeeded" and charge["captured"]:
                moved = charge["balance_transaction"]
                when = moved["created"] if isinstance(moved, dict) else charge["created"]
                of = (charge["customer"] or "",)
                yield _item(TotalKind.PAYMENT, charge["currency"], charge["amount_captured"], charge["id"], self._on(when), "", of, when)

    async def refunds(self) -> AsyncIterator[ProofItem]:
        """Yield refunds, and those that came back, on the day the money did."""
        async for refund in self._every("/v1/refunds"):
            if refund["balance_transaction"]:
                at, of = refund["created"], (refund["charge"] or "",)
                yield _item(TotalKind.REFUND, refund["currency"], refund["amount"], refund["id"], self._on(at), "", of, at)
            back = refund.get("failure_balance_transaction")
            if back in self._returned:
                at = self._returned[back]
                yield _item(TotalKind.PAYMENT, refund["currency"], refund["amount"], refund["id"], self._on(at), "", (), at)

    async def balance(self) -> AsyncIterator[ProofItem]:
        """Yield what moved the balance without being a payment or a refund."""
        async for moved in self._every("/v1/balance_transactions"):
            for item in self._movement(moved):
                yield item

    def _movement(self, moved: Object) -> Iterator[ProofItem]:
        id, currency, amount, at = moved["id"], moved["currency"], moved["amount"], moved["created"]
        on, of = self._on(at), (moved["source"] or "",)
        if id in self._under_way:
            yield _item(TotalKind.CLEARING, currency, -moved["net"], BALANCE)
            return
        if moved["type"] in RETURN_TYPES:
            self._returned[id] = at
        kind = TotalKind.ADJUSTMENT
        if moved["reporting_category"] in DISPUTE_CATEGORIES:
            kind = TotalKind.DISPUTE
        elif moved["type"] in PAYOUT_TYPES:
            kind = TotalKind.PAYOUT
        elif moved["type"] in FEE_TYPES:
            kind = TotalKind.FEE
        if moved["type"] not in EXPLAINED_TYPES:
            yield _item(kind, currency, -amount, id, on, moved["source"] or "", of, at)
        if moved["fee"]:
            yield _item(TotalKind.FEE, currency, moved["fee"], id, on, moved["source"] or "", of, at)

    async def standing(self) -> AsyncIterator[ProofItem]:
        """Yield what stands now: open and uncollectible invoices, customers' balances, disputes that are open, the balance."""
        for status, kind in (("open", TotalKind.OPEN_INVOICE), ("uncollectible", TotalKind.WRITE_OFF)):
            async for invoice in self._api.every("/v1/invoices", status=status):
                yield _item(kind, invoice["currency"], invoice["amount_remaining"], invoice["id"], None, invoice["number"] or "")
        async for customer in self._api.every("/v1/customers"):
            if customer["balance"]:
                yield _item(TotalKind.CUSTOMER_CREDIT, customer["currency"], -customer["balance"], customer["id"])
        async for dispute in self._api.every("/v1/disputes"):
            if dispute["status"] in UNDECIDED:
                for moved in dispute["balance_transactions"]:
                    yield _item(TotalKind.DISPUTED_FUNDS, moved["currency"], -moved["amount"], OPEN_DISPUTES)
        balance = await self._api.get("/v1/balance")
        for part in ("available", "pending"):
            for share in balance[part]:
                yield _item(TotalKind.CLEARING, share["currency"], share["amount"], BALANCE)
                if part == "pending":
                    yield _item(TotalKind.PENDING, share["currency"], share["amount"], BALANCE)


def _item(
    kind: TotalKind, currency: str, minor: int, id: str, on: date | None = None, name: str = "", of: tuple[str, ...] = (), at: int = 0
) -> ProofItem:
    code = currency.upper()
    happened_at = datetime.fromtimestamp(at, UTC) if at else None
    return ProofItem(kind, code, minor * TIMES.get(code, 1) // PARTS.get(code, 1), id, on, name, of, happened_at)


def _tax(document: Object) -> int:
    return sum(int(tax["amount"]) for tax in document["total_taxes"])
