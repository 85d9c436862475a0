"""Credit notes, with the refunds that pay them out and the invoice they reduce."""

from __future__ import annotations

import msgspec

from counterfoil.connectors.stripe.refs import canonical
from counterfoil.connectors.stripe.wire import id_of
from counterfoil.connectors.stripe.wire.billing import BalanceChange
from counterfoil.connectors.stripe.wire.billing import CreditNote as WireCreditNote
from counterfoil.core.facts.events import Fact
from counterfoil.core.kinds.credit_note import CreditNote, CreditNoteEvent, CreditNoteState, RefundPart
from counterfoil.core.kinds.invoice import InvoiceLine
from counterfoil.core.kinds.refund import CreditNotePart
from counterfoil.core.language.money import Money
from counterfoil.kit.connector import Normalized

from .amounts import currency_code, instant, money, optional_instant
from .catalog import tax_rate_side_facts
from .invoice import invoice_facts
from .lines import note_line, shipping_line, sum_money, taxes_seen, tied_taxes
from .reading import DeliveryNotice, FetchedNotice, decode, gone, look_up
from .refund import one_refund

_NOTE = msgspec.json.Decoder(WireCreditNote)

STATES = {"issued": CreditNoteState.ISSUED, "void": CreditNoteState.VOID}
TYPES = {CreditNoteState.ISSUED: CreditNoteEvent.ISSUED, CreditNoteState.VOID: CreditNoteEvent.VOIDED}


def needs(notice: DeliveryNotice) -> tuple[str, ...]:
    """The note is fetched, with the refunds it is paid out by and the invoice it reduces."""
    refs = [notice.ref("credit_note", notice.object_id)]
    if notice.snapshot:
        seen = decode(_NOTE, notice.snapshot)
        invoice = id_of(seen.invoice)
        refs += [notice.ref("invoice", invoice)] if invoice else []
        refs += [notice.ref("refund", refund) for refund in refunds_of(seen)]
    return tuple(refs)


def facts(fetched: FetchedNotice) -> Normalized:
    """Return the tax rates, the credit note, its refunds and its invoice."""
    state = fetched.own("credit_note")
    if state.is_gone:
        raise gone("credit note", fetched.notice.object_id)
    seen = decode(_NOTE, state.body)
    note = credit_note_of(seen)
    correlation = note.invoice_id or note.id
    found: list[Fact] = [*tax_rate_side_facts(fetched, seen.counterfoil.tax_rates)]
    found.append(fetched.fact(TYPES[note.state], note, state, note.voided_at or note.issued_at, correlation))
    parts = {part.refund_id: part.amount for part in note.refund_parts}
    for refund in refunds_of(seen):
        found += one_refund(fetched, refund, note=CreditNotePart(note.id, parts[canonical(refund)]))
    invoice = fetched.other("invoice", id_of(seen.invoice))
    if invoice is not None:
        found += invoice_facts(fetched, invoice, is_main=False, not_before=note.voided_at or note.issued_at)
    return tuple(found)


def credit_note_of(seen: WireCreditNote) -> CreditNote:
    """Return the canonical credit note. Raises DriftError for an unknown status."""
    currency = currency_code(seen.currency)
    state = look_up(STATES, seen.status, "credit_note.status")
    before, after = _parts(seen)
    out_of_band = (seen.out_of_band_amount or 0) + sum(r.amount_refunded for r in seen.refunds or () if not id_of(r.refund))
    lines, to_balance = _lines(seen), _to_balance(seen, after, out_of_band)
    return CreditNote(
        id=canonical(seen.id),
        invoice_id=canonical(id_of(seen.invoice)),
        customer_id=canonical(id_of(seen.customer)),
        state=state,
        currency=currency,
        total=money(seen.total, currency),
        tax=_tax(seen, lines),
        lines=lines,
        issued_at=instant(seen.effective_at if seen.effective_at is not None else seen.created),
        number=seen.number or "",
        reason=seen.reason or "",
        before_payment=money(before, currency),
        after_payment=money(after, currency),
        to_balance=money(to_balance, currency),
        out_of_band=money(out_of_band, currency),
        refund_ids=tuple(canonical(refund) for refund in refunds_of(seen)),
        refund_parts=_refund_parts(seen, after - to_balance - out_of_band),
        voided_at=optional_instant(seen.voided_at) if state is CreditNoteState.VOID else None,
    )


def refunds_of(seen: WireCreditNote) -> tuple[str, ...]:
    """Return the ids of the refunds that pay the note out; before basil there is at most one."""
    if seen.refunds is not None:
        return tuple(id_of(r.refund) for r in seen.refunds if id_of(r.refund))
    return (id_of(seen.refund),) if id_of(seen.refund) else ()


def _refund_parts(seen: WireCreditNote, to_refund: int) -> tuple[RefundPart, ...]:
    """Return what each refund pays out of the note; of one that does not say so (before basil) all that is given back by refund."""
    linked = [(canonical(id_of(one.refund)), one.amount_refunded or to_refund) for one in seen.refunds or () if id_of(one.refund)]
    linked = linked or [(canonical(refund), to_refund) for refund in refunds_of(seen)]
    return tuple(RefundPart(refund_id, money(amount, seen.currency)) for refund_id, amount in sorted(linked))


def _parts(seen: WireCreditNote) -> tuple[int, int]:
    """Return what reduces the open invoice and what is given back after payment; before basil a note was one or the other."""
    if seen.pre_payment_amount is not None or seen.post_payment_amount is not None:
        return seen.pre_payment_amount or 0, seen.post_payment_amount or 0
    return (0, seen.total) if seen.type == "post_payment" else (seen.total, 0)


def _to_balance(seen: WireCreditNote, after: int, out_of_band: int) -> int:
    """Return what was credited to the customer's balance: the transaction's amount, or what is left when only its id is known."""
    change = seen.customer_balance_transaction
    if change is None:
        return 0
    if isinstance(change, BalanceChange):
        return abs(change.amount)
    return after - out_of_band - sum(r.amount_refunded for r in seen.refunds or () if id_of(r.refund))


def _lines(seen: WireCreditNote) -> tuple[InvoiceLine, ...]:
    rates = {rate.id: rate for rate in seen.counterfoil.tax_rates}
    credited = {line.id: line for line in seen.counterfoil.invoice_lines}
    lines = [note_line(line, seen.currency, rates, credited) for line in seen.lines.data]
    if seen.shipping_cost is not None and seen.shipping_cost.amount_total and seen.amount_shipping != 0:
        lines.append(shipping_line(seen.shipping_cost, seen.id, seen.currency))
    return tied_taxes(lines, taxes_seen(seen.total_taxes, seen.tax_amounts), seen.currency)


def _tax(seen: WireCreditNote, lines: tuple[InvoiceLine, ...]) -> Money:
    if seen.total_taxes is not None:
        return money(sum(t.amount for t in seen.total_taxes), seen.currency)
    if seen.tax_amounts is not None:
        return money(sum(t.amount for t in seen.tax_amounts), seen.currency)
    return sum_money((tax.amount for line in lines for tax in line.taxes), seen.currency)
