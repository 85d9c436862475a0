"""The records of a case as people know them: customer, document numbers of both sides, links to both systems.

Names are read from the encrypted objects when somebody looks, and are kept nowhere else. Links are built by each connector from its
settings as they stand in the configuration file; no secret is needed for one.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterfoil.app.settings_file import ConnectionSettings, FileSettings
from counterfoil.core.kinds import KINDS
from counterfoil.core.kinds.credit_note import CreditNote
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.kinds.invoice import Invoice
from counterfoil.core.kinds.product import Product
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.keys import NeedKey
from counterfoil.core.language.records import Record
from counterfoil.kit.codec import decode_record
from counterfoil.kit.discovery import connector_names, load_connector
from counterfoil.store import bindings, matches, objects, outbox_due
from counterfoil.store.case_work import FIELDS
from counterfoil.store.cases import HeldSubject
from counterfoil.store.cipher import Cipher
from counterfoil.store.objects import ObjectRow
from counterfoil.store.pool import Conn
from counterfoil.store.work import BOOKS, DELIVER, NORMALIZE

_LABELED = (BOOKS, NORMALIZE, FIELDS, matches.STAGE)
"""Stages whose records have the key of their object as a label, where one is known."""


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """A record of a case.

    Attributes:
        kind: what it is at the source, e.g. ``invoice``; empty if nothing is known of it.
        source_id: its own id at the source. source_number: what people there call it.
        customer: whose it is, by name; empty if it is nobody's.
        books: what it, or the document it concerns, is called in the books, each as ``connection number``.
        links: to the source and to the books.
    """

    held: HeldSubject
    kind: str = ""
    source_id: str = ""
    source_number: str = ""
    customer: str = ""
    books: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


def link(connection: ConnectionSettings | None, ref: str) -> str:
    """Return the address of a thing in its system's own pages, empty if there is none; ``ref``: ``invoice/in_1``, ``account.move/7``."""
    if connection is None or connection.connector not in connector_names():
        return ""
    linked = load_connector(connection.connector).link
    return linked(_plain(connection), ref) if linked is not None else ""


def _plain(connection: ConnectionSettings) -> Mapping[str, Any]:
    """Return a connection's settings with what the environment has of those it refers to; what it has not is left out."""
    given = dict(connection.model_extra or {})
    for name, value in list(given.items()):
        if isinstance(value, Mapping) and set(value) == {"env"}:
            given[name] = os.environ.get(str(value["env"]), "")
    return given


async def records(conn: Conn, cipher: Cipher, file: FileSettings, held: Sequence[HeldSubject]) -> list[CaseRecord]:
    """Return the records of a case as people know them, in the same order."""
    subjects = await _subjects(conn, held)
    concerned = {one.subject.concerns for one in held if one.subject.concerns}
    rows = await objects.load(conn, cipher, {*subjects.values(), *map(_ref, concerned)})
    owners = {ref: CUSTOMER.ref(row.customer_id) for ref, row in rows.items() if row.customer_id}
    rows |= await objects.load(conn, cipher, [ref for ref in owners.values() if ref not in rows])
    records = {ref: decode_record(ref.kind, row.data) for ref, row in rows.items()}
    found = []
    for one in held:
        ref = subjects.get(one.subject.subject)
        if ref is None:
            found.append(CaseRecord(one))
            continue
        customer = records.get(owners.get(ref, ref))
        bound = await _bound(conn, {ref.key, one.subject.concerns or ref.key})
        source = _source_link(file, ref, rows.get(ref))
        linked = [source, *(link(file.connections.get(each.connection), each.external_id) for each in bound)]
        found.append(
            CaseRecord(
                one,
                ref.kind,
                ref.id.partition(":")[2] or ref.id,
                number_of(records.get(ref)) or number_of(records.get(_ref(one.subject.concerns)) if one.subject.concerns else None),
                customer.name if isinstance(customer, Customer) else "",
                tuple(f"{each.connection} {each.external_name or each.external_id}" for each in bound),
                tuple(dict.fromkeys(filter(None, linked))),
            )
        )
    return found


def number_of(record: Record | None) -> str:
    """Return what people at the source call a thing: a document's number, a product's name."""
    match record:
        case Invoice(number=number) | CreditNote(number=number):
            return number
        case Product(name=name):
            return name
        case _:
            return ""


async def _subjects(conn: Conn, held: Sequence[HeldSubject]) -> dict[str, ObjectRef]:
    found = {one.subject.subject: _ref(one.subject.subject) for one in held if one.subject.stage == "decide"}
    of_an_object = KINDS  # others are what the hub made of one, such as the entry of its fee
    found |= {
        one.subject.subject: _ref(one.subject.label)
        for one in held
        if one.subject.stage in _LABELED and one.subject.label.partition("/")[0] in of_an_object
    }
    return found | await outbox_due.subject_of(conn, [one.subject.subject for one in held if one.subject.stage == DELIVER])


def _source_link(file: FileSettings, ref: ObjectRef, row: ObjectRow | None) -> str:
    connection = file.connections.get(row.connection) if row is not None else None
    return link(connection, f"{ref.kind}/{ref.id.partition(':')[2]}")


async def _bound(conn: Conn, keys: Collection[str]) -> list[bindings.Binding]:
    return [one for key in sorted(keys) for one in await bindings.by_key(conn, NeedKey(key)) if one.until is None]


def _ref(key: str) -> ObjectRef:
    kind, _, id = key.partition("/")
    return ObjectRef(kind, id)
