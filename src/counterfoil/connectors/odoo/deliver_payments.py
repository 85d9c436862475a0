"""Payments in and out: a batch of commands to posted account.payments in the processor's journal, or to entries where those fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from counterfoil.connectors.odoo import moves
from counterfoil.connectors.odoo.amounts import from_number
from counterfoil.connectors.odoo.batches import after_a_write, by_entity, done, in_chunks
from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.catalog_read import company_catalog, readings_so_far
from counterfoil.connectors.odoo.deliver_entries import send_entries
from counterfoil.connectors.odoo.detect import Session, connect
from counterfoil.connectors.odoo.load import LoadTable, load
from counterfoil.connectors.odoo.partitions import partition_of
from counterfoil.connectors.odoo.partners import customers_of, named_in
from counterfoil.connectors.odoo.payment_rows import PaymentPlan, as_entry, columns, is_entry, payment_of, plan_payment
from counterfoil.connectors.odoo.periods import STALE, company_locks, stale
from counterfoil.connectors.odoo.posting import post, quiet, remove_drafts
from counterfoil.connectors.odoo.wire import Payment, Text, ref, text
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Command
from counterfoil.kit.context import Context
from counterfoil.kit.errors import RejectedError
from counterfoil.kit.writing import Outcome

POSTED_STATES = frozenset({"posted", "in_process", "process", "paid", "reconciled"})
"""17: posted; 18 and 19: in_process, and paid once matched (Online 19.2, 19.3 also process); 20: paid, and reconciled once matched."""


class MoveDate(Struct, frozen=True):
    """The accounting date of a payment's entry."""

    id: int
    date: Text


