"""Reading documents as snapshots: moves and payments of the configured companies, with what is open, their lines and who wrote them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from counterfoil.connectors.odoo.catalog_read import find_company
from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.normalize import Capture, Snapshot
from counterfoil.connectors.odoo.wire import EntryItem, Ref, Text, WriteDate, ref, text
from counterfoil.core.language.ids import digest
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError

MODELS = ("account.move", "account.payment")
_STATE_KEY = "odoo.capture"


class MoveSnapshotRow(Struct, frozen=True):
    """A move as captured."""

    id: int
    state: str
    move_type: str
    name: Text
    date: Text
    currency_id: Ref
    partner_id: Ref
    amount_total: Decimal
    amount_residual: Decimal
    write_date: str
    write_uid: Ref


class PaymentSnapshotRow(Struct, frozen=True):
    """A payment as captured."""

    id: int
    state: str
    name: Text
    date: Text
    currency_id: Ref
    partner_id: Ref
    amount: Decimal
    move_id: Ref
    write_date: str
    write_uid: Ref


class WrittenRow(Struct, frozen=True):
    """When and by whom a payment's entry was written last: a change of its lines is a write of the entry, not of the payment."""

    id: int
    write_date: str
    write_uid: Ref


class UserRow(Struct, frozen=True):
    """A user of Odoo."""

    id: int
    name: str


class ResidualRow(Struct, frozen=True):
    """What is open on a receivable line."""

    move_id: Ref
    amount_residual_currency: Decimal


class CurrencyName(Struct, frozen=True):
    """A currency's code."""

    id: int
    name: str


class ExternalIdRow(Struct, frozen=True):
    """One of our external ids."""

    name: str
    res_id: int


class Scope(Struct, frozen=True):
    """What is captured: company ids, journals whose entries count, and whether external ids may be read."""

    companies: list[int]
    journals: list[int]
    currencies: dict[int, str]
    may_read_external_ids: bool
    users: dict[int, str]  # filled as they are met

    @property
    def context(self) -> dict[str, Any]:
        """The context of reads over all captured companies."""
        return {"allowed_company_ids": self.companies} if self.companies else {}


@dataclass(frozen=True, slots=True)
class _Around:
    """What belongs to the documents of one page: external keys by document, digests of lines and writes by move, open by move."""

    keys: Mapping[int, str]
    lines: Mapping[int, str]
    written: Mapping[int, WrittenRow] = field(default_factory=dict)
    open_now: Mapping[int, Decimal] = field(default_factory=dict)


async def scope_of(ctx: Context, session: Session) -> Scope:
    """Return what is captured, found once per process."""
    known = ctx.state.get(_STATE_KEY)
    if isinstance(known, Scope):
        return known
    companies = [(await find_company(session, entity)).id for entity in session.settings.companies]
    codes = sorted({code for config in session.settings.companies.values() for code in config.journals.values()})
    domain = [["company_id", "in", companies], ["code", "in", codes]]
    journals = await session.client.call("account.journal", "search", domain=domain, context={"allowed_company_ids": companies})
    names = await session.client.read("res.currency", [], CurrencyName, context={"active_test": False})
    found = Scope(companies, journals, {row.id: row.name for row in names}, await _may_read_external_ids(session), {})
    ctx.state[_STATE_KEY] = found
    return found


async def _may_read_external_ids(session: Session) -> bool:
    """Whether ir.model.data may be read: users with invoicing rights alone may not."""
    try:
        await session.client.call("ir.model.data", "search", domain=[["id", "=", 0]], limit=1)
    except SetupError as error:
        if error.code == "odoo.forbidden":
            return False
        raise
    return True


def domain_of(model: str, session: Session, scope: Scope) -> list[Any]:
    """Return the domain of captured documents: customer documents, entries of the configured journals, customer payments."""
    companies: list[Any] = [["company_id", "in", scope.companies]]
    if model == "account.payment":
        return [*companies, ["partner_type", "=", "customer"]]
    documents = ["move_type", "in", ["out_invoice", "out_refund"]]
    entry = ["&", "&", ["move_type", "=", "entry"], ["journal_id", "in", scope.journals], [session.dialect.move_payment, "=", False]]
    return [*companies, "|", documents, *entry]


async def newest_of(session: Session, scope: Scope, model: str) -> str:
    """Return the newest write_date of a model's captured documents, to the second; empty if there are none. Payments' entries count."""
    domains = [(model, domain_of(model, session, scope))]
    if model == "account.payment":
        domains.append(("account.move", [["company_id", "in", scope.companies], [session.dialect.move_payment, "!=", False]]))
    found = ""
    for where, domain in domains:
        rows = await session.client.read(where, domain, WriteDate, context=scope.context, limit=1, order="write_date desc, id desc")
        found = max(found, rows[0].write_date[:19] if rows else "")
    return found


def written_between(model: str, since: str, until: str) -> list[Any]:
    """Return the domain of what was written in a window (bounds inclusive, whole seconds); a payment also if its entry was."""
    last = f"{until}.999999"
    itself: list[Any] = ["&", ["write_date", ">=", since], ["write_date", "<=", last]]
    if model == "account.move":
        return itself
    return ["|", *itself, "&", ["move_id.write_date", ">=", since], ["move_id.write_date", "<=", last]]


