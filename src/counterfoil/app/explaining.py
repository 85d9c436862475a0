"""Why a thing stands as it does: of each field its value, who said it, when, and by which rule; and what it is linked to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from counterfoil.core.identity.claims import Claim, Golden, survive
from counterfoil.core.identity.merges import merged_into
from counterfoil.core.identity.ownership import Owner, Ownership, ownership_of
from counterfoil.core.kinds import KINDS
from counterfoil.core.kinds.product import PRODUCT
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.masking import masked
from counterfoil.core.language.money import Money
from counterfoil.core.policies.rules import Rules
from counterfoil.decide.decisions import LoadedBatch, load
from counterfoil.kit.codec import decode_record
from counterfoil.store import claims, links, objects, releases
from counterfoil.store import trace as store_trace
from counterfoil.store.cipher import Cipher
from counterfoil.store.links import MERGED, Link
from counterfoil.store.pool import Conn

_PERSONAL = {
    **dict.fromkeys(("name", "customer_name", "changed_by"), "name"),
    **{"email": "e-mail", "phone": "phone", "address": "address", "tax_ids": "VAT id"},
}
"""Fields that tell who somebody is: not shown, as in a trace. A product's name tells of nobody."""
_SHOWN_MAX = 200


@dataclass(frozen=True, slots=True)
class FieldSeen:
    """One field: its value as far as it may be shown, who said it last, when, and by which rule it counts.

    ``others``: the sources that say something else than its owner.
    """

    field: str
    value: str
    connection: str
    at: datetime | None
    rule: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkSeen:
    """What a thing is, or was, linked to, and why. ``since`` None: from before links were written down."""

    id: str
    golden: str
    why: str
    connection: str
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class ThingSeen:
    """A thing: its key, the one it is known as (its own, unless it is the same fact as another), its fields and links."""

    key: str
    known_as: str
    fields: tuple[FieldSeen, ...]
    links: tuple[LinkSeen, ...]


async def explain(conn: Conn, cipher: Cipher, asked: str, declared: Sequence[Owner], *, field: str = "") -> tuple[ThingSeen, ...]:
    """Return why the things of an id, number, name or e-mail stand as they do, of all their fields that say anything or of one.

    ``declared``: the owners as the configuration has them; those of the rules in force count, where rules are released.
    """
    text = asked.strip()
    ids = {*await store_trace.canonical_ids(conn, text), *(ref.id for ref in await objects.named(conn, cipher, text))}
    kinds = [name for name in KINDS if text.startswith(f"{name}/")] or list(KINDS)
    refs = sorted(await objects.load(conn, cipher, [ObjectRef(kind, id) for kind in kinds for id in ids]))
    rules = Rules(0, {}, (), ownership=await ownership_in_force(conn, declared))
    loaded = await load(conn, cipher, refs, rules)
    told = await claims.load(conn, cipher, [ref for ref in refs if loaded.rows[ref].claimed == loaded.rows[ref].version])
    linked = await links.of(conn, refs)
    return tuple(_seen(ref, _golden(ref, loaded, told, rules.ownership), loaded, linked, field) for ref in refs)


async def ownership_in_force(conn: Conn, declared: Sequence[Owner]) -> Ownership:
    """Return whose word counts by the rules in force; before any release by what is declared."""
    release = await releases.in_force(conn, datetime.now(UTC))
    if release is None:
        return ownership_of(declared)
    said = json.loads(release.body).get("ownership", ())
    return ownership_of([Owner(one["kind"], one["connection"], tuple(one.get("fields", ()))) for one in said])


def _golden(ref: ObjectRef, loaded: LoadedBatch, told: Mapping[ObjectRef, Sequence[claims.ClaimRow]], ownership: Ownership) -> Golden:
    fact = loaded.identities.facts.get(ref)
    if fact is not None and fact.golden is not None:
        return fact.golden
    row = loaded.rows[ref]
    several = [Claim(one.connection, one.sequence, one.occurred_at, decode_record(ref.kind, one.data)) for one in told.get(ref, ())]
    alone = Claim(row.connection, row.sequence, row.occurred_at, decode_record(ref.kind, row.data))
    return survive(several or [alone], ownership, id=ref.id)


def _seen(ref: ObjectRef, golden: Golden, loaded: LoadedBatch, linked: Sequence[Link], field: str) -> ThingSeen:
    fact = loaded.identities.facts.get(ref)
    others: dict[str, tuple[str, ...]] = {}
    for one in golden.proposals:
        others[one.field] = (*others.get(one.field, ()), one.claim.connection)
    fields = tuple(
        FieldSeen(
            field=one.field,
            value=_shown(ref.kind, one.field, one.value),
            connection=one.claim.connection,
            at=one.claim.occurred_at,
            rule=one.rule.value,
            others=others.get(one.field, ()),
        )
        for one in golden.origins
        if one.claim is not None and field in ("", one.field)
    )
    own = [one for one in linked if one.ref.kind == ref.kind and ref.id in (one.ref.id, one.golden)]
    found = [LinkSeen(one.ref.id, one.golden, one.why, one.connection, one.since, one.until) for one in own]
    into = merged_into(golden.record)
    if into and not any(one.why == MERGED and one.ref == ref and one.golden == into and one.until is None for one in own):
        found.append(LinkSeen(ref.id, into, MERGED, loaded.rows[ref].connection, None, None))
    return ThingSeen(ref.key, ref.key if fact is None else fact.head.key, fields, tuple(found))


def _shown(kind: str, field: str, value: object) -> str:
    if field in _PERSONAL and not (kind == PRODUCT.name and field == "name"):
        return f"[{_PERSONAL[field]}]"
    if isinstance(value, Money | datetime):
        return str(value)
    if isinstance(value, tuple):
        return f"{len(value)} of them" if any(not isinstance(one, str) for one in value) else ", ".join(value)
    return masked(str(getattr(value, "value", value)))[:_SHOWN_MAX]
