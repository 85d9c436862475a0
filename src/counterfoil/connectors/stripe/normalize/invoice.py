"""Invoices, and the payments and tax rates they tell of. Both generations give the same canonical invoice."""

from __future__ import annotations

from datetime import datetime

import msgspec

from counterfoil.connectors.stripe.config import StripeConfig
from counterfoil.connectors.stripe.refs import OOB_PREFIX, REST, canonical
from counterfoil.connectors.stripe.wire import TaxRate, id_of
from counterfoil.connectors.stripe.wire.billing import Intent, InvoicePayment
from counterfoil.connectors.stripe.wire.billing import Invoice as WireInvoice
from counterfoil.core.facts.events import Fact
from counterfoil.core.kinds.invoice import Invoice, InvoiceEvent, InvoiceLine, InvoiceState, PaidPart
from counterfoil.core.kinds.payment import Application, Payment, PaymentEvent, PaymentState
from counterfoil.core.language.money import Money
from counterfoil.kit.connector import Ignored, Normalized

from .amounts import currency_code, instant, money, optional_instant, optional_money
from .catalog import tax_rate_side_facts
from .charge import charges_together, one_charge
from .customer import credits_of
from .deals import deals_of
from .lines import invoice_line, shipping_line, sum_money, taxes_seen, tied_taxes
from .reading import DeliveryNotice, FetchedNotice, ObjectState, decode, gone, look_up

_INVOICE = msgspec.json.Decoder(WireInvoice)
_INVOICE_PAYMENT = msgspec.json.Decoder(InvoicePayment)

STATES = {
    "draft": InvoiceState.DRAFT,
    "open": InvoiceState.ISSUED,
    "paid": InvoiceState.PAID,
    "void": InvoiceState.VOID,
    "uncollectible": InvoiceState.UNCOLLECTIBLE,
}
"""https://docs.stripe.com/invoicing/overview#invoice-statuses; an open invoice that was paid in part is canonically partially paid."""

TYPES = {
    InvoiceState.DRAFT: InvoiceEvent.DRAFTED,
    InvoiceState.ISSUED: InvoiceEvent.ISSUED,
    InvoiceState.PARTIALLY_PAID: InvoiceEvent.UPDATED,
    InvoiceState.PAID: InvoiceEvent.PAID,
    InvoiceState.VOID: InvoiceEvent.VOIDED,
    InvoiceState.UNCOLLECTIBLE: InvoiceEvent.UNCOLLECTIBLE,
    InvoiceState.DELETED: InvoiceEvent.DELETED,
}
"""A fact is named after the state it carries, since the fetched state may be further than the event; the event's name only refines it."""

OPEN_TYPES = {
    "invoice.overdue": InvoiceEvent.OVERDUE,
    "invoice.updated": InvoiceEvent.UPDATED,
    "invoice.sent": InvoiceEvent.UPDATED,
    "invoice.payment_failed": InvoiceEvent.UPDATED,
    "invoice.payment_action_required": InvoiceEvent.UPDATED,
    "invoice.will_be_due": InvoiceEvent.UPDATED,
}

RATE_TELLERS = frozenset({"invoice.finalized", "invoice.paid", "invoice.listed", "invoice.fetched"})
"""Deliveries that also tell the tax rates named on the lines."""

UNDER_WAY = frozenset({"processing", "requires_capture"})
"""States of a payment intent in which the money is on its way: a bank debit takes days, a capture is to come."""

SETTLED_KINDS = frozenset({"invoice.paid", "invoice.payment_failed"})


def needs(notice: DeliveryNotice) -> tuple[str, ...]:
    """An invoice is always fetched; when paid (or not), its charges too; when paid too much, the customer's balance, which has the rest."""
    refs = [notice.ref("invoice", notice.object_id)]
    customer = _overpaying(notice)
    refs += [notice.ref("customer_balance", customer)] if customer else []
    if notice.kind in SETTLED_KINDS:
        charge = id_of(decode(_INVOICE, notice.snapshot).charge) if notice.snapshot else ""
        refs.append(notice.ref("charge", charge) if charge else notice.ref("invoice_charges", notice.object_id))
    return tuple(refs)


def _overpaying(notice: DeliveryNotice) -> str:
    """Return the customer that paid an invoice too much, as the event says; empty if none did."""
    seen = decode(_INVOICE, notice.snapshot) if notice.snapshot and notice.is_event else None
    return id_of(seen.customer) if seen is not None and seen.amount_overpaid else ""


