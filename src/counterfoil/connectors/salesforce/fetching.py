"""Fetch references, many in one query: records, those that are deleted and merged, and what belongs to opportunities.

The instant of a fetched state is taken before its first request: whatever was committed before that instant is in the state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from counterfoil.core.kinds.deal import DEAL
from counterfoil.kit.connector import Fetched
from counterfoil.kit.context import Context
from counterfoil.kit.errors import TransientError

from . import soql
from .api import Api, asked_at
from .refs import CONTACT_ROLE, LINE_ITEM, OBJECTS, PARTS, Ref, is_id, parse, to_18
from .wire import Found, QueryPage, Row, flat

IDS_MAX = 200
"""Ids of one query: an address may be some 16,000 characters long."""
CHILDREN = {"OpportunityLineItems": LINE_ITEM, "OpportunityContactRoles": CONTACT_ROLE}
"""What belongs to an opportunity, by its name in queries."""
_PRODUCT = "Product2.Name"

_ENCODER = msgspec.json.Encoder()


async def fetch(ctx: Context, refs: Sequence[str]) -> tuple[Fetched, ...]:
    """Return one answer per reference, in their order. Raises TransientError, SetupError."""
    at = asked_at(ctx)
    asked = {ref: known for ref in refs if (known := parse(ref)) is not None and known.org == ctx.settings.org_id}
    api = Api(ctx)
    owners = await _owners(api, asked.values())
    wanted = {kind: dict.fromkeys(one.id for one in asked.values() if one.kind == kind) for kind in OBJECTS}
    wanted[DEAL.name] |= dict.fromkeys(owners.values())
    chunks = [(kind, chunk) for kind, ids in wanted.items() for chunk in _chunks(list(ids))]
    answers = await asyncio.gather(*(_read(api, kind, ids) for kind, ids in chunks))
    found = {(kind, id): body for (kind, _), bodies in zip(chunks, answers, strict=True) for id, body in bodies.items()}
    bodies = {ref: found.get((known.kind, known.id)) for ref, known in asked.items() if known.kind in OBJECTS}
    bodies |= {ref: _of_owner(found.get((DEAL.name, owners[known]))) for ref, known in asked.items() if known in owners}
    return tuple(Fetched(ref, bodies.get(ref), at) for ref in refs)


async def _owners(api: Api, asked: Iterable[Ref]) -> dict[Ref, str]:
    """Return the opportunity of each line item and contact role that is asked for; what is gone for good has none."""
    found: dict[Ref, str] = {}
    for kind, name in PARTS.items():
        refs = {one.id: one for one in asked if one.kind == kind}
        for chunk in _chunks(list(refs)):
            rows = await api.rows(soql.select(("Id", "OpportunityId"), name, f"Id IN {soql.among(chunk)}"))
            known = {to_18(row.get("Id", "")): to_18(row.get("OpportunityId", "")) for row in rows}
            found |= {refs[id]: owner for id, owner in known.items() if id in refs and is_id(owner)}
    return found


def _of_owner(body: bytes | None) -> bytes | None:
    return None if body is None else b'{"deals":[' + body + b"]}"


def _chunks(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + IDS_MAX] for start in range(0, len(ids), IDS_MAX)]


async def _read(api: Api, kind: str, ids: Sequence[str]) -> dict[str, bytes]:
    """Return records, encoded, by their id of 18 characters; what is gone for good is left out."""
    name = OBJECTS[kind]
    fields = list(await api.fields(name))
    if kind == DEAL.name:
        fields += [await _child(api, relationship) for relationship in CHILDREN]
    records = await api.records(soql.select(fields, name, f"Id IN {soql.among(ids)}"))
    return {to_18(str(record.get("Id") or "")): _ENCODER.encode(await _found(api, record)) for record in records}


async def _child(api: Api, relationship: str) -> str:
    name = CHILDREN[relationship]
    fields = (*await api.fields(name), *((_PRODUCT,) if name == LINE_ITEM else ()))
    return f"({soql.select(fields, relationship, 'IsDeleted = false', 'Id')})"


async def _found(api: Api, record: dict[str, Any]) -> Found:
    lines, contacts = [await _children(api, record, relationship) for relationship in CHILDREN]
    return Found(flat(record), lines, contacts)


async def _children(api: Api, record: dict[str, Any], relationship: str) -> tuple[Row, ...]:
    """Return what belongs to a record; a long list of it has pages of its own."""
    given = record.get(relationship)
    if given is None:
        return ()
    try:
        page = msgspec.convert(given, QueryPage)
    except msgspec.ValidationError as error:
        raise TransientError(f"what belongs to a record has another shape: {error}", code="salesforce.answer_shape") from error
    return tuple(flat(one) for one in await api.rest_of(page))
