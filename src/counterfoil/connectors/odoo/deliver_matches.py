"""Allocations: matches between receivable lines, in bulk where Odoo needs not think, one by one where it must book differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from counterfoil.connectors.odoo import moves
from counterfoil.connectors.odoo.amounts import from_number, to_text
from counterfoil.connectors.odoo.batches import MissingDependency, after_a_write, bound, by_entity, done, in_chunks, waiting
from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.catalog_read import company_catalog
from counterfoil.connectors.odoo.detect import Session, connect
from counterfoil.connectors.odoo.load import LoadRow, LoadTable, load
from counterfoil.connectors.odoo.match_ends import by_line, close_groups, exchange_words, left_open, read_lines, settle_payments
from counterfoil.connectors.odoo.match_lines import read_open_lines, read_partials
from counterfoil.connectors.odoo.match_plan import DocumentId, PlannedMatch, Short, Way, is_overmatched, plan_match
from counterfoil.connectors.odoo.posting import quiet
from counterfoil.connectors.odoo.wire import OpenLine, Partial, ref
from counterfoil.core.commands.books import Allocate, Unmatch
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Command
from counterfoil.kit.context import Context
from counterfoil.kit.errors import RejectedError
from counterfoil.kit.writing import Outcome, OutcomeStatus

_PARTIAL = "account.partial.reconcile"
_COLUMNS = ("id", "debit_move_id/.id", "credit_move_id/.id", "amount", "debit_amount_currency", "credit_amount_currency")

Ends = dict[str, tuple[DocumentId, DocumentId]]


async def send(ctx: Context, batch: Sequence[Command], bindings: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Match the documents and return one outcome per command; the external id is that of the match.

    Safe to send again: a match is inserted if absent under the command's own key; one made by Odoo's reconcile leaves too little open for a
    second, and is then found as the pair's.
    """
    session = await connect(ctx)

    async def send_chunk(commands: Sequence[Command]) -> Sequence[Outcome]:
        return [outcome for part in by_entity(commands).values() for outcome in await _match_all(ctx, session, part, bindings)]

    # One stream: two chunks could match the same line.
    return await in_chunks(batch, session.settings.entry_batch_size, 1, send_chunk)


