"""Documents and payments the hub would post that the books hold already: what they are, and how a wish is done by what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import cast

from counterfoil.app.adoption_plan import Adoption, PlanRow, is_as_planned, refusal
from counterfoil.app.hub import Hub
from counterfoil.core.commands.books import BookCommand, PostDocument, PostPayment
from counterfoil.core.identity.adopted_documents import ExistingDocument, WishedDocument, barred_by
from counterfoil.core.kinds.credit_note import CreditNote
from counterfoil.core.kinds.invoice import INVOICE, Invoice
from counterfoil.core.kinds.payment import Payment
from counterfoil.core.language.ids import ObjectRef, external_key
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Record
from counterfoil.kit.codec import decode_arguments, decode_record
from counterfoil.store import audit, case_subjects, objects, outbox, outbox_due
from counterfoil.store.audit import AuditLine
from counterfoil.store.outbox import CommandRow, End, EndStatus
from counterfoil.store.pool import Conn

KINDS = (BookCommand.POST_INVOICE, BookCommand.POST_CREDIT_NOTE, BookCommand.POST_PAYMENT)
"""What is booked in the books as a document that people may have entered before."""
READ_AT_A_TIME = 1000

Records = Mapping[str, str]
"""Which record of the target each customer is, by canonical id."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What the hub knows of what a command wishes: the invoices it pays or credits, and what is to be paid of it itself."""

    bills: tuple[ObjectRef, ...] = ()
    numbers: tuple[str, ...] = ()
    open: Money | None = None


async def wished_documents(hub: Hub, conn: Conn, target: str, records: Records) -> dict[str, tuple[CommandRow, WishedDocument]]:
    """Return what waits to be posted to a target and was never sent, by the key of its object, in the order in which it was wished."""
    found: dict[str, tuple[CommandRow, WishedDocument]] = {}
    after = 0
    while rows := await outbox_due.unsent(conn, hub.cipher, target, [kind.value for kind in KINDS], after, READ_AT_A_TIME):
        known = await _known(hub, conn, rows)
        for row in rows:
            if document := _wished(row, records, known[row.produces]):
                found[row.produces] = (row, document)
        after = rows[-1].seq
    return found


async def _known(hub: Hub, conn: Conn, commands: Sequence[CommandRow]) -> dict[str, _Known]:
    """Return what is known of commands, by what they produce.

    People write the numbers of invoices on what pays and credits them, and not the source's id of a payment.
    """
    refs = {one.produces: ObjectRef(*one.produces.split("/", 1)) for one in commands}
    states = {ref.key: decode_record(ref.kind, row.data) for ref, row in (await objects.load(conn, hub.cipher, refs.values())).items()}
    bills = {one.produces: _bills_of(states.get(one.produces), one.subject) for one in commands}
    rows = await objects.load(conn, hub.cipher, {ref for some in bills.values() for ref in some})
    invoices = {ref: cast("Invoice", decode_record(INVOICE.name, row.data)) for ref, row in rows.items()}
    found: dict[str, _Known] = {}
    for key, some in bills.items():
        state = states.get(key)
        numbers = tuple(invoices[ref].number for ref in some if ref in invoices and invoices[ref].number)
        found[key] = _Known(some, numbers, state.amount_remaining if isinstance(state, Invoice) else None)
    return found


def _bills_of(state: Record | None, subject: ObjectRef) -> tuple[ObjectRef, ...]:
    """Return the invoices that what is wished pays or credits; what is no object of its own, as a void, is of the invoice it voids."""
    match state:
        case Payment():
            return tuple(INVOICE.ref(one.invoice_id) for one in state.applications)
        case CreditNote():
            return (INVOICE.ref(state.invoice_id),) if state.invoice_id else ()
        case None if subject.kind == INVOICE.name:
            return (subject,)
        case _:
            return ()


