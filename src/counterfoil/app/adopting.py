"""Adopting customers that a target holds already: a plan of what is certain, doubtful and missing, with money, and its carrying out.

A plan writes nothing. What it rests on is sealed in each of its rows: what is applied is what was shown, or nothing. Applying gives
records the hub's keys in the target first and binds them here after: whoever dies between leaves what any worker finds by its key, and
applied again it goes on from there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from counterfoil.app import ruling
from counterfoil.app.adoption_plan import Adoption, AdoptionPlan, PlanRow, is_certain_of, refusal, row_of, seal_of
from counterfoil.app.hub import Hub
from counterfoil.core.identity.adoption import AdoptionLink, ExistingRecord, UnboundCustomer, customer_links
from counterfoil.core.kinds.credit_note import CREDIT_NOTE
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.kinds.invoice import INVOICE, Invoice
from counterfoil.core.kinds.payment import PAYMENT
from counterfoil.core.language.ids import external_key
from counterfoil.core.language.keys import need_of
from counterfoil.core.language.money import Money
from counterfoil.core.policies.decision import Origin
from counterfoil.core.policies.due import OPEN, open_of
from counterfoil.core.policies.masters import is_written_to
from counterfoil.core.policies.rules import Rules
from counterfoil.kit.codec import decode_record
from counterfoil.kit.connector import Adopts, Context
from counterfoil.kit.errors import SetupError
from counterfoil.store import audit, bindings, links, objects, outbox
from counterfoil.store.audit import AuditLine
from counterfoil.store.bindings import Binding
from counterfoil.store.objects import ObjectRow
from counterfoil.store.pool import Conn

__all__ = ["Adopted", "apply_plan", "plan_of_adoption"]

READ_AT_A_TIME = 1000
NAMED_AT_A_TIME = 200
"""Records that are named in one call, and bound in one transaction: so many are done again at most after a crash."""
T = TypeVar("T")
OnStep = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Adopted:
    """What applying a plan did: ``bound`` now, ``already`` by an earlier run; ``others``: customers a record of their own was made for
    since the plan, with it.
    """

    bound: int
    already: int
    others: tuple[tuple[str, str], ...] = ()


async def plan_of_adoption(hub: Hub, connection: str = "") -> AdoptionPlan:
    """Return which records of a target the customers are that are not bound there; reads only.

    ``connection``: empty where one target alone can tell.

    Raises:
        SetupError: no such target, or its user may not read what is needed. TransientError.
    """
    name, part, ctx = await _target(hub, connection)
    async with hub.pool.connection() as conn:
        rules = await hub.rules.current(conn)
        customers, bound = await _unbound(hub, conn, rules, name)
        taken = await _taken(conn, name)
    existing = [one async for one in _existing(part, ctx)]
    free = [one for one in existing if one.external_id not in taken]
    found = customer_links(customers, free)
    return AdoptionPlan(name, tuple(row_of(name, link) for link in found), bound, *_nobodys(free, found))


async def apply_plan(
    hub: Hub, connection: str, rows: Sequence[PlanRow], adoption: Adoption, on_step: OnStep = lambda _a, _b: None
) -> Adopted:
    """Bind what is certain and what people answered, in steps that a crash leaves whole; all is looked at before anything is written.

    Raises:
        SetupError: what a row rests on has changed (``adopt.stale``), two rows want the same (``adopt.twice``), or a record cannot be
            bound (``adopt.barred``), with the names. TransientError: applied again it goes on where it ended.
    """
    if not adoption.reason.strip():
        raise SetupError("say why: the reason is kept in the audit", code="adopt.reason")
    name, part, ctx = await _target(hub, connection)
    wanted = _wanted(name, rows)
    async with hub.pool.connection() as conn:
        known = await bindings.current(conn, name, [need_of(CUSTOMER.ref(id)) for id in wanted])
        done = {binding.key.partition("/")[2]: binding.external_id for binding in known.values()}
        already = {id for id, (external_id, _) in wanted.items() if done.get(id) == external_id}
        others = [(id, done[id]) for id in wanted if id in done and id not in already]
        open_rows = {id: one for id, one in wanted.items() if id not in done}
        customers = await _customers(hub, conn, open_rows)
        taken = await _taken(conn, name)
    records = await _look_at(part, ctx, [external_id for external_id, _ in open_rows.values()])
    _refuse(name, open_rows, customers, records, taken)
    bound = 0
    for chunk in _parts(sorted(open_rows), NAMED_AT_A_TIME):
        keys = {external_key(CUSTOMER.name, id): id for id in chunk}
        borne = await part.adopt(ctx, {key: open_rows[id][0] for key, id in keys.items()})
        who = {id: borne[key] for key, id in keys.items()}
        await _bind(hub, name, who, {id: open_rows[id][1] for id in chunk}, adoption)
        others += [(id, external_id) for id, external_id in who.items() if external_id != open_rows[id][0]]
        bound += sum(external_id == open_rows[id][0] for id, external_id in who.items())
        on_step(bound + len(already), len(wanted))
    return Adopted(bound, len(already), tuple(sorted(others)))


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


async def _existing(part: Adopts, ctx: Context) -> AsyncIterator[ExistingRecord]:
    cursor, has_more = "", True
    while has_more:
        page = await part.existing(ctx, cursor)
        for one in page.records:
            yield one
        cursor, has_more = page.cursor, page.has_more


async def _look_at(part: Adopts, ctx: Context, external_ids: Sequence[str]) -> dict[str, ExistingRecord]:
    found: dict[str, ExistingRecord] = {}
    for chunk in _parts(external_ids, READ_AT_A_TIME):
        found |= {one.external_id: one for one in await part.look_at(ctx, chunk)}
    return found


async def _taken(conn: Conn, target: str) -> Mapping[str, str]:
    """Return which records of a target are some customer's by now, and whose."""
    return await bindings.bound_as(conn, target, f"{CUSTOMER.name}/")


