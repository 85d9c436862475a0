"""The common path of everything that becomes an account.move: planned, loaded if absent, compared, posted, read back, one outcome each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from counterfoil.connectors.odoo.batches import MissingDependency, after_a_write, done, refused, waiting
from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.catalog_read import company_catalog, current_rates, read_since
from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.entry_lines import lines_difference, read_items
from counterfoil.connectors.odoo.load import LoadedRows, LoadRow, LoadTable, load
from counterfoil.connectors.odoo.partitions import partition_of
from counterfoil.connectors.odoo.periods import STALE, company_locks, stale
from counterfoil.connectors.odoo.posting import post, quiet, remove_drafts
from counterfoil.connectors.odoo.readback import Expected, amount_difference, posted_difference, read_moves
from counterfoil.connectors.odoo.wire import Move, Payment, ref, text
from counterfoil.core.commands.books import PostDocument, PostEntry, PostPayment
from counterfoil.core.language.commands import Arguments, Command
from counterfoil.kit.context import Context
from counterfoil.kit.errors import RejectedError
from counterfoil.kit.writing import Outcome


class MovePlan(Protocol):
    """One planned move."""

    @property
    def command(self) -> Command:
        """The command that wishes it."""
        ...

    @property
    def row(self) -> LoadRow:
        """Its row for ``load``, keyed by the command's id."""
        ...

    @property
    def expected(self) -> Expected:
        """What Odoo must make of it."""
        ...


@dataclass(slots=True)
class ChunkResults:
    """What became of each command of a chunk so far, by command id."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def refuse(self, command: Command, error: RejectedError, *, external_id: str = "", external_name: str = "") -> None:
        """Note a refusal."""
        self.outcomes[command.id] = refused(command, error, external_id=external_id, external_name=external_name)


P = TypeVar("P", bound=MovePlan)
Q = TypeVar("Q")

BuildMove = Callable[[Command, CompanyCatalog], Q]
Mend = Callable[[Mapping[int, P], Mapping[int, Move]], Awaitable[dict[int, Move]]]
Compare = Callable[[Mapping[int, P], Mapping[int, Move]], Awaitable[dict[int, RejectedError]]]
"""Says of moves, drafts and posted ones, which are booked otherwise than wished though their amounts are right."""


async def books_for(ctx: Context, session: Session, commands: Sequence[Command]) -> CompanyCatalog:
    """Return the books the commands of one entity go to, with Odoo's rates of now if they need any."""
    company = await company_catalog(ctx, session, commands[0].entity)
    if any(is_foreign(command.arguments, company.currency) for command in commands):
        return await current_rates(ctx, session, company)
    return company


def is_foreign(arguments: Arguments, currency: str) -> bool:
    """Whether something is in another currency than the books', so that a rate of Odoo's decides or must be there."""
    match arguments:
        case PostDocument():
            return arguments.currency != currency
        case PostPayment():
            return any(money.currency != currency for money in (arguments.amount, arguments.settled or arguments.amount))
        case PostEntry():
            return any(line.amount.currency != currency for line in arguments.lines)
        case _:
            return False


async def plan_all(
    ctx: Context,
    session: Session,
    company: CompanyCatalog,
    commands: Sequence[Command],
    build: BuildMove[Q],
    ledger: ChunkResults,
    mark: int,
) -> tuple[CompanyCatalog, list[Q]]:
    """Build the plan of every command of one entity; what cannot be resolved is looked up afresh once, then refused or waits.

    ``mark``: of the batch (``readings_so_far`` when it began); what is missed in books read since then is not looked up again.
    """
    plans, missed = _built(commands, company, build, ledger)
    if missed:
        company = await read_since(ctx, session, company.entity, mark)
        more, still = _built([command for command, _ in missed], company, build, ledger)
        plans += more
        for command, error in still:
            ledger.refuse(command, error)
    return company, plans


def _built(
    commands: Sequence[Command], company: CompanyCatalog, build: BuildMove[Q], ledger: ChunkResults
) -> tuple[list[Q], list[tuple[Command, RejectedError]]]:
    plans: list[Q] = []
    missed: list[tuple[Command, RejectedError]] = []
    for command in commands:
        try:
            plans.append(build(command, company))
        except MissingDependency as missing:
            ledger.outcomes[command.id] = waiting(command, missing.key)
        except RejectedError as error:
            missed.append((command, error))
    return plans, missed


async def load_moves(session: Session, company: CompanyCatalog, columns: tuple[str, ...], plans: Sequence[MovePlan]) -> LoadedRows:
    """Load the moves that are absent; the ids of all come back, whether new, draft or posted long ago."""
    table = LoadTable("account.move", columns, is_insert_only=True, context=quiet(session, company.context))
    return await load(session, table, [plan.row for plan in plans])