def facts(fetched: FetchedNotice) -> Normalized:
    """Return the invoice, what was paid outside Stripe, its charges and credits where they were fetched, and its tax rates."""
    state = fetched.own("invoice")
    seen = decode(_INVOICE, state.body)
    found = list(_facts_of(fetched, seen, state, is_main=True))
    if fetched.kind in SETTLED_KINDS:
        found += charges_together(fetched, "invoice_charges", fetched.notice.object_id)
        found += one_charge(fetched, _charge_told(fetched))
    found += credits_of(fetched, _overpaying(fetched.notice))
    if fetched.kind in RATE_TELLERS:
        return (*tax_rate_side_facts(fetched, seen.counterfoil.tax_rates), *found)
    return tuple(found)


def payment_needs(notice: DeliveryNotice) -> tuple[str, ...]:
    """An invoice payment shows in its invoice and in its charge, or in all charges of its intent."""
    if not notice.snapshot:
        return (notice.ref("invoice_payment", notice.object_id),)
    seen = decode(_INVOICE_PAYMENT, notice.snapshot)
    payment = seen.payment
    refs = [("invoice", id_of(seen.invoice)), ("charge", id_of(payment.charge)), ("payment_intent", id_of(payment.payment_intent))]
    return tuple(notice.ref(kind, object_id) for kind, object_id in refs if object_id)


def payment_facts(fetched: FetchedNotice) -> Normalized:
    """Return the invoice and the charges of an invoice payment."""
    seen = decode(_INVOICE_PAYMENT, fetched.own("invoice_payment").body)
    found: list[Fact] = []
    invoice = fetched.needed("invoice", id_of(seen.invoice))
    if invoice is not None:
        found += invoice_facts(fetched, invoice, is_main=True)
    found += one_charge(fetched, id_of(seen.payment.charge))
    found += charges_together(fetched, "payment_intent", id_of(seen.payment.payment_intent))
    return tuple(found) if found else Ignored("object_gone")


def invoice_facts(fetched: FetchedNotice, state: ObjectState, *, is_main: bool, not_before: datetime | None = None) -> tuple[Fact, ...]:
    """Return the invoice and the payments made outside Stripe. ``is_main``: the delivery is about this invoice; ``not_before``: its state
    comes of something that happened then.
    """
    return _facts_of(fetched, decode(_INVOICE, state.body), state, is_main=is_main, not_before=not_before)


def _facts_of(
    fetched: FetchedNotice, seen: WireInvoice, state: ObjectState, *, is_main: bool, not_before: datetime | None = None
) -> tuple[Fact, ...]:
    invoice = invoice_of(seen, fetched.settings, is_gone=state.is_gone or fetched.kind == "invoice.deleted")
    kind = TYPES[invoice.state]
    if invoice.state is InvoiceState.ISSUED and fetched.notice.is_event:
        kind = OPEN_TYPES.get(fetched.kind, kind)
    own_time = invoice.paid_at or invoice.voided_at or invoice.uncollectible_at or invoice.issued_at or instant(seen.created or 0)
    own_time = max(own_time, not_before or own_time, *(part.paid_at for part in invoice.paid_parts or () if part.paid_at is not None))
    correlation = invoice.subscription_id or invoice.id
    tell = fetched.fact if is_main else fetched.side_fact
    found = [tell(kind, invoice, state, own_time, correlation)]
    found += [
        fetched.side_fact(PaymentEvent.SUCCEEDED, payment, state, payment.occurred_at, correlation)
        for payment in out_of_band_payments(seen, invoice)
    ]
    return tuple(found)


