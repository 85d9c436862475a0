"""Tables ``command``, ``command_key`` and ``command_need``: wishes against targets, from the decision to one known outcome.

waiting (for what it needs) -> ready -> [intent: unknown] -> done, ready again (retry), parked (refused), or still unknown: to be resolved.
A command is wished once, ever, by its id. Wishers and binders exclude each other by a latch, so that a binding that commits while a command
is being wished is never missed. Functions return partitions to arm; the caller arms them last in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.keys import BINDS_NOTHING, NeedKey

from . import bindings
from .bindings import Binding
from .cipher import Cipher
from .columns import columns, joined
from .pool import Conn, PartitionKey
from .work import deliver_key


class CommandState(StrEnum):
    """Where a command stands; the values of the type ``command_state``."""

    WAITING = "waiting"
    READY = "ready"
    UNKNOWN = "unknown"
    DONE = "done"
    PARKED = "parked"
    CANCELED = "canceled"


class EndStatus(StrEnum):
    """How a try ended: the five ends of a connector's outcome; ``given_up`` parks a command whose effect is still unknown."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    RETRY = "retry"
    WAITING = "waiting"
    GIVEN_UP = "given_up"


_STATE_AFTER = {
    EndStatus.DONE: CommandState.DONE,
    EndStatus.REFUSED: CommandState.PARKED,
    EndStatus.UNKNOWN: CommandState.UNKNOWN,
    EndStatus.RETRY: CommandState.READY,
    EndStatus.WAITING: CommandState.WAITING,
    EndStatus.GIVEN_UP: CommandState.PARKED,
}


_TO_DELIVER = (CommandState.READY, CommandState.UNKNOWN)
NO_LONGER_CALLED_FOR = "the state of its subject no longer calls for it"
WAIVED_BY = "waived by "
"""What the reasons of canceled commands say, or begin with."""


@dataclass(frozen=True, slots=True)
class NewCommand:
    """A command to be wished; ``id`` is 32 hexadecimal characters, ``arguments`` the encoded canonical arguments.

    ``order_key``: commands of one batch key that share it are sent one after the other, in order of wishing; empty: in any order.
    """

    id: str
    kind: str
    target: str
    entity: str
    batch_key: str
    subject: ObjectRef
    external_key: str
    arguments: bytes
    order_key: str = ""
    lane: int = 10
    produces: NeedKey = BINDS_NOTHING
    needs: tuple[NeedKey, ...] = ()
    not_before: datetime | None = None
    rules_version: int = 0
    causation_id: str = ""
    content: str = ""


@dataclass(frozen=True, slots=True)
class CommandRow:
    """A command as it stands, with its decrypted arguments. ``attempts`` counts towards parking, ``fence`` numbers every try there was."""

    id: str
    created_at: datetime
    seq: int
    kind: str
    target: str
    entity: str
    batch_key: str
    order_key: str
    lane: int
    subject: ObjectRef
    external_key: str
    produces: NeedKey
    needs: tuple[NeedKey, ...]
    missing: int
    state: CommandState
    not_before: datetime | None
    next_try_at: datetime | None
    attempts: int
    fence: int
    in_doubt: bool
    sent_at: datetime | None
    done_at: datetime | None
    external_id: str
    external_name: str
    code: str
    reason: str
    rules_version: int
    causation_id: str
    content: str
    arguments: bytes = field(repr=False)

    @property
    def is_waived(self) -> bool:
        """Whether a person let it go for good: it is not wished again as it was, whatever calls for it."""
        return self.state is CommandState.CANCELED and self.reason.startswith(WAIVED_BY)


@dataclass(frozen=True, slots=True)
class Wished:
    """Ids of the commands that are new, and the partitions to arm."""

    new: frozenset[str]
    touched: tuple[PartitionKey, ...]


@dataclass(frozen=True, slots=True)
class End:
    """The end of one try. ``next_try_at``: for ``retry`` and ``unknown``, when to go on (None: at once).

    ``entity`` and the like stay as they were; ``code`` and ``reason`` tell why it was not done. ``fence``: the number of the try this is
    the end of, None: of whichever. ``is_counted``: False gives the attempt back (the target was away, the command did nothing wrong).
    """

    id: str
    created_at: datetime
    status: EndStatus
    external_id: str = ""
    external_name: str = ""
    code: str = ""
    reason: str = ""
    next_try_at: datetime | None = None
    fence: int | None = None
    is_counted: bool = True


