"""Adopting what a target holds already, customers and documents: a plan of what is certain, doubtful and missing, and its carrying out.

A plan writes nothing. What it rests on is sealed in each of its rows: what is applied is what was shown, or nothing. Applying gives
records the hub's keys in the target first and binds them here after: whoever dies between leaves what any worker finds by its key, and
applied again it goes on from there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

from counterfoil.app import ruling
from counterfoil.app.adopting_documents import bind_documents, refuse_documents, some_of, told_of_binding, wished_documents
from counterfoil.app.adoption_plan import (
    Adoption,
    AdoptionPlan,
    PlanRow,
    is_as_planned,
    refusal,
    row_of,
    row_of_document,
    seal_of,
    unanswered,
)
from counterfoil.app.hub import Hub
from counterfoil.app.reasons import reason_problem
from counterfoil.core.identity.adopted_documents import ExistingDocument, WishedDocument, document_links
from counterfoil.core.identity.adoption import AdoptionLink, ExistingRecord, LinkVerdict, UnboundCustomer, customer_links
from counterfoil.core.kinds.credit_note import CREDIT_NOTE
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.kinds.invoice import INVOICE, Invoice
from counterfoil.core.kinds.payment import PAYMENT
from counterfoil.core.language.ids import external_key
from counterfoil.core.language.keys import NeedKey, need_of
from counterfoil.core.language.money import Money
from counterfoil.core.policies.decision import Origin
from counterfoil.core.policies.due import OPEN, open_of
from counterfoil.core.policies.masters import is_written_to
from counterfoil.core.policies.rules import Rules
from counterfoil.kit.codec import decode_record
from counterfoil.kit.connector import Adopts
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError
from counterfoil.kit.holdings import Holding
from counterfoil.store import audit, bindings, links, objects, outbox
from counterfoil.store.audit import AuditLine
from counterfoil.store.bindings import Binding
from counterfoil.store.objects import ObjectRow
from counterfoil.store.outbox import CommandRow
from counterfoil.store.pool import Conn

__all__ = ["Adopted", "apply_plan", "plan_of_adoption"]

READ_AT_A_TIME = 1000
NAMED_AT_A_TIME = 200
"""Records that are named in one call, and bound in one transaction: so many are done again at most after a crash."""
T = TypeVar("T")
OnStep = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Adopted:
    """What applying a plan did: ``bound`` now, ``already`` by another run; ``others``: keys for which a record of their own was made since
    the plan, with it; ``unanswered``: the keys of what is doubtful and was not answered, which is left as it was.
    """

    bound: int
    already: int
    others: tuple[tuple[str, str], ...] = ()
    unanswered: tuple[str, ...] = ()


async def plan_of_adoption(hub: Hub, connection: str = "") -> AdoptionPlan:
    """Return which records of a target the customers are that are not bound there, and the documents that wait to be posted; reads only.

    ``connection``: empty where one target alone can tell.

    Raises:
        SetupError: no such target, or its user may not read what is needed. TransientError.
    """
    name, part, ctx = await _target(hub, connection)
    async with hub.pool.connection() as conn:
        rules = await hub.rules.current(conn)
        customers, bound = await _unbound(hub, conn, rules, name, part)
        taken = await _taken(conn, name)
    free = [
        one async for one in _existing(part, ctx, Holding.CUSTOMERS) if isinstance(one, ExistingRecord) and one.external_id not in taken
    ]
    found = customer_links(customers, free)
    certain = {link.of.customer.id: link.record.external_id for link in found if link.verdict is LinkVerdict.CERTAIN and link.record}
    records = {key.partition("/")[2]: external_id for external_id, key in taken.items()} | certain
    async with hub.pool.connection() as conn:
        wished = await wished_documents(hub, conn, name, records)
    documents = [one async for one in _existing(part, ctx, Holding.DOCUMENTS) if isinstance(one, ExistingDocument)] if wished else []
    rows = [row_of(name, link) for link in found]
    rows += [row_of_document(name, link) for link in document_links([one for _, one in wished.values()], documents)]
    written = tuple(sorted(one.name for one in rules.entities.values() if one.target == name and not one.is_observed))
    return AdoptionPlan(name, tuple(rows), bound, *_nobodys(free, found), written)


async def apply_plan(
    hub: Hub, connection: str, rows: Sequence[PlanRow], adoption: Adoption, on_step: OnStep = lambda _a, _b: None
) -> Adopted:
    """Bind what is certain and what people answered, in steps that a crash leaves whole; all is looked at before anything is written.

    Raises:
        SetupError: what a row rests on has changed (``adopt.stale``), two rows want the same (``adopt.twice``), or a record cannot be
            bound (``adopt.barred``), with the names. TransientError: applied again it goes on where it ended.
    """
    if problem := reason_problem(adoption.reason):
        raise SetupError(f"the reason {problem}: it is kept in the audit", code="adopt.reason")
    name, part, ctx = await _target(hub, connection)
    todo = await _todo(hub, name, part, ctx, _wanted(name, rows))
    steps = _Steps(hub, name, part, ctx, adoption, todo, on_step)
    for chunk in _parts(sorted(todo.customers), NAMED_AT_A_TIME):
        await steps.customers(chunk)
    for chunk in _parts(sorted(todo.documents), NAMED_AT_A_TIME):
        await steps.documents(chunk)
    return Adopted(steps.bound, todo.already + steps.already, tuple(sorted((*todo.others, *steps.others))), unanswered(rows))


@dataclass(frozen=True, slots=True)
class _Todo:
    """What is left to be bound, all looked at: by key, the record and the row; of documents, with the wish and what the books call it."""

    customers: Mapping[str, tuple[str, PlanRow]]
    documents: Mapping[str, tuple[str, PlanRow]]
    wished: Mapping[str, tuple[CommandRow, WishedDocument]]
    names: Mapping[str, str]
    already: int
    others: tuple[tuple[str, str], ...]

    @property
    def total(self) -> int:
        """How many there are, with those that were bound before."""
        return len(self.customers) + len(self.documents) + self.already


async def _todo(hub: Hub, target: str, part: Adopts, ctx: Context, wanted: Mapping[str, tuple[str, PlanRow]]) -> _Todo:
    """Return what is left to be done of what is wanted. Raises SetupError where anything stands in the way."""
    async with hub.pool.connection() as conn:
        known = await bindings.current(conn, target, [NeedKey(key) for key in wanted])
        done: dict[str, str] = {key: binding.external_id for key, binding in known.items()}
        left = {key: one for key, one in wanted.items() if key not in done}
        customers = {key: one for key, one in left.items() if one[1].kind == CUSTOMER.name}
        documents = {key: one for key, one in left.items() if one[1].kind != CUSTOMER.name}
        told = await _customers(hub, conn, [row.id for _, row in customers.values()])
        taken = await _taken(conn, target)
        records = {key.partition("/")[2]: external_id for external_id, key in taken.items()}
        records |= {row.id: external_id for external_id, row in customers.values()}
        wished = await wished_documents(hub, conn, target, records) if documents else {}
    there = await _look_at(part, ctx, [external_id for external_id, _ in left.values()])
    _refuse(target, customers, told, {id: one for id, one in there.items() if isinstance(one, ExistingRecord)}, taken)
    bills = {id: one for id, one in there.items() if isinstance(one, ExistingDocument)}
    refuse_documents(target, documents, wished, bills)
    others = tuple((key, done[key]) for key, (external_id, _) in wanted.items() if done.get(key, external_id) != external_id)
    names = {id: one.name for id, one in bills.items()}
    return _Todo(customers, documents, wished, names, len(done) - len(others), others)


@dataclass(slots=True)
class _Steps:
    """The steps of applying: each names some records in the target and binds them here, in one transaction."""

    hub: Hub
    target: str
    part: Adopts
    ctx: Context
    adoption: Adoption
    todo: _Todo
    on_step: OnStep
    bound: int = 0
    already: int = 0
    others: list[tuple[str, str]] = field(default_factory=list)

    async def customers(self, keys: Sequence[str]) -> None:
        """Bind some customers to whoever bears their keys."""
        wanted = self.todo.customers
        named = {external_key(CUSTOMER.name, wanted[key][1].id): key for key in keys}
        borne = await self.part.adopt(self.ctx, {name: wanted[key][0] for name, key in named.items()})
        who = {key: borne[name] for name, key in named.items()}
        new = await _bind(self.hub, self.target, who, {key: wanted[key] for key in keys}, self.adoption)
        self._count({key: wanted[key][0] for key in keys}, who, new)

    async def documents(self, keys: Sequence[str]) -> None:
        """End some wishes by what bears their keys; what a worker posted meanwhile is the wish's own."""
        wanted, wished = self.todo.documents, self.todo.wished
        named = {wished[key][1].key: key for key in keys}
        borne = await self.part.adopt(self.ctx, {name: wanted[key][0] for name, key in named.items()})
        who = {key: borne[name] for name, key in named.items()}
        done = {key: (wished[key][0], one, self.todo.names[one]) for key, one in who.items() if one == wanted[key][0]}
        new = await bind_documents(self.hub, self.target, done, {key: wanted[key][1] for key in keys}, self.adoption)
        self._count({key: wanted[key][0] for key in keys}, who, new)

    def _count(self, wanted: Mapping[str, str], who: Mapping[str, str], new: Collection[str]) -> None:
        others = [(key, one) for key, one in who.items() if one != wanted[key]]
        self.others += others
        self.bound += len(new)
        self.already += len(who) - len(others) - len(new)
        self.on_step(self.bound + self.already + self.todo.already, self.todo.total)


