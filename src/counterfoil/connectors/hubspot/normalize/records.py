"""Records as HubSpot has them -> canonical ones. Pure; what cannot be read raises RejectedError."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from counterfoil.connectors.hubspot.config import HubspotConfig
from counterfoil.connectors.hubspot.refs import canonical, is_id
from counterfoil.connectors.hubspot.wire import Found, Row
from counterfoil.core.kinds.company import COMPANY, Company, CompanyState
from counterfoil.core.kinds.contact import CONTACT, Contact, ContactState
from counterfoil.core.kinds.deal import DEAL, Deal, DealLine, DealState
from counterfoil.core.kinds.quote import QUOTE, Quote, QuoteLine, QuoteState
from counterfoil.core.language.money import Money, Rounding, from_major
from counterfoil.core.language.records import Record
from counterfoil.kit.errors import DriftError, RejectedError

DIGITS_MAX = 15
"""Digits before the point, and decimals, of a number that is taken."""
_PERIODS = {
    "weekly": "P1W",
    "biweekly": "P2W",
    "monthly": "P1M",
    "quarterly": "P3M",
    "per_six_months": "P6M",
    "annually": "P1Y",
    "per_two_years": "P2Y",
    "per_three_years": "P3Y",
    "per_four_years": "P4Y",
    "per_five_years": "P5Y",
}
"""``recurringbillingfrequency``: https://developers.hubspot.com/docs/api-reference/latest/crm/objects/line-items/guide."""
_QUOTE_STATES = {
    "": QuoteState.DRAFT,
    "DRAFT": QuoteState.DRAFT,
    "PENDING_APPROVAL": QuoteState.SUBMITTED,
    "APPROVED": QuoteState.APPROVED,
    "APPROVAL_NOT_NEEDED": QuoteState.APPROVED,
    "REJECTED": QuoteState.REJECTED,
}
"""``hs_status``: https://developers.hubspot.com/docs/api-reference/latest/crm/objects/quotes/guide; none before it is saved."""
ID_MAX = 255
"""Longest id of another system that is taken."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MILLISECONDS = re.compile(r"-?\d{1,15}")


def record_of(settings: HubspotConfig, kind: str, found: Found) -> Record:
    """Return the record of a kind. Raises RejectedError."""
    return _READERS[kind](settings, found)


def tombstone(kind: str, id: str, merged_into: str = "") -> Record:
    """Return a record of which no more is known than that it is deleted, or merged into another."""
    match kind:
        case COMPANY.name:
            return Company(id, "", CompanyState.MERGED if merged_into else CompanyState.DELETED, merged_into=merged_into)
        case CONTACT.name:
            return Contact(id, "", ContactState.MERGED if merged_into else ContactState.DELETED, merged_into=merged_into)
        case QUOTE.name:
            return Quote(id, "", QuoteState.DELETED)
        case _:
            return Deal(id, "", DealState.MERGED if merged_into else DealState.DELETED, merged_into=merged_into)


def merged_into_it(row: Row) -> tuple[str, ...]:
    """Return the ids of the records that were merged into one."""
    named = _text(row, "hs_merged_object_ids").split(";")
    return tuple(dict.fromkeys(id for one in named if is_id(id := one.strip()) and id != row.id))


def _company(settings: HubspotConfig, found: Found) -> Company:
    row = found.object
    return Company(
        canonical(settings.portal_id, row.id),
        _text(row, "name"),
        CompanyState.DELETED if row.archived else CompanyState.PRESENT,
        _text(row, "domain"),
        _text(row, "phone"),
        _text(row, "country"),
        customer_ids=_customers(settings, row),
    )


def _customers(settings: HubspotConfig, row: Row) -> tuple[str, ...]:
    """Return the customers of other systems that a company is, by canonical id."""
    return tuple(dict.fromkeys(f"{system}:{id}" for system, id in _named(settings.customer_ids, row)))


def _billed_as(settings: HubspotConfig, row: Row) -> tuple[str, ...]:
    """Return the invoices and subscriptions of other systems that came of a deal, by kind and canonical id."""
    named = [(document.partition("/"), id) for document, id in _named(settings.deal_documents, row)]
    return tuple(dict.fromkeys(f"{kind}/{system}:{id}" for (system, _, kind), id in named))


def _named(properties: Mapping[str, str], row: Row) -> Iterator[tuple[str, str]]:
    """Yield what the ids in some properties are of, with each id; one that cannot be an id is passed over."""
    for name, of in properties.items():
        for text in _text(row, name).split(";"):
            id = text.strip()
            if id and len(id) <= ID_MAX and not any(map(str.isspace, id)):
                yield of, id


def _contact(settings: HubspotConfig, found: Found) -> Contact:
    row = found.object
    return Contact(
        canonical(settings.portal_id, row.id),
        " ".join(part for part in (_text(row, "firstname"), _text(row, "lastname")) if part),
        ContactState.DELETED if row.archived else ContactState.PRESENT,
        _text(row, "email"),
        _text(row, "phone"),
        _others(settings, found.companies),
    )


def _deal(settings: HubspotConfig, found: Found) -> Deal:
    row = found.object
    currency = _text(row, "deal_currency_code").upper() or settings.currency
    return Deal(
        canonical(settings.portal_id, row.id),
        _text(row, "dealname"),
        _state(row),
        _amount(row, currency, "amount"),
        currency,
        _text(row, "pipeline"),
        _text(row, "dealstage"),
        _day(row, "closedate"),
        _others(settings, found.companies),
        _others(settings, found.contacts),
        tuple(_line(settings, line) for line in sorted(found.line_items, key=lambda line: (len(line.id), line.id))),
        billed_as=_billed_as(settings, row),
        buying_company_ids=_others(settings, _buying(settings, found)),
    )


def _buying(settings: HubspotConfig, found: Found) -> tuple[str, ...]:
    """Return which companies of a deal are its customer: those with the first label that any has; if none has one, all of them.

    Nothing where no labels are declared, or there is no company.
    """
    for label in settings.customer_labels:
        wanted = label.strip().casefold()
        marked = tuple(id for id in found.companies if wanted in (one.casefold() for one in found.labels.get(id, ())))
        if marked:
            return marked
    return found.companies if settings.customer_labels else ()


def _quote(settings: HubspotConfig, found: Found) -> Quote:
    row = found.object
    currency = _text(row, "hs_currency").upper() or settings.currency
    state = _quote_state(row)
    return Quote(
        canonical(settings.portal_id, row.id),
        _text(row, "hs_title"),
        state,
        _text(row, "hs_quote_number"),
        _amount(row, currency, "hs_quote_amount"),
        currency,
        _day(row, "hs_expiration_date"),
        (_day(row, "hs_esign_date") or _day(row, "hs_payment_date")) if state is QuoteState.ACCEPTED else None,
        _others(settings, found.deals),
        _others(settings, found.companies),
        _others(settings, found.contacts),
        tuple(_quote_line(settings, line) for line in sorted(found.line_items, key=lambda line: (len(line.id), line.id))),
    )


def _quote_state(row: Row) -> QuoteState:
    """Return how far a quote has come: accepted once it is signed by all who must, or paid, whatever its status stays at.

    Raises DriftError for a status that no table knows: on what is not approved nothing may be sold.
    """
    if row.archived:
        return QuoteState.DELETED
    if _is_signed(row) or _text(row, "hs_payment_status").upper() == "PAID":
        return QuoteState.ACCEPTED
    status = _text(row, "hs_status").upper()
    if status not in _QUOTE_STATES:
        message = f"record {row.id[:20]}: no table knows the quote status {status[:40]!r}"
        raise DriftError(message, code="hubspot.quote_status", drift_key=f"quote_status/{status[:40]}")
    return _QUOTE_STATES[status]


def _is_signed(row: Row) -> bool:
    if _text(row, "hs_manually_signed") == "true":
        return True
    required = _number(row, "hs_esign_num_signers_required") or Decimal(0)
    completed = _number(row, "hs_esign_num_signers_completed") or Decimal(0)
    return _text(row, "hs_esign_enabled") == "true" and required > 0 and completed >= required


def _quote_line(settings: HubspotConfig, row: Row) -> QuoteLine:
    line = _line(settings, row)
    return QuoteLine(
        id=line.id,
        name=line.name,
        quantity=line.quantity,
        unit_price=line.unit_price,
        net_amount=_number(row, "amount"),
        product_id=line.product_id,
        sku=line.sku,
        billing_period=line.billing_period,
        starts_on=line.starts_on,
    )


_READERS: dict[str, Callable[[HubspotConfig, Found], Record]] = {
    COMPANY.name: _company, CONTACT.name: _contact, DEAL.name: _deal, QUOTE.name: _quote,
}  # fmt: skip


def _state(row: Row) -> DealState:
    if row.archived:
        return DealState.DELETED
    if _text(row, "hs_is_closed_won") == "true":
        return DealState.WON
    return DealState.LOST if _text(row, "hs_is_closed") == "true" else DealState.OPEN


def _line(settings: HubspotConfig, row: Row) -> DealLine:
    product_id = _text(row, "hs_product_id")
    return DealLine(
        canonical(settings.portal_id, row.id),
        _text(row, "name"),
        _number(row, "quantity") or Decimal(0),
        _number(row, "price") or Decimal(0),
        canonical(settings.portal_id, product_id) if is_id(product_id) else "",
        _text(row, "hs_sku"),
        _PERIODS.get(_text(row, "recurringbillingfrequency"), ""),
        _day(row, "hs_recurring_billing_start_date"),
    )


def _others(settings: HubspotConfig, ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(canonical(settings.portal_id, id) for id in ids if is_id(id)))


def _text(row: Row, name: str) -> str:
    return (row.properties.get(name) or "").strip()


def _amount(row: Row, currency: str, name: str) -> Money | None:
    """Return an amount; what is finer than its currency is rounded half to even: neither a deal nor a quote is a document."""
    value = _number(row, name)
    if value is None:
        return None
    try:
        return from_major(value, currency, Rounding.HALF_EVEN)
    except ValueError as error:
        raise _unreadable(row, "the currency", "is no currency code", code="hubspot.currency_invalid") from error


def _number(row: Row, name: str) -> Decimal | None:
    """Return a number, plain: HubSpot writes large ones with an exponent. None: none is given."""
    text = _text(row, name)
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise _unreadable(row, name, "is no number", code="hubspot.number_invalid") from error
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -DIGITS_MAX or (value and value.adjusted() >= DIGITS_MAX) or exponent > DIGITS_MAX:
        raise _unreadable(row, name, "is no reasonable number", code="hubspot.number_invalid")
    return Decimal(format(value, "f"))


def _day(row: Row, name: str) -> date | None:
    """Return a day: of a date (``2026-03-01``), or the UTC day of an instant (ISO 8601 or milliseconds)."""
    text = _text(row, name)
    if not text:
        return None
    try:
        if _MILLISECONDS.fullmatch(text):
            return datetime.fromtimestamp(int(text) / 1000, UTC).date()
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
        instant = datetime.fromisoformat(text)
        return (instant.astimezone(UTC) if instant.tzinfo else instant).date()
    except (ValueError, OverflowError, OSError) as error:
        raise _unreadable(row, name, "is no time", code="hubspot.time_invalid") from error


def _unreadable(row: Row, name: str, words: str, *, code: str) -> RejectedError:
    return RejectedError(f"record {row.id[:20]}: {name} {words}", code=code, cause=f"{name} {words}")