@dataclass(frozen=True, slots=True)
class Settled:
    """What settling changed: ids that took their new state (a second settling changes nothing), keys bound, and partitions to arm."""

    changed: frozenset[str]
    bound: tuple[Binding, ...]
    touched: tuple[PartitionKey, ...]


_WISH = """
with wished as (
    select * from unnest(
        %(id)s::uuid[], %(kind)s::text[], %(target)s::text[], %(entity)s::text[], %(batch_key)s::text[], %(order_key)s::text[],
        %(lane)s::int2[], %(subject_kind)s::text[], %(subject_id)s::text[], %(external_key)s::text[], %(produces)s::text[],
        %(needs)s::text[], %(not_before)s::timestamptz[], %(rules_version)s::int4[], %(causation_id)s::text[],
        %(content)s::text[], %(key_id)s::text[], %(envelope)b::bytea[]
    ) with ordinality as t(id, kind, target, entity, batch_key, order_key, lane, subject_kind, subject_id, external_key, produces, needs,
        not_before, rules_version, causation_id, content, key_id, arguments, place)
), fresh as (
    insert into command_key (id, created_at) select distinct id, %(now)s::timestamptz from wished order by id
    on conflict do nothing returning id
), first as (
    select distinct on (w.id) w.* from wished w join fresh using (id) order by w.id, w.place
), need as (
    select distinct f.target, k.key, f.id from first f, unnest(string_to_array(f.needs, E'\\n')) as k(key)
    where not exists (select 1 from binding b where b.connection = f.target and b.key = k.key and b.until is null)
), needed as (
    insert into command_need (target, key, command_id, created_at) select target, key, id, %(now)s from need order by target, key, id
), placed as (
    select f.*, (select count(*) from need n where n.id = f.id) as missing,
        exists (select 1 from target_known k where k.target = f.target and k.external_key = f.external_key)
            or exists (select 1 from relearning r where r.target = f.target and r.is_blind) as in_doubt
    from first f order by place
)
insert into command (id, created_at, seq, kind, target, entity, batch_key, order_key, lane, subject_kind, subject_id, external_key,
    produces, needs, missing, in_doubt, state, not_before, next_try_at, rules_version, causation_id, content, key_id, arguments)
select id, %(now)s, nextval('command_seq'), kind, target, entity, batch_key, order_key, lane, subject_kind, subject_id, external_key,
    produces, string_to_array(needs, E'\\n'), missing, in_doubt,
    case when missing > 0 then 'waiting' when in_doubt then 'unknown' else 'ready' end::command_state, not_before, not_before,
    rules_version, causation_id, content, key_id, arguments
from placed
returning id, target, batch_key, state
"""
"""Wishes commands that were never wished: the key decides, over all partitions and time. A command whose needs are not all bound waits,
and each missing one is noted for whoever binds it. One whose key its target bore before a restore, or while that is not known, is
resolved and never sent as new."""


async def wish(conn: Conn, cipher: Cipher, wishes: Sequence[NewCommand], now: datetime) -> Wished:
    """Add commands that were never wished before, ready or waiting for what is not bound yet.

    One whose key the target is known to hold is in doubt from its beginning: resolved by its key, not sent (relearning.py).

    The transaction must be READ COMMITTED (the default): what is bound is looked at after the latch is held.
    """
    if not wishes:
        return Wished(frozenset(), ())
    await conn.execute("lock table binding_latch in row exclusive mode")
    sealed = [cipher.encrypt(one.arguments, _aad(one.id)) for one in wishes]
    names = (
        "id", "kind", "target", "entity", "batch_key", "order_key", "lane", "external_key", "produces", "not_before", "rules_version",
        "causation_id", "content",
    )  # fmt: skip
    given = columns(wishes, names) | {
        "subject_kind": [one.subject.kind for one in wishes],
        "subject_id": [one.subject.id for one in wishes],
        "needs": [joined(one.needs) for one in wishes],
        "key_id": [key for key, _ in sealed],
        "envelope": [envelope for _, envelope in sealed],
        "now": now,
    }
    rows = await (await conn.execute(_WISH, given)).fetchall()
    touched = {deliver_key(target, batch_key) for _, target, batch_key, state in rows if state != CommandState.WAITING}
    return Wished(frozenset(row[0].hex for row in rows), tuple(sorted(touched)))


