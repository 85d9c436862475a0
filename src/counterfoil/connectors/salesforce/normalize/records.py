"""Records as Salesforce has them -> canonical ones. Pure; what cannot be read raises RejectedError."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit

from counterfoil.connectors.salesforce.config import SalesforceConfig
from counterfoil.connectors.salesforce.refs import canonical, is_id
from counterfoil.connectors.salesforce.wire import Found, Row
from counterfoil.core.kinds.company import COMPANY, Company, CompanyState
from counterfoil.core.kinds.contact import CONTACT, Contact, ContactState
from counterfoil.core.kinds.deal import DEAL, Deal, DealLine, DealState
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.money import Money, Rounding, from_major
from counterfoil.core.language.records import Record
from counterfoil.kit.errors import RejectedError

DIGITS_MAX = 18
"""Digits before the point, and decimals, of a number that is taken."""
ID_MAX = 255
"""Longest id of another system, and longest name of a host, that is taken."""
_HOST = re.compile(r"[\w-]+(\.[\w-]+)+")


def record_of(settings: SalesforceConfig, kind: str, found: Found) -> Record:
    """Return the record of a kind. Raises RejectedError."""
    row = found.object
    if is_true(row, "IsDeleted") and is_id(_text(row, "MasterRecordId")) and kind != DEAL.name:
        return _merged(settings, kind, found)
    return _READERS[kind](settings, found)


def tombstone(kind: str, id: str, merged_into: str = "") -> Record:
    """Return a record of which no more is known than that it is gone, or merged into another."""
    match kind:
        case COMPANY.name:
            return Company(id, "", CompanyState.MERGED if merged_into else CompanyState.DELETED, merged_into=merged_into)
        case CONTACT.name:
            return Contact(id, "", ContactState.MERGED if merged_into else ContactState.DELETED, merged_into=merged_into)
        case _:
            return Deal(id, "", DealState.DELETED)


def is_true(row: Row, name: str) -> bool:
    """Tell whether a flag is set."""
    return row.get(name, "").lower() == "true"


def _merged(settings: SalesforceConfig, kind: str, found: Found) -> Record:
    """Return a record that was merged into another: it names that, and keeps no person's name or address."""
    row = found.object
    return tombstone(kind, canonical(settings.org_id, row["Id"]), canonical(settings.org_id, _text(row, "MasterRecordId")))


def _company(settings: SalesforceConfig, found: Found) -> Company:
    row = found.object
    return Company(
        canonical(settings.org_id, row["Id"]),
        _text(row, "Name"),
        CompanyState.DELETED if is_true(row, "IsDeleted") else CompanyState.PRESENT,
        domain_of(_text(row, "Website")),
        _text(row, "Phone"),
        _text(row, "BillingCountryCode") or _text(row, "BillingCountry"),
        customer_ids=_customers(settings, row),
        parent_id=next(iter(_others(settings, (_text(row, "ParentId"),))), ""),
    )


def domain_of(website: str) -> str:
    """Return the host of a web address as somebody typed it, without ``www.``; empty if it is none."""
    try:
        host = urlsplit(website if "//" in website else f"//{website}").hostname or ""
    except ValueError:
        return ""
    host = host.lower().removeprefix("www.").rstrip(".")
    return host if len(host) <= ID_MAX and _HOST.fullmatch(host) else ""


def _customers(settings: SalesforceConfig, row: Row) -> tuple[str, ...]:
    """Return the customers of other systems that an account is, by canonical id."""
    return tuple(dict.fromkeys(f"{system}:{id}" for system, id in _named(settings.customer_ids, row)))


def _billed_as(settings: SalesforceConfig, row: Row) -> tuple[str, ...]:
    """Return the invoices and subscriptions of other systems that came of an opportunity, by kind and canonical id."""
    named = [(document.partition("/"), id) for document, id in _named(settings.deal_documents, row)]
    return tuple(dict.fromkeys(f"{kind}/{system}:{id}" for (system, _, kind), id in named))


def _named(fields: Mapping[str, str], row: Row) -> Iterator[tuple[str, str]]:
    """Yield what the ids in some fields are of, with each id; one that cannot be an id is passed over."""
    for name, of in fields.items():
        for text in _text(row, name).split(";"):
            id = text.strip()
            if id and len(id) <= ID_MAX and not any(map(str.isspace, id)):
                yield of, id