def invoice_of(seen: WireInvoice, settings: StripeConfig, *, is_gone: bool = False) -> Invoice:
    """Return the canonical invoice. Raises DriftError for an unknown status, RejectedError if an issued one is gone."""
    currency = currency_code(seen.currency)
    times = seen.status_transitions
    state = _state(seen, is_gone)
    rates = {rate.id: rate for rate in (*(seen.default_tax_rates or ()), *seen.counterfoil.tax_rates)}
    lines = _lines(seen, rates)
    address, notes = seen.customer_address, seen.counterfoil.credit_notes
    return Invoice(
        id=canonical(seen.id),
        customer_id=canonical(id_of(seen.customer)),
        state=state,
        currency=currency,
        total=money(seen.total, currency),
        tax=_tax(seen, lines),
        lines=lines,
        number=seen.number or "",
        subscription_id=canonical(_subscription(seen)),
        issued_at=_issued_at(seen, state),
        due_at=optional_instant(seen.due_date),
        created_at=optional_instant(seen.created),
        amount_due=optional_money(seen.amount_due, currency),
        amount_paid=optional_money(seen.amount_paid, currency),
        amount_remaining=optional_money(seen.amount_remaining, currency),
        starting_balance=optional_money(seen.starting_balance, currency),
        ending_balance=optional_money(seen.ending_balance, currency),
        credited_before_payment=optional_money(seen.pre_payment_credit_notes_amount, currency),
        paid_out_of_band=optional_money(_off_stripe(seen), currency),
        paid_at=optional_instant(times.paid_at),
        voided_at=optional_instant(times.voided_at),
        uncollectible_at=optional_instant(times.marked_uncollectible_at),
        billing_reason=seen.billing_reason or "",
        attempt_count=seen.attempt_count or 0,
        next_attempt_at=optional_instant(seen.next_payment_attempt),
        customer_name=seen.customer_name or "",
        customer_country=(address.country or "") if address is not None else "",
        customer_account=seen.customer_account or "",
        amount_overpaid=optional_money(seen.amount_overpaid or None, currency),
        paid_parts=_paid_parts(seen),
        parts_under_way=_parts_under_way(seen),
        credit_note_ids=tuple(canonical(note) for note in notes) if notes is not None else None,
        deal_ids=deals_of(settings, seen.metadata),
    )


def out_of_band_payments(seen: WireInvoice, invoice: Invoice) -> tuple[Payment, ...]:
    """Return what was paid on the invoice outside Stripe: one payment for each record of one, and one for what no record tells of.

    The first to be recorded (or the only one) goes by the invoice's id, later ones by the invoice's and their own.
    Source: https://docs.stripe.com/api/invoices/pay#pay_invoice-paid_out_of_band and the payment records that report money from elsewhere.
    """
    made: list[Payment] = []
    earlier = Money(0, invoice.currency)
    for record in _records(seen):
        amount, paid_at = money(record.amount_paid or 0, seen.currency), optional_instant(record.status_transitions.paid_at)
        made.append(_out_of_band(seen, invoice, _oob_id(seen, record), amount, earlier, paid_at, canonical(record.id)))
        earlier = earlier + amount
    if invoice.paid_out_of_band is not None and invoice.paid_out_of_band > earlier:
        payment_id = OOB_PREFIX + seen.id + (f".{REST}" if made else "")
        made.append(_out_of_band(seen, invoice, payment_id, invoice.paid_out_of_band - earlier, earlier))
    return tuple(made)


def _out_of_band(
    seen: WireInvoice, invoice: Invoice, payment_id: str, amount: Money, earlier: Money, at: datetime | None = None, applied_as: str = ""
) -> Payment:
    return Payment(
        id=canonical(payment_id),
        customer_id=invoice.customer_id,
        state=PaymentState.SUCCEEDED,
        amount=amount,
        occurred_at=at or invoice.paid_at or invoice.issued_at or instant(seen.created or 0),
        applications=(Application(invoice.id, amount, applied_as),),
        method="out_of_band",
        is_out_of_band=True,
        earlier_parts=earlier,
        first_part_id=canonical(OOB_PREFIX + seen.id),
    )


def _records(seen: WireInvoice) -> list[InvoicePayment]:
    """Return the records of payments made outside Stripe, in the order they were entered."""
    payments = seen.payments.data if seen.payments is not None else []
    records = [p for p in payments if p.payment.type == "payment_record" and p.status == "paid" and p.amount_paid]
    return sorted(records, key=lambda p: (p.created or p.status_transitions.paid_at or 0, p.id))


def _oob_id(seen: WireInvoice, record: InvoicePayment) -> str:
    is_first = record.id == _records(seen)[0].id
    return OOB_PREFIX + seen.id + ("" if is_first else f".{record.id}")


def _paid_parts(seen: WireInvoice) -> tuple[PaidPart, ...] | None:
    """Return the invoice's payments, oldest first; None where the payload does not list all of them."""
    if seen.payments is None or seen.payments.has_more:
        return None
    paid = sorted((p for p in seen.payments.data if p.status == "paid" and p.amount_paid), key=_paid_at)
    return tuple(
        PaidPart(
            canonical(p.id), money(p.amount_paid or 0, seen.currency), optional_instant(p.status_transitions.paid_at), _payment_id(seen, p)
        )
        for p in paid
    )


