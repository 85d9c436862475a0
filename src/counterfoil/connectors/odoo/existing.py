"""The partners an Odoo holds, whoever made them, as customers: what a hub that comes later adopts. Read only; see ``naming.py``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from msgspec import Struct

from counterfoil.connectors.odoo.amounts import from_number
from counterfoil.connectors.odoo.catalog_read import find_company
from counterfoil.connectors.odoo.detect import Session, connect
from counterfoil.connectors.odoo.existing_documents import documents_of, ids_of, page_of_documents
from counterfoil.connectors.odoo.naming import listed_of, name_records
from counterfoil.connectors.odoo.partner_rows import VAT, PartnerRow, PartnerWords, vat_of
from counterfoil.connectors.odoo.places import places
from counterfoil.connectors.odoo.wire import Ref, Text, ref, text
from counterfoil.core.identity.adopted_documents import ExistingDocument
from counterfoil.core.identity.adoption import ExistingRecord
from counterfoil.core.kinds.customer import Address, Customer, TaxId
from counterfoil.core.language.money import Money
from counterfoil.kit.context import Context
from counterfoil.kit.holdings import ExistingPage, Holding

MODEL = "res.partner"
PAGE_SIZE = 1000
LINES_PAGE_SIZE = 5000
_ALL = {"active_test": False}
_STANDS_FOR_SOMEBODY = ["|", ["parent_id", "=", False], ["type", "=", "contact"]]
"""Without the invoice and delivery addresses of companies, which nobody bills by themselves."""


class _ExistingPartner(PartnerRow, frozen=True):
    """A partner with what stands in the way of binding it."""

    active: bool
    company_id: Ref


class _Named(Struct, frozen=True):
    """A partner's, company's or currency's name."""

    id: int
    name: Text


class _OwnCompany(Struct, frozen=True):
    """One of our companies with its own partner."""

    id: int
    name: str
    partner_id: Ref


class _OpenReceivable(Struct, frozen=True):
    """A posted receivable line that is not settled."""

    id: int
    partner_id: Ref
    currency_id: Ref
    amount_residual_currency: Decimal


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What a partner's fields refer to; ``kept``: the companies the hub keeps books in."""

    words: PartnerWords
    companies: Mapping[int, _OwnCompany]
    kept: frozenset[int]
    currencies: Mapping[int, str]

    def country(self, id: int) -> str:
        """Return a country's code, empty if it has none."""
        return next((code for code, one in self.words.countries.items() if one == id), "")

    def state(self, id: int) -> str:
        """Return a state by the shortest of its words, which is its code."""
        found = sorted((word for (_, word), one in self.words.states.items() if one == id), key=len)
        return found[0].upper() if found else ""


class OdooExisting:
    """Odoo as a place that held customers and documents before the hub."""

    async def existing(self, ctx: Context, what: Holding, cursor: str) -> ExistingPage:
        """Return the partners after ``cursor`` (the id of the last one seen), archived ones too; or the documents."""
        session = await connect(ctx)
        if what is Holding.DOCUMENTS:
            return await page_of_documents(session, cursor)
        domain = [["id", ">", int(cursor or "0")], *_STANDS_FOR_SOMEBODY]
        rows = await session.client.read(MODEL, domain, _ExistingPartner, context=_ALL, limit=PAGE_SIZE, order="id asc")
        records = await _records(ctx, session, rows)
        return ExistingPage(records, str(rows[-1].id) if rows else cursor, has_more=len(rows) == PAGE_SIZE)

    def written(self, customer: Customer) -> Customer:
        """Return a customer with the one tax id that a partner takes."""
        vat = vat_of(customer)
        return replace(customer, tax_ids=(TaxId(VAT, vat),) if vat else ())

    async def look_at(self, ctx: Context, external_ids: Sequence[str]) -> tuple[ExistingRecord | ExistingDocument, ...]:
        """Return some partners and documents as they are now."""
        session = await connect(ctx)
        documents = await documents_of(session, set(external_ids))
        ids = ids_of(external_ids, MODEL)
        if not ids:
            return documents
        rows = await session.client.read(MODEL, [["id", "in", ids], *_STANDS_FOR_SOMEBODY], _ExistingPartner, context=_ALL)
        return (*await _records(ctx, session, rows), *documents)

    async def adopt(self, ctx: Context, names: Mapping[str, str]) -> Mapping[str, str]:
        """Give partners and documents our external ids."""
        session = await connect(ctx)
        by_model: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for key, external_id in names.items():
            by_model[external_id.partition("/")[0]][key] = external_id
        return {key: one for model, some in by_model.items() for key, one in (await name_records(session, model, some)).items()}


