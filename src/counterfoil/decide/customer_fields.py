"""Legal and tax fields of customers, looked at where customers are decided: what cannot be right is a case, and holds nothing up.

Its cases have records of their own: what a customer waits for, or is refused for, is told and closed by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import NamedTuple

from counterfoil.core.identity.validity import LegalField, flaws, meant_country
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.policies.rules import Rules
from counterfoil.decide.decisions import LoadedBatch
from counterfoil.store import case_closing, case_subjects, cases
from counterfoil.store.case_work import FIELDS
from counterfoil.store.opening import opening
from counterfoil.store.pool import Conn

_OWNER = "finance"


async def write(conn: Conn, decided: Collection[ObjectRef], loaded: LoadedBatch, rules: Rules, now: datetime) -> None:
    """Open the cases of fields that cannot be right, of the customers among what was decided, and close those of fields that can be.

    A case that a person waived is not opened again.
    """
    customers = [ref for ref in decided if ref.kind == CUSTOMER.name]
    if not customers:
        return
    openings = [one for ref in customers for one in _openings(ref, loaded, rules, now)]
    wrong = {one.subject.subject for one in openings}
    every = {_subject(ref, field) for ref in customers for field in LegalField}
    await case_subjects.release_subjects(conn, FIELDS, every - wrong, now)
    waived = await case_closing.waived(conn, [one.fingerprint for one in openings])
    await cases.open_or_count(conn, [one for one in openings if one.fingerprint not in waived], now)


def _subject(ref: ObjectRef, field: LegalField) -> str:
    return f"{ref.key}|{field.value}"


def _openings(ref: ObjectRef, loaded: LoadedBatch, rules: Rules, now: datetime) -> Iterator[cases.Opening]:
    row, customer = loaded.rows.get(ref), loaded.records.get(ref)
    if row is None or not isinstance(customer, Customer):
        return  # it is told by another, which is decided itself
    entity = rules.route(row.connection, row.account, customer.address.country, customer.currency)
    for field in flaws(customer):
        told = _told(ref, field, customer)
        yield opening(
            now=now,
            fingerprint=f"{told.code}|{ref.key}",
            case_class=CaseClass.MISSING_FIELD,
            code=told.code,
            cause=told.cause,
            next_step=told.next_step,
            stage=FIELDS,
            subject=_subject(ref, field),
            label=ref.key,
            entity="" if entity is None else entity.name,
            connection=row.connection,
            owner=_OWNER,
        )


class _Words(NamedTuple):
    cause: str
    next_step: str
    code: str


def _told(ref: ObjectRef, field: LegalField, customer: Customer) -> _Words:
    """Return what a case says. The number itself is not told: who may see it looks it up."""
    if field is LegalField.TAX_IDS:
        return _Words(
            f"A tax id of {ref.key} cannot be one of its country: its form or its check digits are wrong. The customer's documents are"
            " booked all the same; what was sold without tax because of the number may have to bear it.",
            f"`counterfoil why {ref.key} tax_ids` says who told it: compare it with the customer's invoice or the register (VIES for the"
            " Union) and correct it there; the case closes with that. Waive it if the number is right.",
            code="decide.tax_id_wrong",
        )
    if field is LegalField.COUNTRY:
        meant = meant_country(customer)
        return _Words(
            f"The country of {ref.key}, {customer.address.country!r}, is no code of ISO 3166"
            f"{f' (perhaps {meant} is meant)' if meant else ''}. Routes and taxes that go by the country do not find it.",
            f"Correct it where it is entered (`counterfoil why {ref.key} address`), as a code of two letters such as DE; the case closes"
            " with that.",
            code="decide.country_unknown",
        )
    return _Words(
        f"The currency of {ref.key}, {customer.currency!r}, is no code of ISO 4217.",
        f"Correct it where it is entered (`counterfoil why {ref.key} currency`), as a code of three letters such as EUR; the case closes"
        " with that.",
        code="decide.currency_unknown",
    )