async def send(ctx: Context, batch: Sequence[Command], bindings: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Post the payments and return one outcome per command.

    Safe to send again: payments are inserted only if absent, and only drafts are posted.
    """
    session = await connect(ctx)
    settings, mark = session.settings, readings_so_far(ctx)

    async def send_chunk(commands: Sequence[Command]) -> Sequence[Outcome]:
        return [outcome for part in by_entity(commands).values() for outcome in await _send_entity(ctx, session, part, bindings, mark)]

    return await in_chunks(batch, settings.document_batch_size, settings.concurrency, send_chunk)


async def _send_entity(
    ctx: Context, session: Session, commands: Sequence[Command], bindings: Mapping[str, str], mark: int
) -> list[Outcome]:
    company = await company_catalog(ctx, session, commands[0].entity)
    entries = [command for command in commands if is_entry(payment_of(command), company)]
    payments = [command for command in commands if not is_entry(payment_of(command), company)]
    found = await send_entries(ctx, session, entries, bindings, as_entry, mark) if entries else []
    return found + (await _send_payments(ctx, session, payments, bindings, mark) if payments else [])


async def _send_payments(
    ctx: Context, session: Session, commands: Sequence[Command], bindings: Mapping[str, str], mark: int
) -> list[Outcome]:
    ledger = moves.ChunkResults()
    namespace = session.settings.namespace

    company = await moves.books_for(ctx, session, commands)
    customers = await customers_of(session, company, named_in(commands), bindings)

    def build(command: Command, company: CompanyCatalog) -> PaymentPlan:
        return plan_payment(command, company, customers, namespace)

    company, plans = await moves.plan_all(ctx, session, company, commands, build, ledger, mark)
    table = LoadTable("account.payment", columns(session.dialect), is_insert_only=True, context=quiet(session, company.context))
    loaded = await load(session, table, [plan.row for plan in plans])
    for plan in plans:
        refusal = loaded.refused.get(plan.command.id)
        if refusal is not None:
            ledger.refuse(plan.command, RejectedError(refusal.message, code="odoo.refused"))
    by_payment = {loaded.ids[plan.command.id]: plan for plan in plans if plan.command.id in loaded.ids}
    with after_a_write():
        await _settle(ctx, session, company, by_payment, ledger)
    return list(ledger.outcomes.values())


async def _settle(
    ctx: Context, session: Session, company: CompanyCatalog, plans: Mapping[int, PaymentPlan], ledger: moves.ChunkResults
) -> None:
    """Post the drafts that are as wished, remove the others, and compare everything as it then is."""
    found = await _read(session, company, list(plans))
    drafts = {payment_id: plans[payment_id] for payment_id, payment in found.items() if payment.state == "draft"}
    barred = await _barred(ctx, session, company, drafts, found)
    ready = [payment_id for payment_id in drafts if payment_id not in barred]
    if ready:
        barred.update(await post(session, "account.payment", ready, company.context, partition_of(plans[ready[0]].command)))
    kept = await remove_drafts(session, "account.payment", barred, company.context)
    found.update(await _read(session, company, [payment_id for payment_id in ready if payment_id not in barred]))
    for payment_id, error in barred.items():
        if error.code == STALE and payment_id not in kept:
            continue  # no outcome is an unknown one, and sending again creates it
        by_hand = moves.is_edited(found[payment_id], error)
        ledger.refuse(plans[payment_id].command, moves.with_fate(error, is_kept=payment_id in kept, by_hand=by_hand))
    rest = {payment_id: plan for payment_id, plan in plans.items() if payment_id not in barred and payment_id in found}
    dates = await _move_dates(session, company, [ref(found[payment_id].move_id) for payment_id in rest])
    for payment_id, plan in rest.items():
        payment = found[payment_id]
        differs = _difference(payment, plan) or posted_payment_difference(payment, plan, dates.get(ref(payment.move_id), ""))
        if differs is None:
            ledger.outcomes[plan.command.id] = done(plan.command, "account.payment", payment_id, text(payment.name))
        else:
            ledger.refuse(plan.command, differs, external_id=f"account.payment/{payment_id}", external_name=text(payment.name))


async def _read(session: Session, company: CompanyCatalog, ids: Sequence[int]) -> dict[int, Payment]:
    if not ids:
        return {}
    rows = await session.client.read("account.payment", [["id", "in", list(ids)]], Payment, context=company.context)
    return {row.id: row for row in rows}


async def _move_dates(session: Session, company: CompanyCatalog, move_ids: Sequence[int]) -> dict[int, str]:
    wanted = [move_id for move_id in move_ids if move_id]
    if not wanted:
        return {}
    rows = await session.client.read("account.move", [["id", "in", wanted]], MoveDate, context=company.context)
    return {row.id: text(row.date) for row in rows}


async def _barred(
    ctx: Context, session: Session, company: CompanyCatalog, drafts: Mapping[int, PaymentPlan], found: Mapping[int, Payment]
) -> dict[int, RejectedError]:
    """Return the drafts that must not be posted, and why."""
    if not drafts:
        return {}
    locks = await company_locks(ctx, session, company.id)
    barred: dict[int, RejectedError] = {}
    for payment_id, plan in drafts.items():
        error = (
            _difference(found[payment_id], plan)
            or locks.refusal(plan.paid_on, is_document=False, is_taxed=False)
            or stale(locks, text(found[payment_id].date), is_document=False, is_taxed=False)
        )
        if error is not None:
            barred[payment_id] = error
    return barred


def _difference(payment: Payment, plan: PaymentPlan) -> RejectedError | None:
    """Return how a payment differs from what was wished: amount, currency, whose it is, and the account its money goes to."""
    try:
        amount = from_number(payment.amount, plan.amount.currency)
    except RejectedError as error:
        return error
    if amount != plan.amount or ref(payment.currency_id) != plan.currency_id:
        return RejectedError(
            f"Odoo says {amount} in currency {ref(payment.currency_id)}, the source {plan.amount}",
            code="odoo.amount_mismatch",
            case_class=CaseClass.AMOUNT_MISMATCH,
        )
    if ref(payment.partner_id) != plan.partner_id:
        return RejectedError(
            f"the payment is of partner {ref(payment.partner_id)} in Odoo, the source says partner {plan.partner_id}",
            code="odoo.amount_mismatch",
            case_class=CaseClass.AMOUNT_MISMATCH,
        )
    outstanding = ref(payment.outstanding_account_id)
    if outstanding and outstanding != plan.counterpart_id:
        return RejectedError(
            f"the journal books payments to account {outstanding} instead of the clearing account {plan.counterpart_id}; set that one"
            " as outstanding account on the journal's payment methods",
            code="odoo.outstanding_account",
            case_class=CaseClass.UNMAPPED_ACCOUNT,
        )
    return None


def posted_payment_difference(payment: Payment, plan: PaymentPlan, move_date: str) -> RejectedError | None:
    """Return how a posted payment differs: its state, its entry, and that entry's date (Odoo moves it out of locked periods)."""
    if payment.state not in POSTED_STATES:
        return RejectedError(f"the payment is {payment.state} in Odoo, not posted; somebody changed it there", code="odoo.not_posted")
    if not ref(payment.move_id):
        return RejectedError(
            "Odoo made no journal entry for the payment; set an outstanding account on the journal's payment methods",
            code="odoo.payment_without_entry",
            case_class=CaseClass.UNMAPPED_ACCOUNT,
        )
    if move_date and move_date != plan.paid_on.isoformat():
        return RejectedError(
            f"{text(payment.name)} is booked on {move_date} instead of {plan.paid_on}: the period was locked meanwhile",
            code="odoo.date_moved",
            case_class=CaseClass.PERIOD_LOCKED,
        )
    return None