def _aad(id: str) -> str:
    return f"command/{id}"


_PLAIN = (
    "id", "created_at", "seq", "kind", "target", "entity", "batch_key", "order_key", "lane", "external_key", "produces", "needs", "missing",
    "not_before", "next_try_at", "attempts", "fence", "in_doubt", "sent_at", "done_at", "external_id", "external_name", "code",
    "reason", "rules_version", "causation_id", "content",
)  # fmt: skip
_SELECT = f"select {', '.join(_PLAIN)}, state::text, subject_kind, subject_id, key_id, arguments from command c "


async def read(conn: Conn, cipher: Cipher, ids: Sequence[str]) -> list[CommandRow]:
    """Return commands by id, in order of wishing; unknown ids are left out."""
    condition = "where (created_at, id) in (select k.created_at, k.id from command_key k where k.id = any(%(ids)s::uuid[])) order by seq"
    return await select(conn, cipher, condition, {"ids": list(ids)})


async def of_subjects(conn: Conn, cipher: Cipher, subjects: Iterable[ObjectRef]) -> list[CommandRow]:
    """Return all commands that any of the subjects asked for, in order of wishing."""
    wanted = list(set(subjects))
    if not wanted:
        return []
    condition = "where (subject_id, subject_kind) in (select * from unnest(%(ids)s::text[], %(kinds)s::text[])) order by seq"
    given = {"ids": [ref.id for ref in wanted], "kinds": [ref.kind for ref in wanted]}
    return await select(conn, cipher, condition, given)


async def select(conn: Conn, cipher: Cipher, condition: str, given: Mapping[str, object]) -> list[CommandRow]:
    """Return commands by the rest of a query on ``command c``, with their arguments decrypted."""
    cursor = await conn.execute(_SELECT + condition, given, binary=True)
    rows = []
    for row in await cursor.fetchall():
        *plain, state, kind, subject_id, key_id, envelope = row
        known = dict(zip(_PLAIN, plain, strict=True))
        known |= {"id": known["id"].hex, "needs": tuple(known["needs"]), "state": CommandState(state)}
        arguments = cipher.decrypt(key_id, envelope, _aad(known["id"]))
        rows.append(CommandRow(subject=ObjectRef(kind, subject_id), arguments=arguments, **known))
    return rows


_MARK_SENT = """
update command c set state = 'unknown', in_doubt = true, sent_at = %(now)s, attempts = c.attempts + 1, fence = c.fence + 1,
    next_try_at = null
from unnest(%(id)s::uuid[], %(created_at)s::timestamptz[], %(attempts)s::int4[], %(fence)s::int4[]) as s(id, created_at, attempts, fence)
where c.created_at = s.created_at and c.id = s.id and c.attempts = s.attempts and c.fence = s.fence and c.state in ('ready', 'unknown')
returning c.id
"""
"""The row must be as it was claimed (attempts, fence, state): whoever took it since, or canceled it, keeps it. By the key of its month
first, so that one partition is looked into."""


async def mark_sent(conn: Conn, commands: Sequence[CommandRow], now: datetime) -> frozenset[str]:
    """Note the intent to send (or resolve) claimed commands, to be committed before anything is sent; return the ids noted.

    From here on their state is unknown: a crash leaves them to be resolved. An id that is missing in the answer was taken by somebody else
    since it was claimed: do not send it. The try's number is the row's ``fence`` plus one.
    """
    if not commands:
        return frozenset()
    given = columns(commands, ("id", "created_at", "attempts", "fence")) | {"now": now}
    return frozenset(row[0].hex for row in await (await conn.execute(_MARK_SENT, given)).fetchall())