async def settle(
    ctx: Context,
    session: Session,
    company: CompanyCatalog,
    plans: Mapping[int, P],
    ledger: ChunkResults,
    mend: Mend[P] | None = None,
    compare: Compare[P] | None = None,
) -> set[int]:
    """Bring loaded moves to their end and return the ids of those that are posted as wished.

    Only drafts that say exactly what was wished, in an open period, are posted; other drafts are removed and their commands refused.
    Moves posted before (the command was sent again) are only compared.
    """
    with after_a_write():
        moves = await read_moves(session, list(plans), company.context)
        drafts = {move_id: plan for move_id, plan in plans.items() if move_id in moves and moves[move_id].state == "draft"}
        if mend is not None:
            moves = await mend(drafts, moves)
        wrong = await (compare(plans, moves) if compare is not None else _wrong_lines(session, company, plans, moves))
        barred = await _barred(ctx, session, company, drafts, moves, wrong)
        ready = [move_id for move_id in drafts if move_id not in barred]
        if ready:
            barred.update(await post(session, "account.move", ready, company.context, partition_of(plans[ready[0]].command)))
        kept = await remove_drafts(session, "account.move", barred, company.context)
        moves.update(await read_moves(session, [move_id for move_id in ready if move_id not in barred], company.context))
    for move_id, error in barred.items():
        if error.code == STALE and move_id not in kept:
            continue  # no outcome is an unknown one, and sending again creates it
        fate = with_fate(error, is_kept=move_id in kept, by_hand=is_edited(moves.get(move_id), error))
        ledger.refuse(plans[move_id].command, fate)
    return _judge({move_id: plan for move_id, plan in plans.items() if move_id not in barred}, moves, wrong, ledger)


async def _wrong_lines(
    session: Session, company: CompanyCatalog, plans: Mapping[int, P], moves: Mapping[int, Move]
) -> dict[int, RejectedError]:
    """Return the entries, drafts or posted before, whose lines are not those wished: one call for all, and before anything is posted."""
    wished = {move_id: plan.expected for move_id, plan in plans.items() if move_id in moves and plan.expected.lines is not None}
    items = await read_items(session, company, list(wished))
    found: dict[int, RejectedError | None] = {}
    for move_id, expected in wished.items():
        receivables = expected.receivables if moves[move_id].state == "posted" else ()
        found[move_id] = lines_difference(items[move_id], expected.lines or {}, company, receivables=receivables)
    return {move_id: error for move_id, error in found.items() if error is not None}


async def _barred(
    ctx: Context,
    session: Session,
    company: CompanyCatalog,
    drafts: Mapping[int, P],
    moves: Mapping[int, Move],
    wrong: Mapping[int, RejectedError],
) -> dict[int, RejectedError]:
    """Return the drafts that must not be posted, and why: other amounts, other lines (``wrong``), or a locked period."""
    locks = await company_locks(ctx, session, company.id) if drafts else None
    barred: dict[int, RejectedError] = {}
    for move_id, plan in drafts.items():
        expected = plan.expected
        error = amount_difference(moves[move_id], expected) or wrong.get(move_id)
        if error is None and locks is not None:
            kind = {"is_document": expected.is_document, "is_taxed": expected.is_taxed}
            error = locks.refusal(expected.accounting_on, **kind) or stale(locks, text(moves[move_id].date), **kind)
        if error is not None:
            barred[move_id] = error
    return barred


def is_edited(row: Move | Payment | None, error: RejectedError) -> bool:
    """Whether a draft says otherwise because somebody else than its maker wrote it last."""
    return row is not None and error.code == "odoo.amount_mismatch" and ref(row.write_uid) != ref(row.create_uid)


def with_fate(error: RejectedError, *, is_kept: bool, by_hand: bool = False) -> RejectedError:
    """Return the refusal of a draft with what became of the draft."""
    if by_hand and not is_kept:
        words = f"somebody edited the draft in Odoo: {error}. The draft was removed; retry is enough, it is made afresh"
        return RejectedError(words, code="odoo.draft_edited", case_class=error.case_class)
    fate = "Odoo did not let its draft be removed; delete it there" if is_kept else "nothing was posted and the draft was removed"
    return RejectedError(f"{error}; {fate}", code=error.code, case_class=error.case_class)


def _judge(plans: Mapping[int, P], moves: Mapping[int, Move], wrong: Mapping[int, RejectedError], ledger: ChunkResults) -> set[int]:
    good: set[int] = set()
    for move_id, plan in plans.items():
        move = moves.get(move_id)
        if move is None:  # deleted between two calls: no outcome is an unknown one, and sending again creates it
            continue
        error = posted_difference(move, plan.expected, wrong.get(move_id))
        if error is None:
            ledger.outcomes[plan.command.id] = done(plan.command, "account.move", move_id, text(move.name))
            good.add(move_id)
        else:
            ledger.refuse(plan.command, error, external_id=f"account.move/{move_id}", external_name=text(move.name))
    return good