def _parts_under_way(seen: WireInvoice) -> tuple[PaidPart, ...] | None:
    """Return the payments that were begun and are not decided yet, such as bank debits; None: there are none, or the payload tells of none.

    Source: https://docs.stripe.com/payments/paymentintents/lifecycle
    """
    opened = [p for p in (seen.payments.data if seen.payments is not None else ()) if p.status == "open"]
    begun = [p for p in opened if isinstance(p.payment.payment_intent, Intent) and p.payment.payment_intent.status in UNDER_WAY]
    found = (PaidPart(canonical(p.id), money(p.amount_requested or 0, seen.currency), payment_id=_payment_id(seen, p)) for p in begun)
    return tuple(found) or None


def _paid_at(payment: InvoicePayment) -> tuple[int, str]:
    return payment.status_transitions.paid_at or 0, payment.id


def _payment_id(seen: WireInvoice, payment: InvoicePayment) -> str:
    """Return the canonical id of the payment an invoice payment is of: its charge, or a record; empty where only an intent is named."""
    of = payment.payment
    if of.type == "payment_record":
        return canonical(_oob_id(seen, payment))
    return canonical(id_of(of.charge) or (id_of(of.payment_intent.latest_charge) if isinstance(of.payment_intent, Intent) else ""))


def _charge_told(fetched: FetchedNotice) -> str:
    """Return the charge an event before basil names on its invoice."""
    return id_of(decode(_INVOICE, fetched.notice.snapshot).charge) if fetched.notice.snapshot else ""


def _state(seen: WireInvoice, is_gone: bool) -> InvoiceState:
    state = look_up(STATES, seen.status, "invoice.status")
    if seen.deleted or is_gone:
        if state is not InvoiceState.DRAFT:
            raise gone("invoice", seen.id)
        return InvoiceState.DELETED
    if state is InvoiceState.ISSUED and (seen.amount_paid or 0) > 0:
        return InvoiceState.PARTIALLY_PAID
    return state


def _issued_at(seen: WireInvoice, state: InvoiceState) -> datetime | None:
    """Return the date of issue printed on the document: ``effective_at`` replaces the instant of finalization where it is set.

    Source: https://docs.stripe.com/api/invoices/object#invoice_object-effective_at
    """
    if state in (InvoiceState.DRAFT, InvoiceState.DELETED):
        return None
    finalized_at = seen.status_transitions.finalized_at
    return optional_instant(seen.effective_at if seen.effective_at is not None else finalized_at)


def _lines(seen: WireInvoice, rates: dict[str, TaxRate]) -> tuple[InvoiceLine, ...]:
    lines = [invoice_line(line, seen.currency, rates) for line in seen.lines.data]
    cost = seen.shipping_cost
    if cost is not None and cost.amount_total and seen.amount_shipping != 0:
        lines.append(shipping_line(cost, seen.id, seen.currency))
    return tied_taxes(lines, taxes_seen(seen.total_taxes, seen.total_tax_amounts), seen.currency)


def _tax(seen: WireInvoice, lines: tuple[InvoiceLine, ...]) -> Money:
    """Return the tax total, as the source sums it; summed over the lines where it does not."""
    fetched: list[int] | None = None
    if seen.total_taxes is not None:
        fetched = [t.amount for t in seen.total_taxes]
    elif seen.total_tax_amounts is not None:
        fetched = [t.amount for t in seen.total_tax_amounts]
    elif seen.tax is not None:
        fetched = [seen.tax]
    if fetched is not None:
        return money(sum(fetched), seen.currency)
    return sum_money((tax.amount for line in lines for tax in line.taxes), seen.currency)


def _subscription(seen: WireInvoice) -> str:
    if seen.parent is not None and seen.parent.subscription_details is not None:
        return id_of(seen.parent.subscription_details.subscription)
    return id_of(seen.subscription)


def _off_stripe(seen: WireInvoice) -> int | None:
    """Return what was paid outside Stripe, in Stripe's units; None where the payload cannot tell.

    Told outright since basil (``amount_paid_off_stripe``); before, an invoice was marked as paid out of band as a whole; in between it is
    what the paid amount has more than the payments made through Stripe.
    """
    if seen.amount_paid_off_stripe is not None:
        return seen.amount_paid_off_stripe
    if seen.paid_out_of_band is not None:
        return (seen.amount_due or 0) if seen.paid_out_of_band else 0
    if seen.payments is None or seen.payments.has_more or seen.amount_paid is None:
        return None
    through = [p.amount_paid or 0 for p in seen.payments.data if p.status == "paid" and p.payment.type != "payment_record"]
    return max(seen.amount_paid - sum(through), 0)