_SETTLE = """
update command c set
    state = s.state::command_state, in_doubt = s.in_doubt, next_try_at = s.next_try_at,
    done_at = case when s.state = 'done' then %(now)s else c.done_at end,
    external_id = case when s.external_id = '' then c.external_id else s.external_id end,
    external_name = case when s.external_name = '' then c.external_name else s.external_name end,
    code = s.code, reason = s.reason, attempts = case when s.is_counted then c.attempts else greatest(c.attempts - 1, 0) end
from unnest(%(id)s::uuid[], %(created_at)s::timestamptz[], %(state)s::text[], %(in_doubt)s::bool[], %(next_try_at)s::timestamptz[],
    %(external_id)s::text[], %(external_name)s::text[], %(code)s::text[], %(reason)s::text[], %(fence)s::int4[], %(is_counted)s::bool[])
    as s(id, created_at, state, in_doubt, next_try_at, external_id, external_name, code, reason, fence, is_counted)
where c.created_at = s.created_at and c.id = s.id and c.state <> 'done'
    and (s.state = 'done' or (c.state in ('ready', 'unknown') and c.fence = coalesce(s.fence, c.fence)))
returning c.id, c.target, c.produces, c.external_id, c.external_name, c.state::text
"""
"""Writes down how tries ended. Done is final and always taken, whoever reports it: it is a fact. Anything else counts only of the last
try (fence)."""


async def settle(conn: Conn, ends: Sequence[End], now: datetime) -> Settled:
    """Record how tries ended; what is done binds what it produces and releases the commands that need it.

    A done command stays done whatever is reported later; a report of done is always taken. Any other report is taken only from the last
    try: once another worker took a command up, a stale one's changes nothing. ``waiting`` counts the missing needs anew
    (end the binding that turned out to be gone first); one that misses nothing becomes ready, at ``next_try_at``.
    """
    if not ends:
        return Settled(frozenset(), (), ())
    is_any_waiting = any(end.status is EndStatus.WAITING for end in ends)
    await conn.execute(f"lock table binding_latch in {'share row exclusive' if is_any_waiting else 'share'} mode")
    given = columns(ends, ("id", "created_at", "next_try_at", "external_id", "external_name", "code", "reason", "fence", "is_counted")) | {
        "state": [_STATE_AFTER[end.status].value for end in ends],
        "in_doubt": [end.status in (EndStatus.UNKNOWN, EndStatus.GIVEN_UP) for end in ends],
        "now": now,
    }
    rows = await (await conn.execute(_SETTLE, given)).fetchall()
    bound = [Binding(row[1], row[2], row[3], row[4]) for row in rows if row[5] == CommandState.DONE and row[2]]
    touched = set(await bind_and_release(conn, bound, now))
    waiting = [row[0] for row in rows if row[5] == CommandState.WAITING]
    if waiting:
        touched.update(await _recount(conn, waiting))
    return Settled(frozenset(row[0].hex for row in rows), tuple(bound), tuple(sorted(touched)))


_RELEASE = """
with gone as (
    delete from command_need n using unnest(%(connection)s::text[], %(key)s::text[]) as b(connection, key)
    where n.target = b.connection and n.key = b.key returning n.command_id, n.created_at
), fewer as (
    select command_id, created_at, count(*) as by from gone group by 1, 2
), locked as materialized (
    select c.id, c.created_at, f.by from command c join fewer f on c.created_at = f.created_at and c.id = f.command_id
    order by c.id for update of c
)
update command c set missing = c.missing - l.by,
    state = case when c.state <> 'waiting' or c.missing > l.by then c.state when c.in_doubt then 'unknown' else 'ready' end
from locked l where c.created_at = l.created_at and c.id = l.id
returning c.target, c.batch_key, c.state::text
"""
"""Takes away the needs that bindings meet; who lacks nothing more is ready, or resolved first if in doubt. Commands are locked in the
order of their ids: two workers that bind what the same ones need do not wait for each other."""


async def bind_and_release(conn: Conn, bound: Sequence[Binding], now: datetime) -> list[PartitionKey]:
    """Bind keys and make ready the commands that waited for nothing else; return the partitions to arm."""
    if not bound:
        return []
    await conn.execute("lock table binding_latch in share mode")
    await bindings.bind(conn, bound, now)
    rows = await (await conn.execute(_RELEASE, columns(bound, ("connection", "key")))).fetchall()
    return sorted({deliver_key(target, batch_key) for target, batch_key, state in rows if state in _TO_DELIVER})