async def _target(hub: Hub, connection: str) -> tuple[str, Adopts, Context]:
    """Return the target that is meant, as the release in force decides it."""
    await ruling.follow(hub)
    able = {name: one.adopts for name, (one, _) in hub.written_to.items() if one.adopts is not None}
    known = ", ".join(sorted(able))
    if not able:
        raise SetupError("no connection that is written to can tell which records it holds", code="adopt.target")
    if connection and connection not in able:
        raise SetupError(
            f"{connection!r} is no connection that is written to and can tell what it holds; there are: {known}", code="adopt.target"
        )
    if not connection and len(able) > 1:
        raise SetupError(f"several connections can tell what they hold: {known}; name one with --connection", code="adopt.target")
    name = connection or next(iter(able))
    return name, able[name], hub.contexts[name]


async def _existing(part: Adopts, ctx: Context, what: Holding) -> AsyncIterator[ExistingRecord | ExistingDocument]:
    cursor, has_more = "", True
    while has_more:
        page = await part.existing(ctx, what, cursor)
        for one in page.records:
            yield one
        cursor, has_more = page.cursor, page.has_more


async def _look_at(part: Adopts, ctx: Context, external_ids: Sequence[str]) -> dict[str, ExistingRecord | ExistingDocument]:
    found: dict[str, ExistingRecord | ExistingDocument] = {}
    for chunk in _parts(external_ids, READ_AT_A_TIME):
        found |= {one.external_id: one for one in await part.look_at(ctx, chunk)}
    return found