async def read_page(session: Session, scope: Scope, model: str, domain: Sequence[Any], connection: str) -> list[Capture]:
    """Return one page of documents in the order of their ids, at most ``capture_page_size``."""
    size = session.settings.capture_page_size
    if model == "account.payment":
        payments = await session.client.read(model, domain, PaymentSnapshotRow, context=scope.context, limit=size, order="id asc")
        entries = sorted({ref(row.move_id) for row in payments if ref(row.move_id)})
        around = _Around(
            await _external_keys(session, scope, model, [row.id for row in payments]),
            await _digests(session, scope, entries),
            await _written(session, scope, entries),
            await _residuals(session, scope, entries),
        )
        await _meet_users(session, scope, [*payments, *around.written.values()])
        return [_of_payment(row, connection, scope, around) for row in payments]
    moves = await session.client.read(model, domain, MoveSnapshotRow, context=scope.context, limit=size, order="id asc")
    ids = [row.id for row in moves]
    around = _Around(await _external_keys(session, scope, model, ids), await _digests(session, scope, ids))
    await _meet_users(session, scope, moves)
    return [_of_move(row, connection, scope, around) for row in moves]


def _of_move(row: MoveSnapshotRow, connection: str, scope: Scope, around: _Around) -> Capture:
    is_entry = row.move_type == "entry"
    snapshot = Snapshot(
        connection=connection,
        model="account.move",
        id=row.id,
        kind=row.move_type,
        state=row.state,
        number=_number(row.name),
        currency=scope.currencies.get(ref(row.currency_id), ""),
        total=format(row.amount_total, "f"),
        residual="0" if is_entry else format(row.amount_residual, "f"),
        date=text(row.date),
        external_key=around.keys.get(row.id, ""),
        partner=ref(row.partner_id),
        lines=around.lines.get(row.id, ""),
        changed_by=scope.users.get(ref(row.write_uid), ""),
    )
    return Capture(snapshot, row.write_date)


def _of_payment(row: PaymentSnapshotRow, connection: str, scope: Scope, around: _Around) -> Capture:
    entry = ref(row.move_id)
    written = around.written.get(entry)
    by_entry = written is not None and written.write_date > row.write_date
    snapshot = Snapshot(
        connection=connection,
        model="account.payment",
        id=row.id,
        kind="payment",
        state=row.state,
        number=_number(row.name),
        currency=scope.currencies.get(ref(row.currency_id), ""),
        total=format(row.amount, "f"),
        residual=format(abs(around.open_now.get(entry, Decimal(0))), "f"),
        date=text(row.date),
        external_key=around.keys.get(row.id, ""),
        partner=ref(row.partner_id),
        lines=around.lines.get(entry, ""),
        changed_by=scope.users.get(ref(written.write_uid if written is not None and by_entry else row.write_uid), ""),
    )
    return Capture(snapshot, written.write_date if written is not None and by_entry else row.write_date)


def _number(name: Text) -> str:
    """Return a document's number; 17 shows ``/`` for none."""
    return "" if text(name) == "/" else text(name)


async def _digests(session: Session, scope: Scope, move_ids: Sequence[int]) -> dict[int, str]:
    """Return by entry what stands for its lines: where they are booked and how much, in whatever order and cut they are kept."""
    if not move_ids:
        return {}
    rows = await session.client.read("account.move.line", [["move_id", "in", list(move_ids)]], EntryItem, context=scope.context)
    of_move: dict[int, list[tuple[int, int, int, str, str]]] = {}
    for row in rows:
        if ref(row.account_id):  # notes and sections are no lines
            amounts = format(row.balance.normalize(), "f"), format(row.amount_currency.normalize(), "f")
            of_move.setdefault(ref(row.move_id), []).append((ref(row.account_id), ref(row.partner_id), ref(row.currency_id), *amounts))
    return {move_id: digest(msgspec.json.encode(sorted(lines)).decode()) for move_id, lines in of_move.items()}


async def _written(session: Session, scope: Scope, move_ids: Sequence[int]) -> dict[int, WrittenRow]:
    if not move_ids:
        return {}
    rows = await session.client.read("account.move", [["id", "in", list(move_ids)]], WrittenRow, context=scope.context)
    return {row.id: row for row in rows}


async def _meet_users(session: Session, scope: Scope, rows: Sequence[MoveSnapshotRow | PaymentSnapshotRow | WrittenRow]) -> None:
    """Learn the names of the users who wrote the rows; a name that may not be read stays empty."""
    unmet = sorted({ref(row.write_uid) for row in rows if ref(row.write_uid)} - scope.users.keys())
    if not unmet:
        return
    context = {"active_test": False}
    try:
        found = await session.client.read("res.users", [["id", "in", unmet]], UserRow, context=context)
    except SetupError as error:
        if error.code != "odoo.forbidden":
            raise
        found = []
    scope.users.update(dict.fromkeys(unmet, "") | {row.id: row.name for row in found})


async def _residuals(session: Session, scope: Scope, move_ids: Sequence[int]) -> dict[int, Decimal]:
    """Return what is open on the receivable lines of payments' entries, by entry."""
    if not move_ids:
        return {}
    wanted = list(move_ids)
    domain = [["move_id", "in", wanted], ["account_id.account_type", "=", "asset_receivable"], ["parent_state", "=", "posted"]]
    rows = await session.client.read("account.move.line", domain, ResidualRow, context=scope.context)
    found: dict[int, Decimal] = {}
    for row in rows:
        found[ref(row.move_id)] = found.get(ref(row.move_id), Decimal(0)) + row.amount_residual_currency
    return found


async def _external_keys(session: Session, scope: Scope, model: str, ids: Sequence[int]) -> dict[int, str]:
    """Return our external keys of records; none where the user may not read them (the hub then knows them by its own bindings)."""
    if not scope.may_read_external_ids or not ids:
        return {}
    domain = [["model", "=", model], ["module", "=", session.settings.namespace], ["res_id", "in", list(ids)]]
    rows = await session.client.read("ir.model.data", domain, ExternalIdRow)
    return {row.res_id: row.name for row in rows}
