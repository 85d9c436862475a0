"""Documents and payments the hub would post that the books hold already: what they are, and how a wish is done by what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import cast

from counterfoil.app.adoption_plan import Adoption, PlanRow, is_as_planned, refusal
from counterfoil.app.hub import Hub
from counterfoil.core.commands.books import BookCommand, PostDocument, PostPayment
from counterfoil.core.identity.adopted_documents import ExistingDocument, WishedDocument, barred_by
from counterfoil.core.kinds.invoice import INVOICE, Invoice
from counterfoil.core.kinds.payment import PAYMENT, Payment
from counterfoil.core.language.money import Money
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


async def wished_documents(hub: Hub, conn: Conn, target: str, records: Records) -> dict[str, tuple[CommandRow, WishedDocument]]:
    """Return what waits to be posted to a target and was never sent, by the key of its object, in the order in which it was wished."""
    found: dict[str, tuple[CommandRow, WishedDocument]] = {}
    after = 0
    while rows := await outbox_due.unsent(conn, hub.cipher, target, [kind.value for kind in KINDS], after, READ_AT_A_TIME):
        paid = await _numbers_paid(hub, conn, [row for row in rows if row.kind == BookCommand.POST_PAYMENT.value])
        for row in rows:
            if document := _wished(row, records, paid.get(row.produces, ())):
                found[row.produces] = (row, document)
        after = rows[-1].seq
    return found


async def _numbers_paid(hub: Hub, conn: Conn, commands: Sequence[CommandRow]) -> dict[str, tuple[str, ...]]:
    """Return the numbers of the invoices that payments pay: people write those, and not the source's id of a payment."""
    rows = await objects.load(conn, hub.cipher, [PAYMENT.ref(_id_of(command)) for command in commands])
    payments = {ref.key: cast("Payment", decode_record(PAYMENT.name, row.data)) for ref, row in rows.items()}
    bills = {one.invoice_id for payment in payments.values() for one in payment.applications}
    rows = await objects.load(conn, hub.cipher, [INVOICE.ref(id) for id in bills])
    numbers = {ref.id: cast("Invoice", decode_record(INVOICE.name, row.data)).number for ref, row in rows.items()}
    return {
        key: tuple(number for one in payment.applications if (number := numbers.get(one.invoice_id, "")))
        for key, payment in payments.items()
    }


def _id_of(command: CommandRow) -> str:
    return command.produces.partition("/")[2]


def _wished(command: CommandRow, records: Records, paid: Sequence[str]) -> WishedDocument | None:
    """Return what a command wishes; None: money given back, which is left to people. ``paid``: the numbers of what a payment pays."""
    kind, id = command.produces.partition("/")[0], _id_of(command)

    def document(customer_id: str, total: Money, days: set[date], *numbers: str) -> WishedDocument:
        told = tuple(dict.fromkeys(one for one in (*numbers, id.partition(":")[2]) if one))
        customer = records.get(customer_id, "")
        return WishedDocument(kind, id, command.external_key, command.entity, customer, total, tuple(sorted(days)), told)

    match decode_arguments(BookCommand(command.kind), command.arguments):
        case PostDocument() as one:
            return document(one.customer_id, one.total, {one.accounting_on, one.issued_on}, one.number)
        case PostPayment(is_inbound=True) as one:
            return document(one.customer_id, one.amount, {one.paid_on}, *paid, one.memo)
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
) -> None:
    """End wishes as done by what the books held already (command, external id, name), with who said so: one transaction.

    What is done is never sent, and what needs it goes on from there.
    """
    now = hub.clock.now()
    ends = [
        End(command.id, command.created_at, EndStatus.DONE, external_id, name, code="adopt.adopted", reason=f"in {target} before the hub")
        for command, external_id, name in done.values()
    ]
    async with hub.pool.connection() as conn, conn.transaction():
        settled = await outbox.settle(conn, ends, now)
        await case_subjects.release_subjects(conn, "deliver", sorted(settled.changed), now)
        for key, (command, external_id, _) in done.items():
            if command.id in settled.changed:
                await audit.append(
                    conn, AuditLine(now, adoption.actor, "adopted", key, told_of_binding(target, external_id, rows[key], adoption))
                )
        await hub.arm(conn, settled.touched)


def told_of_binding(target: str, external_id: str, row: PlanRow, adoption: Adoption) -> dict[str, object]:
    """Return what the audit keeps of a binding: to what, where, by which plan, why, and if a person answered it."""
    by = "answer" if row.answer else "certain"
    return {"record": external_id, "connection": target, "plan": adoption.digest, "reason": adoption.reason, "by": by}