async def _taken(conn: Conn, target: str) -> Mapping[str, str]:
    """Return which records of a target are some customer's by now, and whose."""
    return await bindings.bound_as(conn, target, f"{CUSTOMER.name}/")


async def _unbound(hub: Hub, conn: Conn, rules: Rules, target: str, part: Adopts) -> tuple[list[UnboundCustomer], int]:
    """Return the customers that would be written to a target and are not bound there, with their open money; and how many are bound."""
    open_money = await _open(hub, conn)
    found: list[UnboundCustomer] = []
    bound = 0
    async for rows in _pages(hub, conn, CUSTOMER.name):
        meant = {row.ref: row for row in rows if is_written_to(rules, Origin(row.connection, row.account), target)}
        known = await bindings.current(conn, target, [need_of(ref) for ref in meant])
        follows = await links.same_facts(conn, meant)
        for ref, row in meant.items():
            customer = cast("Customer", decode_record(CUSTOMER.name, row.data))
            if need_of(ref) in known:
                bound += 1
            elif not customer.merged_into and ref not in follows:
                key = external_key(CUSTOMER.name, ref.id)
                found.append(UnboundCustomer(customer, key, open_money.get(ref.id, ()), part.written(customer)))
    return found, bound


async def _open(hub: Hub, conn: Conn) -> dict[str, tuple[Money, ...]]:
    """Return what is to be paid at the sources, by customer, an amount for each currency."""
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    async for rows in _pages(hub, conn, INVOICE.name, [state.value for state in OPEN]):
        bills = [cast("Invoice", decode_record(INVOICE.name, row.data)) for row in rows]
        untold = [bill.customer_id for bill in bills if bill.amount_remaining is None]
        beside = await objects.about_customers(conn, hub.cipher, sorted(set(untold)), (CREDIT_NOTE.name, PAYMENT.name))
        documents = [decode_record(row.ref.kind, row.data) for row in beside]
        for bill in bills:
            sums[bill.customer_id][bill.currency] += open_of(bill, documents).minor
    return {id: tuple(Money(minor, currency) for currency, minor in sorted(of.items()) if minor) for id, of in sums.items()}


async def _pages(hub: Hub, conn: Conn, kind: str, states: Sequence[str] = ()) -> AsyncIterator[list[ObjectRow]]:
    after = ""
    while rows := await objects.after(conn, hub.cipher, kind, after, READ_AT_A_TIME, states=states):
        yield rows
        after = rows[-1].ref.id


