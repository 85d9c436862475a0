"""Fetch references, in batches: records, those that are deleted, and what belongs to them.

The instant of a fetched state is taken before its first request: whatever happened before that instant is in the state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from counterfoil.core.kinds.company import COMPANY
from counterfoil.core.kinds.contact import CONTACT
from counterfoil.core.kinds.deal import DEAL
from counterfoil.core.kinds.quote import QUOTE
from counterfoil.kit.connector import Fetched
from counterfoil.kit.context import Context
from counterfoil.kit.errors import TransientError

from .client import Api, asked_at
from .refs import BATCH_MAX, LINE_ITEM, PATHS, Ref, kinds_read, parse
from .wire import AssociationEnd, AssociationPage

Object = dict[str, Any]

PAGES_MAX = 100
"""Pages of the associations of one record."""
PRIMARY = frozenset({1, 5})
"""The primary company of a contact, and of a deal: https://developers.hubspot.com/docs/api-reference/latest/crm/associations/guide."""
PRIMARY_LABEL = "Primary"
"""What it is called here, whatever language HubSpot tells it in."""

_ENCODER = msgspec.json.Encoder(decimal_format="number")


async def fetch(ctx: Context, refs: Sequence[str]) -> tuple[Fetched, ...]:
    """Return one answer per reference, in their order. Raises TransientError, SetupError."""
    at = asked_at(ctx)
    own = str(ctx.settings.portal_id)
    asked = {ref: known for ref in refs if (known := parse(ref)) is not None and known.portal == own}
    if not asked:
        return tuple(Fetched(ref, None, at) for ref in refs)
    reading = Reading(Api(ctx))
    kinds = kinds_read(with_quotes=ctx.settings.reads_quotes)
    lines = [ref.id for ref in asked.values() if ref.kind == LINE_ITEM]
    owners = {kind: await reading.associated(LINE_ITEM, kind, lines) for kind in (DEAL.name, QUOTE.name) if kind in kinds}
    wanted: dict[str, dict[str, None]] = {kind: {} for kind in kinds}
    for ref in asked.values():
        if ref.kind in wanted:
            wanted[ref.kind][ref.id] = None
    for kind, owned in owners.items():
        wanted[kind].update(dict.fromkeys(id for ids in owned.values() for id in ids))
    answers = await asyncio.gather(*(reading.whole(kind, tuple(ids)) for kind, ids in wanted.items()))
    found = dict(zip(wanted, answers, strict=True))
    return tuple(_answer(ref, asked.get(ref), found, owners, at) for ref in refs)


def _answer(
    ref: str,
    known: Ref | None,
    found: Mapping[str, Mapping[str, Object]],
    owners: Mapping[str, Mapping[str, Sequence[str]]],
    at: datetime,
) -> Fetched:
    if known is None:
        return Fetched(ref, None, at)
    if known.kind == LINE_ITEM:
        told = {PATHS[kind]: [found[kind][id] for id in owned.get(known.id, ()) if id in found[kind]] for kind, owned in owners.items()}
        return Fetched(ref, _ENCODER.encode(told) if any(told.values()) else None, at)
    one = found.get(known.kind, {}).get(known.id)
    return Fetched(ref, None if one is None else _ENCODER.encode(one), at)