async def _unbound(hub: Hub, conn: Conn, rules: Rules, target: str) -> tuple[list[UnboundCustomer], int]:
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
                found.append(UnboundCustomer(customer, external_key(CUSTOMER.name, ref.id), open_money.get(ref.id, ())))
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
    """Return who is to be bound to what, by which row. Raises SetupError: a row was changed, or two want the same."""
    found: dict[str, tuple[str, PlanRow]] = {}
    for row in rows:
        if seal_of(target, row) != row.rests_on.rpartition("-")[2]:
            words = f"the row of {row.id} and {row.external_id or 'none'} is not as it was planned for {target}"
            raise refusal(words, code="adopt.file")
        external_id = row.wanted
        if not external_id:
            continue
        if row.id in found:
            both = f"{found[row.id][0]} and {external_id}"
            raise refusal(f"customer/{row.id} is to be {both}: answer no to one of them", code="adopt.twice")
        found[row.id] = (external_id, row)
    of_record: defaultdict[str, list[str]] = defaultdict(list)
    for id, (external_id, _) in found.items():
        of_record[external_id].append(id)
    for external_id, ids in of_record.items():
        if len(ids) > 1:
            both = " and ".join(f"customer/{id}" for id in sorted(ids))
            words = f"{external_id} is to be {both}: say `counterfoil identity merge` if they are one, or choose one"
            raise refusal(words, code="adopt.twice")
    return found


def _refuse(
    target: str,
    wanted: Mapping[str, tuple[str, PlanRow]],
    customers: Mapping[str, Customer],
    records: Mapping[str, ExistingRecord],
    taken: Mapping[str, str],
) -> None:
    """Raise SetupError where anything stands in the way of what is wanted, with all names."""
    stale: list[str] = []
    twice: list[str] = []
    barred: list[str] = []
    for id, (external_id, row) in wanted.items():
        customer, record = customers.get(id), records.get(external_id)
        stale += [f"customer/{id}"] if customer is None or not is_certain_of(row, customer) else []
        stale += [external_id] if record is None or (external_id == row.external_id and not is_certain_of(row, record)) else []
        owner = taken.get(external_id, "")
        if owner and owner != CUSTOMER.ref(id).key:
            twice.append(f"{external_id}, which is {owner} already")
        elif record is not None and _is_anothers(record.keys, external_key(CUSTOMER.name, id)):
            twice.append(f"{external_id}, which bears {', '.join(record.keys)} already")
        if record is not None and record.barred:
            barred.append(f"{external_id}: {record.barred}")
    if stale:
        raise refusal(f"{_some(stale)}: changed, or is gone, since the plan was made: make a new one", code="adopt.stale")
    if twice:
        raise refusal(f"{_some(twice)}: another customer's in {target}: make a new plan", code="adopt.twice")
    if barred:
        raise refusal(f"{_some(barred)}: no record a customer can be: answer no", code="adopt.barred")


def _is_anothers(keys: Collection[str], own: str) -> bool:
    return bool(keys) and own not in keys


def _some(names: Sequence[str]) -> str:
    shown = sorted(set(names))
    return ", ".join(shown[:10]) + (f" and {len(shown) - 10} more" if len(shown) > 10 else "")


async def _bind(hub: Hub, target: str, who: Mapping[str, str], rows: Mapping[str, PlanRow], adoption: Adoption) -> None:
    """Bind customers to the records that bear their keys, release what waited for them, and write down by whose word: one transaction."""
    now = hub.clock.now()
    found = [Binding(target, need_of(CUSTOMER.ref(id)), external_id, since=now) for id, external_id in who.items()]
    async with hub.pool.connection() as conn, conn.transaction():
        touched = await outbox.bind_and_release(conn, found, now)
        for id, external_id in who.items():
            detail = {"record": external_id, "connection": target, "plan": adoption.digest, "reason": adoption.reason}
            detail["by"] = "answer" if rows[id].answer else "certain"
            await audit.append(conn, AuditLine(now, adoption.actor, "adopted", CUSTOMER.ref(id).key, detail))
        await hub.arm(conn, touched)