def _parts(several: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (several[start : start + size] for start in range(0, len(several), size))


async def _customers(hub: Hub, conn: Conn, ids: Iterable[str]) -> dict[str, Customer]:
    found: dict[str, Customer] = {}
    for chunk in _parts(list(ids), READ_AT_A_TIME):
        loaded = await objects.load(conn, hub.cipher, [CUSTOMER.ref(id) for id in chunk])
        found |= {ref.id: cast("Customer", decode_record(CUSTOMER.name, row.data)) for ref, row in loaded.items()}
    return found


def _nobodys(free: Sequence[ExistingRecord], found: Sequence[AdoptionLink]) -> tuple[int, tuple[Money, ...]]:
    """Return how many records no customer is or may be, and what is open of them."""
    named = {link.record.external_id for link in found if link.record is not None}
    rest = [one for one in free if one.external_id not in named and not one.keys]
    sums: Counter[str] = Counter()
    for one in rest:
        for money in one.open:
            sums[money.currency] += money.minor
    return len(rest), tuple(Money(minor, currency) for currency, minor in sorted(sums.items()) if minor)


def _wanted(target: str, rows: Sequence[PlanRow]) -> dict[str, tuple[str, PlanRow]]:
    """Return what is to be bound to what, by which row. Raises SetupError: a row was changed, or two want the same."""
    found: dict[str, tuple[str, PlanRow]] = {}
    for row in rows:
        if seal_of(target, row) != row.rests_on.rpartition("-")[2]:
            words = f"the row of {row.key} and {row.external_id or 'none'} is not as it was planned for {target}"
            raise refusal(words, code="adopt.file")
        external_id = row.wanted
        if external_id and row.key in found:
            both = f"{found[row.key][0]} and {external_id}"
            raise refusal(f"{row.key} is to be {both}: answer no to one of them", code="adopt.twice")
        if external_id:
            found[row.key] = (external_id, row)
    of_record: defaultdict[str, list[str]] = defaultdict(list)
    for key, (external_id, _) in found.items():
        of_record[external_id].append(key)
    for external_id, keys in of_record.items():
        if len(keys) > 1:
            is_customers = all(found[key][1].kind == CUSTOMER.name for key in keys)
            merged = "say `counterfoil identity merge` if they are one, or " if is_customers else ""
            raise refusal(f"{external_id} is to be {' and '.join(sorted(keys))}: {merged}choose one", code="adopt.twice")
    return found


def _refuse(
    target: str,
    wanted: Mapping[str, tuple[str, PlanRow]],
    customers: Mapping[str, Customer],
    records: Mapping[str, ExistingRecord],
    taken: Mapping[str, str],
) -> None:
    """Raise SetupError where anything stands in the way of what is wanted of customers, with all names."""
    stale: list[str] = []
    twice: list[str] = []
    barred: list[str] = []
    for key, (external_id, row) in wanted.items():
        customer, record = customers.get(row.id), records.get(external_id)
        stale += [key] if customer is None or not is_as_planned(row, customer) else []
        stale += [external_id] if record is None or (external_id == row.external_id and not is_as_planned(row, record)) else []
        owner = taken.get(external_id, key)
        if owner != key:
            twice.append(f"{external_id}, which is {owner} already")
        elif record is not None and _is_anothers(record.keys, external_key(CUSTOMER.name, row.id)):
            twice.append(f"{external_id}, which bears {', '.join(record.keys)} already")
        if record is not None and record.barred:
            barred.append(f"{external_id}: {record.barred}")
    if stale:
        raise refusal(f"{some_of(stale)}: changed, or is gone, since the plan was made: make a new one", code="adopt.stale")
    if twice:
        raise refusal(f"{some_of(twice)}: another customer's in {target}: make a new plan", code="adopt.twice")
    if barred:
        raise refusal(f"{some_of(barred)}: no record a customer can be: answer no", code="adopt.barred")


def _is_anothers(keys: Collection[str], own: str) -> bool:
    return bool(keys) and own not in keys


async def _bind(
    hub: Hub, target: str, who: Mapping[str, str], wanted: Mapping[str, tuple[str, PlanRow]], adoption: Adoption
) -> frozenset[str]:
    """Bind customers to the records that bear their keys, release what waited for them, and write down by whose word: one transaction.

    Returns the keys that are bound as wanted since now. What another run bound at the same moment, and what a worker made, is not said
    to be adopted by this one.
    """
    now = hub.clock.now()
    found = [Binding(target, NeedKey(key), external_id, since=now) for key, external_id in who.items()]
    async with hub.pool.connection() as conn, conn.transaction():
        before = await bindings.current(conn, target, [one.key for one in found])
        touched = await outbox.bind_and_release(conn, found, now)
        known = await bindings.current(conn, target, [one.key for one in found])
        new = frozenset(key for key, one in known.items() if key not in before and one.since == now and one.external_id == wanted[key][0])
        for key in sorted(new):
            detail = told_of_binding(target, who[key], wanted[key][1], adoption)
            await audit.append(conn, AuditLine(now, adoption.actor, "adopted", key, detail))
        await hub.arm(conn, touched)
    return new
