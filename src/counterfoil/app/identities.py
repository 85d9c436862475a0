"""What people decide of who is who: merging customers and taking it back, and naming one thing the same as another.

Each is an intent of the source ``people`` with its line in the audit; a worker takes it from there as it takes a source's word. What would
leave nobody, or mean nothing, is refused before anything is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from counterfoil.app import people
from counterfoil.app.database import Database
from counterfoil.app.reasons import need_reason
from counterfoil.core.identity.merges import merged_into
from counterfoil.core.identity.people import MERGED_BY_PEOPLE, IdentityVerb
from counterfoil.core.kinds import KINDS
from counterfoil.core.kinds.customer import CUSTOMER
from counterfoil.core.kinds.intent import PEOPLE, Intent
from counterfoil.core.language.ids import ObjectRef, digest
from counterfoil.kit.codec import decode_record
from counterfoil.kit.errors import SetupError
from counterfoil.store import audit, claims, links, objects, workers
from counterfoil.store.audit import AuditLine
from counterfoil.store.links import SAME_FACT, Link
from counterfoil.store.objects import ObjectRow
from counterfoil.store.pool import Conn

__all__ = ["Identity", "IdentityAct", "IdentityPlan", "IdentityVerb", "Link", "decide", "linked", "plan_of", "show"]

KNOWS_PEOPLE = 47
"""The schema whose programs read what people decide of who is who; an older one would keep it and do nothing."""
KNOWS_APART = 54
"""The schema whose programs read that two are not one."""
ALIVE_WITHIN_S = 20.0
"""A worker heard of so lately may still read what is kept now."""
STEP = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class IdentityAct:
    """What a person wants of a thing. ``other``: the key of another one; empty: of the thing alone."""

    verb: IdentityVerb
    key: str
    other: str = ""


@dataclass(frozen=True, slots=True)
class IdentityPlan:
    """What an act comes to.

    Attributes:
        act: as it is kept: keys whole, and the verb that has the effect (see ``plan_of``).
        into: the customer that is left by it, its key; empty: the thing itself.
        documents: how many objects name the thing.
        notes: what is to be known before it is done.
        seen: what of the thing was looked at: the same said again of the same is nothing new.
        not_before: what is said counts as said after this.
    """

    act: IdentityAct
    into: str
    documents: int
    notes: tuple[str, ...] = ()
    seen: str = ""
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a thing is: its links, whom it goes to by merges, and what people did to it, newest first."""

    key: str
    into: str
    links: tuple[Link, ...]
    acts: tuple[AuditLine, ...]


async def plan_of(database: Database, act: IdentityAct) -> IdentityPlan:
    """Return what an act would come to, after all checks. To unmerge what a source says is merged, is to keep it apart from then on.

    Raises:
        LookupError: a thing is not known.
        ValueError: it cannot be: of other kinds, into itself, in a circle, or as it stands already.
        SetupError: a worker of an older program is at work (``identity.older_worker``).
    """
    async with database.pool.connection() as conn:
        return await _plan(conn, database, act)


async def decide(database: Database, act: IdentityAct, actor: str, reason: str, now: datetime) -> IdentityPlan:
    """Keep what a person decides, with who, when and why. Raises as :func:`plan_of`, and ValueError if the reason will not do."""
    need_reason(reason)
    async with database.pool.connection() as conn, conn.transaction():
        plan = await _plan(conn, database, act)
        at = now if plan.not_before is None else max(now, plan.not_before + STEP)
        done = plan.act
        intent = Intent("", done.key, done.verb.value, actor, at, _ref(done.other).id if done.other else "", reason=reason)
        if await people.keep(conn, database, intent, plan.seen):
            detail = {name: value for name, value in (("other", done.other), ("reason", reason)) if value}
            await audit.append(conn, AuditLine(now, actor, done.verb.value, done.key, detail))
    return plan


async def linked(database: Database, *, does_include_ended: bool = False, limit: int = 1000) -> list[Link]:
    """Return what is merged into what, and what is the same as what, newest first."""
    async with database.pool.connection() as conn:
        return await links.newest(conn, limit, does_include_ended=does_include_ended)


async def show(database: Database, key: str) -> Identity:
    """Return who a thing is. Raises LookupError: it is not known."""
    async with database.pool.connection() as conn:
        look = _Look(conn, database)
        ref = await look.known(key)
        found = [one for one in await links.of(conn, [ref]) if ref.id in (one.ref.id, one.golden)]
        verbs = set(IdentityVerb)
        acts = [line for line in await audit.recent(conn, subject=ref.key) if line.action in verbs]
        path = await look.path(ref)
        return Identity(ref.key, "" if len(path) == 1 else path[-1].key, tuple(found), tuple(acts))