async def send_unmatch(ctx: Context, batch: Sequence[Command], bindings: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Remove every match between the two documents of each command; nothing left to remove is done, so it is safe to send again."""
    session = await connect(ctx)

    async def send_chunk(commands: Sequence[Command]) -> Sequence[Outcome]:
        return [outcome for part in by_entity(commands).values() for outcome in await _unmatch_all(ctx, session, part, bindings)]

    return await in_chunks(batch, session.settings.entry_batch_size, 1, send_chunk)


def _ends(commands: Sequence[Command], bindings: Mapping[str, str], ledger: moves.ChunkResults) -> Ends:
    """Return debit and credit document of each command; those not bound yet wait."""
    found: Ends = {}
    for command in commands:
        arguments = command.arguments
        if not isinstance(arguments, Allocate | Unmatch):
            raise TypeError(f"{command.kind} names no two documents")
        try:
            found[command.id] = bound(bindings, arguments.debit), bound(bindings, arguments.credit)
        except MissingDependency as missing:
            ledger.outcomes[command.id] = waiting(command, missing.key)
    return found


async def _match_all(ctx: Context, session: Session, commands: Sequence[Command], bindings: Mapping[str, str]) -> list[Outcome]:
    ledger = moves.ChunkResults()
    company = await company_catalog(ctx, session, commands[0].entity)
    ends = _ends(commands, bindings, ledger)
    lines = await read_open_lines(session, company, {document for pair in ends.values() for document in pair})
    plans = [plan_match(command, lines, *ends[command.id]) for command in commands if command.id in ends]
    await _settle_short(session, company, [plan for plan in plans if isinstance(plan, Short)], ledger)
    matches = [plan for plan in plans if isinstance(plan, PlannedMatch)]
    await _insert(session, company, [match for match in matches if match.way is Way.PARTIAL], ledger)
    with after_a_write():
        for match in matches:
            if match.way is Way.RECONCILE:
                await _reconcile(session, company, match, ledger)
        await _end(session, company, plans, ledger)
    return list(ledger.outcomes.values())


async def _end(session: Session, company: CompanyCatalog, plans: Sequence[PlannedMatch | Short], ledger: moves.ChunkResults) -> None:
    """Bring what is matched to its end: groups closed, payments settled; a rest that stays open in the company's currency is a case."""
    pairs = {
        plan.command.id: (plan.debit.line.id, plan.credit.line.id)
        if isinstance(plan, PlannedMatch)
        else (*plan.debit_lines, *plan.credit_lines)
        for plan in plans
        if plan.command.id in ledger.outcomes and ledger.outcomes[plan.command.id].status is OutcomeStatus.DONE
    }
    if not pairs:
        return
    lines = await read_lines(session, company, {line_id for ids in pairs.values() for line_id in ids})
    rests = left_open(lines, company)
    for plan in plans:
        error = by_line(rests, *pairs.get(plan.command.id, ()))
        if error is not None:
            ledger.refuse(plan.command, error, external_id=ledger.outcomes[plan.command.id].external_id)
    await close_groups(session, company, {line.id for line in lines if not line.amount_residual and not line.amount_residual_currency})
    await settle_payments(session, company, lines)


async def _settle_short(session: Session, company: CompanyCatalog, shorts: Sequence[Short], ledger: moves.ChunkResults) -> None:
    """Find out whether allocations with too little open were made already: matched before by us, by Odoo or by a person."""
    debits = [line_id for short in shorts for line_id in short.debit_lines]
    credits = [line_id for short in shorts for line_id in short.credit_lines]
    partials = await read_partials(session, company, debits, credits)
    for short in shorts:
        mine = [p for p in partials if ref(p.debit_move_id) in short.debit_lines and ref(p.credit_move_id) in short.credit_lines]
        if _amount_of(short.command, mine) >= _wished(short.command):
            ledger.outcomes[short.command.id] = done(short.command, _PARTIAL, mine[0].id, code="odoo.matched_before")
        else:
            ledger.refuse(short.command, short.error)


def _wished(command: Command) -> int:
    return command.arguments.amount.minor if isinstance(command.arguments, Allocate) else 0


def _amount_of(command: Command, partials: Sequence[Partial]) -> int:
    if not isinstance(command.arguments, Allocate):
        return 0
    currency = command.arguments.amount.currency
    return sum(from_number(partial.debit_amount_currency, currency).minor for partial in partials)


async def _insert(session: Session, company: CompanyCatalog, matches: Sequence[PlannedMatch], ledger: moves.ChunkResults) -> None:
    """Insert our own partials in one call and check that no line is matched beyond its amount."""
    if not matches:
        return
    namespace = session.settings.namespace
    rows = [
        LoadRow(
            match.command.id,
            (
                (
                    f"{namespace}.{match.command.external_key}",
                    str(match.debit.line.id),
                    str(match.credit.line.id),
                    to_text(match.balance),
                    to_text(match.amount),
                    to_text(match.amount),
                ),
            ),
        )
        for match in matches
    ]
    loaded = await load(session, LoadTable(_PARTIAL, _COLUMNS, is_insert_only=True, context=quiet(session, company.context)), rows)
    with after_a_write():
        over = await _overmatched(session, company, matches)
        undo = {
            m.command.id: loaded.ids[m.command.id]
            for m in matches
            if m.command.id in loaded.ids and {m.debit.line.id, m.credit.line.id} & over
        }
        if undo:
            await session.client.call(_PARTIAL, "unlink", sorted(set(undo.values())), context=company.context, is_write=True)
    for match in matches:
        command = match.command
        if command.id in undo:
            words = "somebody matched these documents in Odoo at the same moment; our match was taken back"
            ledger.refuse(command, RejectedError(words, code="odoo.allocation_short", case_class=CaseClass.RECONCILIATION_BREAK))
        elif command.id in loaded.ids:
            ledger.outcomes[command.id] = done(command, _PARTIAL, loaded.ids[command.id])
        else:
            ledger.refuse(command, RejectedError(loaded.refused[command.id].message, code="odoo.refused"))


async def _overmatched(session: Session, company: CompanyCatalog, matches: Sequence[PlannedMatch]) -> set[int]:
    """Return the lines that are matched beyond their amount now."""
    ids = sorted({side.line.id for match in matches for side in (match.debit, match.credit)})
    rows = await session.client.read("account.move.line", [["id", "in", ids]], OpenLine, context=company.context)
    return {row.id for row in rows if is_overmatched(row)}


async def _reconcile(session: Session, company: CompanyCatalog, match: PlannedMatch, ledger: moves.ChunkResults) -> None:
    """Let Odoo match two lines, of which one closes, and find the match it made."""
    pair = [match.debit.line.id, match.credit.line.id]
    try:
        await session.client.call("account.move.line", "reconcile", pair, context=quiet(session, company.context), is_write=True)
    except RejectedError as error:
        ledger.refuse(match.command, error)
        return
    partials = await read_partials(session, company, pair[:1], pair[1:])
    if _amount_of(match.command, partials) < _wished(match.command):
        less = RejectedError("Odoo matched less than wished", code="odoo.allocation_short", case_class=CaseClass.RECONCILIATION_BREAK)
        ledger.refuse(match.command, less)
    else:
        booked = sorted({ref(partial.exchange_move_id) for partial in partials if ref(partial.exchange_move_id)})
        words = await exchange_words(session, company, booked)
        code = "odoo.exchange_booked" if words else ""
        newest = max(partial.id for partial in partials)
        ledger.outcomes[match.command.id] = done(match.command, _PARTIAL, newest, code=code, message=words)


async def _unmatch_all(ctx: Context, session: Session, commands: Sequence[Command], bindings: Mapping[str, str]) -> list[Outcome]:
    ledger = moves.ChunkResults()
    company = await company_catalog(ctx, session, commands[0].entity)
    ends = _ends(commands, bindings, ledger)
    lines = await read_open_lines(session, company, {document for pair in ends.values() for document in pair})
    pairs = {
        command_id: ([side.line.id for side in lines.of(debit, is_debit=True)], [side.line.id for side in lines.of(credit, is_debit=False)])
        for command_id, (debit, credit) in ends.items()
    }
    found = await read_partials(
        session,
        company,
        [line for debits, _ in pairs.values() for line in debits],
        [line for _, credits in pairs.values() for line in credits],
    )
    mine = {
        command_id: [p for p in found if ref(p.debit_move_id) in debits and ref(p.credit_move_id) in credits]
        for command_id, (debits, credits) in pairs.items()
    }
    doomed = sorted({partial.id for partials in mine.values() for partial in partials})
    if doomed:
        # Only the matches between the two documents; remove_move_reconcile would undo all others of their lines, too.
        await session.client.call(_PARTIAL, "unlink", doomed, context=quiet(session, company.context), is_write=True)
    for command_id, ((_, debit_id), (_, credit_id)) in ends.items():
        # No record stands for what is gone; the id names the pair, and no document's own id, which others look documents up by.
        name, words = f"unmatched/{debit_id}-{credit_id}", f"{len(mine[command_id])} match(es) removed"
        ledger.outcomes[command_id] = Outcome(command_id, OutcomeStatus.DONE, name, message=words)
    return list(ledger.outcomes.values())
