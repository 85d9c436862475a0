"""Reading documents as snapshots: moves and payments of the configured companies, with residuals and our external keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct

from counterfoil.connectors.odoo.catalog_read import find_company
from counterfoil.connectors.odoo.detect import Session
from counterfoil.connectors.odoo.normalize import Capture, Snapshot
from counterfoil.connectors.odoo.wire import Ref, Text, ref, text
from counterfoil.kit.connector import Context
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
    amount_total: Decimal
    amount_residual: Decimal
    write_date: str


class PaymentSnapshotRow(Struct, frozen=True):
    """A payment as captured."""

    id: int
    state: str
    name: Text
    date: Text
    currency_id: Ref
    amount: Decimal
    move_id: Ref
    write_date: str


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

    @property
    def context(self) -> dict[str, Any]:
        """The context of reads over all captured companies."""
        return {"allowed_company_ids": self.companies} if self.companies else {}


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
    found = Scope(companies, journals, {row.id: row.name for row in names}, await _may_read_external_ids(session))
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


async def read_page(session: Session, scope: Scope, model: str, domain: Sequence[Any], connection: str) -> list[Capture]:
    """Return one page of documents in the order of their ids, at most ``capture_page_size``."""
    size = session.settings.capture_page_size
    if model == "account.payment":
        payments = await session.client.read(model, domain, PaymentSnapshotRow, context=scope.context, limit=size, order="id asc")
        open_now = await _residuals(session, scope, [ref(row.move_id) for row in payments])
        keys = await _external_keys(session, scope, model, [row.id for row in payments])
        return [_of_payment(row, connection, scope, open_now, keys) for row in payments]
    moves = await session.client.read(model, domain, MoveSnapshotRow, context=scope.context, limit=size, order="id asc")
    keys = await _external_keys(session, scope, model, [row.id for row in moves])
    return [_of_move(row, connection, scope, keys) for row in moves]


def _of_move(row: MoveSnapshotRow, connection: str, scope: Scope, keys: Mapping[int, str]) -> Capture:
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
        external_key=keys.get(row.id, ""),
    )
    return Capture(snapshot, row.write_date)


def _of_payment(
    row: PaymentSnapshotRow, connection: str, scope: Scope, open_now: Mapping[int, Decimal], keys: Mapping[int, str]
) -> Capture:
    snapshot = Snapshot(
        connection=connection,
        model="account.payment",
        id=row.id,
        kind="payment",
        state=row.state,
        number=_number(row.name),
        currency=scope.currencies.get(ref(row.currency_id), ""),
        total=format(row.amount, "f"),
        residual=format(abs(open_now.get(ref(row.move_id), Decimal(0))), "f"),
        date=text(row.date),
        external_key=keys.get(row.id, ""),
    )
    return Capture(snapshot, row.write_date)


def _number(name: Text) -> str:
    """Return a document's number; 17 shows ``/`` for none."""
    return "" if text(name) == "/" else text(name)


async def _residuals(session: Session, scope: Scope, move_ids: Sequence[int]) -> dict[int, Decimal]:
    """Return what is open on the receivable lines of payments' entries, by entry."""
    wanted = sorted({move_id for move_id in move_ids if move_id})
    if not wanted:
        return {}
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