@dataclass(slots=True)
class _Look:
    """What is known, read as it is asked for."""

    conn: Conn
    database: Database
    rows: dict[ObjectRef, ObjectRow] = field(default_factory=dict)

    async def row(self, ref: ObjectRef) -> ObjectRow | None:
        """Return a thing's row; None: it is not known."""
        if ref not in self.rows:
            self.rows |= await objects.load(self.conn, self.database.cipher, [ref])
        return self.rows.get(ref)

    async def known(self, key: str) -> ObjectRef:
        """Return the thing of a key. Raises LookupError, ValueError."""
        ref = _ref(key)
        if ref.kind not in KINDS:
            raise ValueError(f"{ref.kind!r} is no kind of record; a key is written kind/id, such as customer/billing:cus_1")
        if await self.row(ref) is None:
            raise LookupError(f"nothing is known as {ref.key}; `counterfoil trace` finds things by id, number or name")
        return ref

    async def into(self, ref: ObjectRef) -> str:
        """Return the id of what a thing is merged into; empty: nothing."""
        row = await self.row(ref)
        return "" if row is None else merged_into(decode_record(ref.kind, row.data))

    async def path(self, ref: ObjectRef) -> list[ObjectRef]:
        """Return a thing and what it was merged into, on to who is left; a circle ends where it began."""
        found = [ref]
        while following := await self.into(found[-1]):
            if ObjectRef(ref.kind, following) in found:
                break
            found.append(ObjectRef(ref.kind, following))
        return found

    async def merging(self, ref: ObjectRef) -> Mapping[str, str]:
        """Return into what each source says a thing is merged, by connection, as far as any does."""
        row = await self.row(ref)
        if row is None:
            return {}
        if row.claimed:
            told = (await claims.load(self.conn, self.database.cipher, [ref])).get(ref, [])
            said = {one.connection: merged_into(decode_record(ref.kind, one.data)) for one in told}
        else:
            said = {row.connection: await self.into(ref)}
        return {connection: into for connection, into in said.items() if into}

    async def said_at(self, ref: ObjectRef) -> datetime | None:
        """Return when people last said something of a thing's merging."""
        told = (await claims.load(self.conn, self.database.cipher, [ref])).get(ref, [])
        return next((one.occurred_at for one in told if one.connection == PEOPLE), None)


def _ref(key: str) -> ObjectRef:
    """Return the thing of a key; what names no kind is a customer's id."""
    kind, slash, id = key.strip().partition("/")
    return ObjectRef(kind, id) if slash else CUSTOMER.ref(kind)


async def _plan(conn: Conn, database: Database, act: IdentityAct) -> IdentityPlan:
    is_apart = act.verb is IdentityVerb.NOT_SAME_AS and bool(act.other)
    older = await workers.older(conn, KNOWS_APART if is_apart else KNOWS_PEOPLE, ALIVE_WITHIN_S)
    if older:
        raise SetupError(
            f"{', '.join(older)} of an older program would read this and do nothing: stop it, or start it with this version, first",
            code="identity.older_worker",
        )
    look = _Look(conn, database)
    ref = await look.known(act.key)
    plan = await _PLANS[act.verb](look, ref, act)
    row = look.rows[ref]
    state = digest(act.verb.value, str(row.version), *(f"{one.ref.key} {one.golden} {one.until}" for one in await links.of(conn, [ref])))
    documents = len(await objects.of_customers(conn, [ref.id])) - 1 if ref.kind == CUSTOMER.name else 0
    return IdentityPlan(plan.act, plan.into, max(0, documents), plan.notes, state, plan.not_before)


async def _merge(look: _Look, ref: ObjectRef, act: IdentityAct) -> IdentityPlan:
    _need_customer(ref)
    other = await look.known(act.other)
    _need_other(ref, other, "merged into")
    path = await look.path(other)
    if ref in path:
        way = " into ".join(one.key for one in path)
        raise ValueError(f"{ref.key} cannot be merged into {other.key}: {way} already, and nobody would be left")
    said = await look.merging(ref)
    if said.get(PEOPLE) == other.id:
        raise ValueError(f"{ref.key} is merged into {other.key} already, by people")
    notes = [_given_up(ref, by, into) for by, into in sorted(said.items()) if into != other.id]
    if len(path) > 1:
        notes.append(f"{other.key} is merged itself: who is left is {path[-1].key}")
    done = IdentityAct(IdentityVerb.MERGE, ref.key, other.key)
    return IdentityPlan(done, path[-1].key, 0, tuple(notes), not_before=await look.said_at(ref))