_RECOUNT = """
with need as (
    select distinct c.target, k.key, c.id, c.created_at from command c, unnest(c.needs) as k(key)
    where (c.created_at, c.id) in (select k.created_at, k.id from command_key k where k.id = any(%(ids)s)) and c.state = 'waiting'
        and not exists (select 1 from binding b where b.connection = c.target and b.key = k.key and b.until is null)
), needed as (
    insert into command_need (target, key, command_id, created_at) select target, key, id, created_at from need order by 1, 2, 3
    on conflict do nothing
)
update command c set missing = n.missing, state = case when n.missing = 0 then 'ready' else 'waiting' end::command_state
from (select k.id, k.created_at, (select count(*) from need where need.id = k.id) as missing from command_key k where k.id = any(%(ids)s)) n
where c.created_at = n.created_at and c.id = n.id and c.state = 'waiting'
returning c.target, c.batch_key, c.state::text
"""
"""Counts anew what commands still lack, as bindings ended meanwhile, and notes it for whoever binds it."""


async def _recount(conn: Conn, ids: Sequence[object]) -> list[PartitionKey]:
    rows = await (await conn.execute(_RECOUNT, {"ids": list(ids)})).fetchall()
    return [deliver_key(target, batch_key) for target, batch_key, state in rows if state == CommandState.READY]


_RETRY = """
update command c set attempts = 0, next_try_at = null, code = '', reason = '',
    state = case when in_doubt then 'unknown' when missing > 0 then 'waiting' else 'ready' end::command_state
where (created_at, id) in (select k.created_at, k.id from command_key k where k.id = any(%(ids)s::uuid[])) and state = 'parked'
returning target, batch_key
"""
"""Where it goes on depends on what is known of it: in doubt it is resolved first, lacking something it waits. The key table tells the
month, which the partitioned table needs."""


async def retry(conn: Conn, ids: Sequence[str]) -> list[PartitionKey]:
    """Take parked commands up again with a fresh count of attempts; return partitions to arm. One in doubt will be resolved first."""
    rows = await (await conn.execute(_RETRY, {"ids": list(ids)})).fetchall()
    return sorted({deliver_key(target, batch_key) for target, batch_key in rows})


_CANCEL = """
update command set state = 'canceled', reason = %(reason)s
where (created_at, id) in (select k.created_at, k.id from command_key k where k.id = any(%(ids)s::uuid[]))
    and state in ('waiting', 'ready', 'parked')
returning id, target, batch_key
"""
"""Nothing that may have taken effect is canceled: it is being sent, or in doubt, and is resolved before anybody decides otherwise."""


async def cancel(conn: Conn, ids: Sequence[str], reason: str) -> tuple[frozenset[str], list[PartitionKey]]:
    """Cancel commands that are waiting, ready or parked, with a reason; return the ids canceled and the partitions to arm.

    One that is being sent or unknown is not canceled: it may have taken effect.
    """
    rows = await (await conn.execute(_CANCEL, {"ids": list(ids), "reason": reason})).fetchall()
    await conn.execute("delete from command_need where command_id = any(%s)", ([row[0] for row in rows],))
    return frozenset(row[0].hex for row in rows), sorted({deliver_key(target, batch_key) for _, target, batch_key in rows})


async def missing_needs(conn: Conn, ids: Sequence[str]) -> dict[str, tuple[NeedKey, ...]]:
    """Return the keys each command still waits for."""
    cursor = await conn.execute(
        "select command_id, array_agg(key order by key) from command_need where command_id = any(%s::uuid[]) group by 1", (list(ids),)
    )
    return {id.hex: tuple(keys) for id, keys in await cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class Refresh:
    """New arguments of a command that took no effect yet: what is wished stayed the same, how it is booked changed (its day)."""

    id: str
    created_at: datetime
    arguments: bytes


async def refresh(conn: Conn, cipher: Cipher, refreshes: Sequence[Refresh]) -> list[PartitionKey]:
    """Give commands that were refused, or never sent, new arguments and take them up again; return the partitions to arm."""
    touched: set[PartitionKey] = set()
    for one in refreshes:
        key_id, envelope = cipher.encrypt(one.arguments, _aad(one.id))
        cursor = await conn.execute(
            "update command set key_id = %s, arguments = %b, attempts = 0, next_try_at = not_before,"
            " state = case when missing = 0 then 'ready' else 'waiting' end::command_state"
            " where created_at = %s and id = %s::uuid and not in_doubt and state in ('waiting', 'ready', 'parked')"
            " returning target, batch_key",
            (key_id, envelope, one.created_at, one.id),
        )
        touched |= {deliver_key(target, batch_key) for target, batch_key in await cursor.fetchall()}
    return sorted(touched)
