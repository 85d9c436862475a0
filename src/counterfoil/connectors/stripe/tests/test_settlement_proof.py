"""The proof of the clearing account: what the facts say moved is the processor's balance, to the cent, whatever happened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from counterfoil.connectors.stripe.sandbox import StripeSandbox
from counterfoil.core.facts.merge import Current, merge
from counterfoil.core.kinds.balance_entry import BalanceEntry
from counterfoil.core.kinds.credit_note import CreditNote
from counterfoil.core.kinds.dispute import Dispute
from counterfoil.core.kinds.invoice import Invoice, InvoiceState
from counterfoil.core.kinds.payment import Payment
from counterfoil.core.kinds.payout import Payout
from counterfoil.core.kinds.refund import Refund
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.records import Record
from counterfoil.core.language.settlement import Settlement
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.context import Context

from .building import POLLS
from .sandboxed import normalized_all, opened, walk

DAY = 86_400


def settlements_of(entity: Record) -> Iterator[Settlement]:
    """Yield every movement an entity carries."""
    match entity:
        case Payment():
            found: tuple[Settlement | None, ...] = (entity.settlement,)
        case Refund() | Payout():
            found = (entity.settlement, entity.reversal)
        case Dispute():
            found = (*entity.withdrawals, *entity.reinstatements)
        case BalanceEntry():
            found = (entity.settlement,)
        case _:
            found = ()
    yield from (movement for movement in found if movement is not None)


def pay(sandbox: StripeSandbox, amount: int, currency: str = "usd", method: str = "pm_card_visa") -> dict[str, Any]:
    """Take a payment without an invoice, and return its charge."""
    wanted = {"amount": str(amount), "currency": currency, "payment_method": method, "confirm": "true"}
    intent = sandbox.request("POST", "/v1/payment_intents", wanted)
    return sandbox.request("GET", f"/v1/charges/{intent['latest_charge']}")


def invoice(sandbox: StripeSandbox, customer: str, rate: str, *amounts: int) -> dict[str, Any]:
    """Issue an invoice of several taxed positions."""
    for amount in amounts:
        item = {"customer": customer, "amount": str(amount), "currency": "usd", "tax_rates": [rate]}
        sandbox.request("POST", "/v1/invoiceitems", item)
    wanted = {"customer": customer, "pending_invoice_items_behavior": "include", "auto_advance": "false"}
    draft = sandbox.request("POST", "/v1/invoices", wanted)
    return sandbox.request("POST", f"/v1/invoices/{draft['id']}/finalize", {})


def a_bad_fortnight(sandbox: StripeSandbox) -> None:
    """Everything that can happen to money."""
    customer = sandbox.request("POST", "/v1/customers", {"name": "Buyer"})["id"]
    method = sandbox.request("POST", "/v1/payment_methods/pm_card_visa/attach", {"customer": customer})["id"]
    rate = sandbox.request("POST", "/v1/tax_rates", {"display_name": "VAT", "percentage": "19", "inclusive": "false"})["id"]
    paid = invoice(sandbox, customer, rate, 10_000, 2_345, -500)
    sandbox.request("POST", f"/v1/invoices/{paid['id']}/pay", {"payment_method": method})
    by_hand = invoice(sandbox, customer, rate, 4_999)
    sandbox.request("POST", f"/v1/invoices/{by_hand['id']}/pay", {"paid_out_of_band": "true"})
    refunded = pay(sandbox, 8_000)
    sandbox.request("POST", "/v1/refunds", {"charge": refunded["id"], "amount": "3000"})
    sandbox.advance(DAY)
    failing = sandbox.request("POST", "/v1/refunds", {"charge": refunded["id"], "amount": "1000"})
    sandbox.fail_refund(failing["id"])
    total = str(paid["total"])
    sandbox.request("POST", "/v1/credit_notes", {"invoice": paid["id"], "amount": total, "refund_amount": total})
    won, lost = (sandbox.open_dispute(pay(sandbox, amount)["id"]) for amount in (6_000, 7_000))
    sandbox.adjust("stripe_fee", -1_234, "usd", "Billing usage")
    sandbox.advance(3 * DAY)
    sandbox.resolve_dispute(won["id"], "won")
    sandbox.resolve_dispute(lost["id"], "lost")
    sandbox.adjust("adjustment", 77, "usd", "Goodwill")
    pay(sandbox, 123_456, method="pm_card_bypassPending")
    sandbox.advance(9 * DAY)
    sandbox.fail_payout(sandbox.request("GET", "/v1/payouts", {"limit": "1"})["data"][0]["id"])


async def known_after(ctx: Context, cursor: str = "") -> dict[ObjectRef, Record]:
    """Poll everything, normalize and merge it as the hub does."""
    deliveries, _ = await walk(lambda c: POLLS.poll(ctx, c), cursor)
    found, _ = await normalized_all(ctx, deliveries)
    known: dict[ObjectRef, Current] = {}
    for fact in found:
        known[fact.subject] = merge(known.get(fact.subject), fact).current
    return {ref: current.record for ref, current in known.items()}


async def test_all_movements_told_sum_to_the_balance() -> None:
    sandbox = StripeSandbox()
    async with opened(sandbox, poll_overlap_s=3600) as ctx:
        cursor = (await walk(lambda c: POLLS.poll(ctx, c)))[1].cursor
        a_bad_fortnight(sandbox)
        assert isinstance(ctx.clock, SettableClock)
        known = await known_after(ctx, cursor)
        balance = sandbox.request("GET", "/v1/balance")
        movements = sandbox.request("GET", "/v1/balance_transactions", {"limit": "100"})["data"]
    told = {movement.id: movement for entity in known.values() for movement in settlements_of(entity)}
    assert set(told) == {f"stripe:{movement['id']}" for movement in movements}
    assert sum(m.net.minor for m in told.values()) == sum(b["amount"] for b in (*balance["available"], *balance["pending"]))


async def test_documents_told_tie_to_the_source_to_the_cent() -> None:
    sandbox = StripeSandbox()
    async with opened(sandbox, poll_overlap_s=3600) as ctx:
        a_bad_fortnight(sandbox)
        known = await known_after(ctx)
    invoices = [entity for entity in known.values() if isinstance(entity, Invoice)]
    assert {i.state for i in invoices} == {InvoiceState.PAID}
    documents = [entity for entity in known.values() if isinstance(entity, Invoice | CreditNote)]
    assert len(documents) == 3
    for document in documents:
        exclusive = sum(tax.amount.minor for line in document.lines for tax in line.taxes if not tax.is_inclusive)
        assert sum(line.amount.minor - line.discount.minor for line in document.lines) + exclusive == document.total.minor
    by_hand = [entity for entity in known.values() if isinstance(entity, Payment) and entity.is_out_of_band]
    assert [payment.amount.minor for payment in by_hand] == [5_949]  # 49.99 and 19 % VAT: 9.50