def _wished(command: CommandRow, records: Records, known: _Known) -> WishedDocument | None:
    """Return what a command wishes; None: money given back, which is left to people."""
    kind, _, id = command.produces.partition("/")

    def document(customer_id: str, total: Money, days: set[date], *numbers: str) -> WishedDocument:
        return WishedDocument(
            kind=kind,
            id=id,
            key=command.external_key,
            entity=command.entity,
            customer=records.get(customer_id, ""),
            total=total,
            days=tuple(sorted(days)),
            numbers=tuple(dict.fromkeys(one for one in (*numbers, id.partition(":")[2]) if one)),
            bills=tuple(external_key(INVOICE.name, ref.id) for ref in known.bills),
            open=known.open,
        )

    match decode_arguments(BookCommand(command.kind), command.arguments):
        case PostDocument() as one:
            return document(one.customer_id, one.total, {one.accounting_on, one.issued_on}, one.number, *known.numbers)
        case PostPayment(is_inbound=True) as one:
            return document(one.customer_id, one.amount, {one.paid_on}, *known.numbers, one.memo)
        case _:
            return None


def refuse_documents(
    target: str,
    wanted: Mapping[str, tuple[str, PlanRow]],
    wished: Mapping[str, tuple[CommandRow, WishedDocument]],
    records: Mapping[str, ExistingDocument],
) -> None:
    """Raise SetupError where anything stands in the way of what is wanted of documents, with all names."""
    stale: list[str] = []
    barred: list[str] = []
    for key, (external_id, row) in wanted.items():
        one = wished[key][1] if key in wished else None
        record = records.get(external_id)
        stale += [key] if one is None or not is_as_planned(row, one) else []
        stale += [external_id] if record is None or (external_id == row.external_id and not is_as_planned(row, record)) else []
        if one is not None and record is not None:
            why = barred_by(one, record) or ("" if one.customer else "its customer is bound to no record")
            why = why or (f"it bears {', '.join(record.keys)} already" if record.keys and one.key not in record.keys else "")
            barred += [f"{key} is not {external_id}: {why}"] if why else []
    if stale:
        raise refusal(f"{some_of(stale)}: changed, posted or gone since the plan was made: make a new one", code="adopt.stale")
    if barred:
        raise refusal(f"{some_of(barred)}. Answer no", code="adopt.barred")


def some_of(names: Sequence[str]) -> str:
    """Return names for a message, the first ten."""
    shown = sorted(set(names))
    return ", ".join(shown[:10]) + (f" and {len(shown) - 10} more" if len(shown) > 10 else "")


async def bind_documents(
    hub: Hub, target: str, done: Mapping[str, tuple[CommandRow, str, str]], rows: Mapping[str, PlanRow], adoption: Adoption
) -> frozenset[str]:
    """End wishes as done by what the books held already (command, external id, name), with who said so: one transaction.

    What is done is never sent, and what needs it goes on from there. Returns the keys that are done since now.
    """
    now = hub.clock.now()
    ends = [
        End(command.id, command.created_at, EndStatus.DONE, external_id, name, code="adopt.adopted", reason=f"in {target} before the hub")
        for command, external_id, name in done.values()
    ]
    async with hub.pool.connection() as conn, conn.transaction():
        settled = await outbox.settle(conn, ends, now)
        await case_subjects.release_subjects(conn, "deliver", sorted(settled.changed), now)
        new = frozenset(key for key, (command, _, _) in done.items() if command.id in settled.changed)
        for key in sorted(new):
            detail = told_of_binding(target, done[key][1], rows[key], adoption)
            await audit.append(conn, AuditLine(now, adoption.actor, "adopted", key, detail))
        await hub.arm(conn, settled.touched)
    return new


def told_of_binding(target: str, external_id: str, row: PlanRow, adoption: Adoption) -> dict[str, object]:
    """Return what the audit keeps of a binding: to what, where, by which plan, why, and if a person answered it."""
    by = "answer" if row.answer else "certain"
    return {"record": external_id, "connection": target, "plan": adoption.digest, "reason": adoption.reason, "by": by}