def _contact(settings: SalesforceConfig, found: Found) -> Contact:
    row = found.object
    return Contact(
        canonical(settings.org_id, row["Id"]),
        _text(row, "Name"),
        ContactState.DELETED if is_true(row, "IsDeleted") else ContactState.PRESENT,
        _text(row, "Email"),
        _text(row, "Phone"),
        _others(settings, (_text(row, "AccountId"),)),
    )


def _deal(settings: SalesforceConfig, found: Found) -> Deal:
    row = found.object
    currency = _text(row, "CurrencyIsoCode").upper() or settings.currency
    return Deal(
        canonical(settings.org_id, row["Id"]),
        _text(row, "Name"),
        _state(row),
        _amount(row, currency),
        currency,
        _text(row, "RecordTypeId"),
        _text(row, "StageName"),
        _day(row, "CloseDate"),
        _others(settings, (_text(row, "AccountId"),)),
        _others(settings, (_text(one, "ContactId") for one in _in_order(found.contacts))),
        tuple(_line(settings, line) for line in sorted(found.lines, key=lambda line: line.get("Id", ""))),
        billed_as=_billed_as(settings, row),
    )


_READERS: dict[str, Callable[[SalesforceConfig, Found], Record]] = {COMPANY.name: _company, CONTACT.name: _contact, DEAL.name: _deal}


def _state(row: Row) -> DealState:
    """Return how an opportunity stands: an org names its stages itself, and says of each whether it is closed, and won."""
    if is_true(row, "IsDeleted"):
        return DealState.DELETED
    if is_true(row, "IsWon"):
        return DealState.WON
    return DealState.LOST if is_true(row, "IsClosed") else DealState.OPEN


def _in_order(roles: Iterable[Row]) -> list[Row]:
    """Return contact roles, the primary one first."""
    return sorted(roles, key=lambda role: (not is_true(role, "IsPrimary"), role.get("Id", "")))


def _line(settings: SalesforceConfig, row: Row) -> DealLine:
    product_id = _text(row, "Product2Id")
    return DealLine(
        canonical(settings.org_id, _id(row)),
        _text(row, "Product2.Name"),
        _number(row, "Quantity") or Decimal(0),
        _number(row, "UnitPrice") or Decimal(0),
        canonical(settings.org_id, product_id) if is_id(product_id) else "",
        _text(row, "ProductCode"),
        "",
        _day(row, "ServiceDate"),
    )


def _id(row: Row) -> str:
    id = row.get("Id", "")
    if not is_id(id):
        raise RejectedError("a line item has no id", code="salesforce.payload_invalid", case_class=CaseClass.SCHEMA_DRIFT)
    return id


def _others(settings: SalesforceConfig, ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(canonical(settings.org_id, id) for id in ids if is_id(id)))


def _text(row: Row, name: str) -> str:
    return row.get(name, "").strip()


def _amount(row: Row, currency: str) -> Money | None:
    """Return an opportunity's amount in its own currency, as it is entered: rates, dated or not, have no part in it.

    What is finer than its currency is rounded half to even: an opportunity is no document.
    """
    value = _number(row, "Amount")
    if value is None:
        return None
    try:
        return from_major(value, currency, Rounding.HALF_EVEN)
    except ValueError as error:
        raise _unreadable(row, "CurrencyIsoCode", "is no currency code", code="salesforce.currency_invalid") from error


def _number(row: Row, name: str) -> Decimal | None:
    """Return a number, plain: large ones are written with an exponent. None: none is given."""
    text = _text(row, name)
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise _unreadable(row, name, "is no number", code="salesforce.number_invalid") from error
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -DIGITS_MAX or (value and value.adjusted() >= DIGITS_MAX) or exponent > DIGITS_MAX:
        raise _unreadable(row, name, "is no reasonable number", code="salesforce.number_invalid")
    return Decimal(format(value, "f"))


def _day(row: Row, name: str) -> date | None:
    text = _text(row, name)
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise _unreadable(row, name, "is no day", code="salesforce.time_invalid") from error


def _unreadable(row: Row, name: str, words: str, *, code: str) -> RejectedError:
    return RejectedError(f"record {row.get('Id', '')[:18]}: {name} {words}", code=code, cause=f"{name} {words}")