async def _records(ctx: Context, session: Session, rows: Sequence[_ExistingPartner]) -> tuple[ExistingRecord, ...]:
    if not rows:
        return ()
    around = await _surroundings(ctx, session)
    ids = [row.id for row in rows]
    keys: defaultdict[int, list[str]] = defaultdict(list)
    for one in await listed_of(session, MODEL, ids):
        keys[one.res_id].append(one.name)
    open_money = await _open(session, around, ids)
    parents = sorted({ref(row.parent_id) for row in rows} - {0})
    names = {one.id: text(one.name) for one in await session.client.read(MODEL, [["id", "in", parents]], _Named, context=_ALL)}
    return tuple(_record(row, around, keys[row.id], open_money.get(row.id, {}), names) for row in rows)


async def _surroundings(ctx: Context, session: Session) -> _Surroundings:
    """Return what partners refer to. Read for each page: a person may change it between a plan and what is done by it."""
    companies = await session.client.read("res.company", [], _OwnCompany)
    currencies = await session.client.read("res.currency", [], _Named, context=_ALL)
    kept = frozenset([(await find_company(session, entity)).id for entity in session.settings.companies])
    by_id = {one.id: one for one in companies}
    return _Surroundings(await places(ctx, session), by_id, kept, {one.id: text(one.name) for one in currencies})


async def _open(session: Session, around: _Surroundings, ids: Sequence[int]) -> dict[int, dict[str, Decimal]]:
    """Return what is to be paid of partners in the companies the hub keeps books in, by currency, in major units."""
    found: defaultdict[int, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    domain: list[Any] = [
        ["partner_id", "in", list(ids)],
        ["account_id.account_type", "=", "asset_receivable"],
        ["parent_state", "=", "posted"],
        ["reconciled", "=", False],
        ["company_id", "in", sorted(around.kept)],
    ]
    context = {"allowed_company_ids": sorted(around.kept)}
    after = 0
    while around.kept:
        page = [["id", ">", after], *domain]
        rows = await session.client.read("account.move.line", page, _OpenReceivable, context=context, limit=LINES_PAGE_SIZE, order="id asc")
        for row in rows:
            found[ref(row.partner_id)][around.currencies.get(ref(row.currency_id), "")] += row.amount_residual_currency
        if len(rows) < LINES_PAGE_SIZE:
            break
        after = rows[-1].id
    return found


def _record(
    row: _ExistingPartner, around: _Surroundings, keys: Sequence[str], open_money: Mapping[str, Decimal], names: Mapping[int, str]
) -> ExistingRecord:
    parent = ref(row.parent_id)
    return ExistingRecord(
        external_id=f"{MODEL}/{row.id}",
        customer=_customer(row, around),
        reference=text(row.ref),
        keys=tuple(sorted(keys)),
        part_of=f"{MODEL}/{parent}" if parent else "",
        open=tuple(Money(0, currency) + from_number(amount, currency) for currency, amount in sorted(open_money.items()) if amount),
        doubts=tuple(_doubts(row, around, names.get(parent, ""))),
        barred=_barred(row, around),
        keeps=frozenset({"tax id"} if row.is_linked else ()) | frozenset({"address"} if row.has_address_of_another else ()),
    )


def _doubts(row: _ExistingPartner, around: _Surroundings, parent: str) -> Iterator[str]:
    if not row.active:
        yield "it is archived: unarchive it, or answer yes to have it billed as it is"
    if ref(row.parent_id):
        yield f"it is a contact of {parent!r} (partner {ref(row.parent_id)}): the company may be the customer"
    own = ref(row.company_id)
    if own in around.kept and len(around.kept) > 1:
        yield f"only the company {around.companies[own].name!r} may use it: the customer's bills of other companies would be refused"


def _barred(row: _ExistingPartner, around: _Surroundings) -> str:
    """Return why a partner cannot be a customer of the hub's companies at all."""
    own = ref(row.company_id)
    if own and own not in around.kept:
        name = around.companies[own].name if own in around.companies else str(own)
        return f"only the company {name!r} may use it, in which the hub keeps no books"
    ours = next((one.name for one in around.companies.values() if ref(one.partner_id) == row.id), "")
    return f"it is the company {ours!r} itself" if ours else ""


def _customer(row: _ExistingPartner, around: _Surroundings) -> Customer:
    vat = text(row.vat)
    return Customer(
        id=f"{MODEL}/{row.id}",
        name=text(row.name),
        email=text(row.email),
        phone=text(row.phone),
        address=Address(
            text(row.street),
            text(row.street2),
            text(row.city),
            around.state(ref(row.state_id)),
            text(row.zip),
            around.country(ref(row.country_id)),
        ),
        tax_ids=(TaxId(VAT, vat),) if vat else (),
        is_business=row.is_company,
        locale=text(row.lang),
    )