def _given_up(ref: ObjectRef, by: str, into: str) -> str:
    if by != PEOPLE:
        return f"{by} says it is merged into {into}: what people say counts from now on"
    return "people keep it apart so far: that ends" if into == ref.id else f"people have merged it into {into}: that ends"


async def _unmerge(look: _Look, ref: ObjectRef, _act: IdentityAct) -> IdentityPlan:
    _need_customer(ref)
    if not await look.into(ref):
        raise ValueError(f"{ref.key} is merged into nothing (if it was merged just now, a worker has not read that yet)")
    said = await look.merging(ref)
    sources = sorted(by for by in said if by != PEOPLE)
    verb = IdentityVerb.KEEP_APART if sources else IdentityVerb.UNMERGE
    notes = (f"{', '.join(sources)} says it is merged: from now on it stands for itself, whatever is said there",) if sources else ()
    return IdentityPlan(IdentityAct(verb, ref.key), "", 0, notes, not_before=await look.said_at(ref))


async def _same_as(look: _Look, ref: ObjectRef, act: IdentityAct) -> IdentityPlan:
    other = await look.known(act.other)
    _need_other(ref, other, "the same as")
    follows = await links.same_facts(look.conn, [ref])
    if other in {*follows, *follows.values()}:
        raise ValueError(f"{ref.key} and {other.key} are the same already")
    note = f"{other.key}'s word counts where no owner of the kind is declared"
    return IdentityPlan(IdentityAct(IdentityVerb.SAME_AS, ref.key, other.key), "", 0, (note,))


async def _not_same_as(look: _Look, ref: ObjectRef, act: IdentityAct) -> IdentityPlan:
    if act.other:
        return await _apart_from(look, ref, act)
    standing = [one for one in await links.of(look.conn, [ref]) if one.why == SAME_FACT and one.until is None]
    namers = {one.named_by for one in standing}
    if ref.id not in namers:
        others = sorted(f"{ref.kind}/{namer}" for namer in namers if namer)
        where = f"; {', '.join(others)} is said to be the same as it: take that back" if others else ""
        raise ValueError(f"{ref.key} is not said to be the same as another{where}")
    note = "it is the same as none from now on, whatever its source says"
    return IdentityPlan(IdentityAct(IdentityVerb.NOT_SAME_AS, ref.key), "", 0, (note,))


async def _apart_from(look: _Look, ref: ObjectRef, act: IdentityAct) -> IdentityPlan:
    """Say of two that they are not one; what links them is taken back first, by whoever is said to be the same."""
    _need_customer(ref)
    other = await look.known(act.other)
    _need_other(ref, other, "apart from")
    follows = await links.same_facts(look.conn, [ref])
    if other in {*follows, *follows.values()}:
        namer = next((one for one in (ref, other) if one in follows), ref)
        raise ValueError(f"{ref.key} and {other.key} are linked: take that back first, with `counterfoil identity not-same-as {namer.key}`")
    note = "nobody is asked of the two again, unless something comes that speaks for it and did not before"
    return IdentityPlan(IdentityAct(IdentityVerb.APART_FROM, ref.key, other.key), "", 0, (note,))


_PLANS = {
    IdentityVerb.MERGE: _merge,
    IdentityVerb.UNMERGE: _unmerge,
    IdentityVerb.KEEP_APART: _unmerge,
    IdentityVerb.SAME_AS: _same_as,
    IdentityVerb.NOT_SAME_AS: _not_same_as,
    IdentityVerb.APART_FROM: _apart_from,
}


def _need_customer(ref: ObjectRef) -> None:
    if ref.kind not in MERGED_BY_PEOPLE:
        kinds = ", ".join(MERGED_BY_PEOPLE)
        raise ValueError(f"{ref.key} is merged in the system that keeps it; people merge here: {kinds}")


def _need_other(ref: ObjectRef, other: ObjectRef, what: str) -> None:
    if ref == other:
        raise ValueError(f"{ref.key} cannot be {what} itself")
    if ref.kind != other.kind:
        raise ValueError(f"{ref.key} cannot be {what} {other.key}: they are of different kinds")