class Reading:
    """The reads of one batch of references."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def whole(self, kind: str, ids: Sequence[str]) -> dict[str, Object]:
        """Return records with what belongs to them, by the ids they were asked for: a merged one by its old id is its survivor."""
        rows = await self.rows(kind, ids)
        kept = {row["id"]: row for row in rows.values()}
        offers = list(kept) if kind in (DEAL.name, QUOTE.name) else ()
        companies, contacts, lines, deals = await asyncio.gather(
            self.ends(kind, COMPANY.name, list(kept) if kind != COMPANY.name else ()),
            self.associated(kind, CONTACT.name, offers),
            self.associated(kind, LINE_ITEM, offers),
            self.associated(kind, DEAL.name, list(kept) if kind == QUOTE.name else ()),
        )
        items = await self.rows(LINE_ITEM, tuple(dict.fromkeys(id for ids in lines.values() for id in ids)), with_archived=False)
        return {
            asked: {
                "object": row,
                "companies": _in_order(companies.get(row["id"], ())),
                "labels": _labels(companies.get(row["id"], ())) if kind == DEAL.name else {},
                "contacts": contacts.get(row["id"], ()),
                "deals": deals.get(row["id"], ()),
                "line_items": [items[id] for id in lines.get(row["id"], ()) if id in items],
            }
            for asked, row in rows.items()
        }

    async def rows(self, kind: str, ids: Sequence[str], *, with_archived: bool = True) -> dict[str, Object]:
        """Return records by the ids they were asked for; those that are not there are looked for among the deleted ones."""
        found = await self._batches(kind, ids, is_archived=False)
        missing = [id for id in ids if id not in found]
        if missing and with_archived:
            found |= await self._batches(kind, missing, is_archived=True)
        return found

    async def _batches(self, kind: str, ids: Sequence[str], *, is_archived: bool) -> dict[str, Object]:
        answers = await asyncio.gather(*(self._api.batch(kind, chunk, is_archived=is_archived) for chunk in _chunks(ids)))
        known: dict[str, Object] = {}
        for row in (row for rows in answers for row in rows):
            for old in str((row.get("properties") or {}).get("hs_merged_object_ids") or "").split(";"):
                known.setdefault(old.strip(), row)
            known[row["id"]] = row
        return {id: known[id] for id in ids if id in known}

    async def associated(self, kind: str, other: str, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return the ids of one type that belong to records of another: the primary one first, then in the order of their numbers."""
        return {id: _in_order(found) for id, found in (await self.ends(kind, other, ids)).items()}

    async def ends(self, kind: str, other: str, ids: Sequence[str]) -> dict[str, list[AssociationEnd]]:
        """Return what of one type belongs to records of another, and in which ways."""
        ends: dict[str, list[AssociationEnd]] = {}
        inputs = [{"id": id} for id in ids]
        for _ in range(PAGES_MAX):
            if not inputs:
                break
            pages = [await self._api.associations(kind, other, chunk) for chunk in _chunks(inputs)]
            found = [one for page in pages for one in self._api.decoded(page, AssociationPage).results]
            for one in found:
                ends.setdefault(one.from_.id, []).extend(one.to)
            inputs = [
                {"id": one.from_.id, "after": one.paging.next.after}
                for one in found
                if one.paging is not None and one.paging.next is not None
            ]
        if inputs:
            raise TransientError(f"the associations of {kind} {inputs[0]['id']} do not end", code="hubspot.endless_list")
        return ends


def _labels(ends: Iterable[AssociationEnd]) -> dict[str, tuple[str, ...]]:
    """Return the labels of other ends by their ids, in order; those without any are left out."""
    found: dict[str, set[str]] = {}
    for end in ends:
        for one in end.associationTypes:
            label = PRIMARY_LABEL if one.typeId in PRIMARY else (one.label or "").strip()
            if label:
                found.setdefault(str(end.toObjectId), set()).add(label)
    return {id: tuple(sorted(labels)) for id, labels in sorted(found.items())}


def _in_order(ends: Iterable[AssociationEnd]) -> tuple[str, ...]:
    is_primary: dict[str, bool] = {}
    for end in ends:
        id = str(end.toObjectId)
        is_primary[id] = is_primary.get(id, False) or any(one.typeId in PRIMARY for one in end.associationTypes)
    return tuple(sorted(is_primary, key=lambda id: (not is_primary[id], len(id), id)))


def _chunks(rows: Sequence[Any]) -> list[Sequence[Any]]:
    return [rows[start : start + BATCH_MAX] for start in range(0, len(rows), BATCH_MAX)]
