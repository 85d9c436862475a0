"""Tables ``command_body`` and ``command_standing``: wishes against targets, from the decision to one known outcome.

waiting (lacking.py) -> ready -> [intent: unknown] -> done, ready again (retry), parked (refused), or still unknown: to be resolved.
What is wished is written once; how it stands is a narrow row beside it, changed as seldom as can be: one that waits is ready as soon as all
it needs is bound, one under way (sending.py) is in doubt, and neither is written into its row. Who reads commands reads them so.
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

from . import bindings, lacking, sending
from .bindings import Binding
from .cipher import Cipher
from .columns import columns, joined
from .lacking import ALL_BOUND, FIRST_UNBOUND, IS_CROWDED, MAY_BE_BOUND
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


_WISH = f"""
with given as (
    select * from unnest(
        %(id)s::uuid[], %(kind)s::text[], %(target)s::text[], %(entity)s::text[], %(batch_key)s::text[], %(order_key)s::text[],
        %(lane)s::int2[], %(subject_kind)s::text[], %(subject_id)s::text[], %(external_key)s::text[], %(produces)s::text[],
        %(needs)s::text[], %(not_before)s::timestamptz[], %(rules_version)s::int4[], %(causation_id)s::text[],
        %(content)s::text[], %(key_id)s::text[], %(envelope)b::bytea[]
    ) with ordinality as t(id, kind, target, entity, batch_key, order_key, lane, subject_kind, subject_id, external_key, produces, keys,
        not_before, rules_version, causation_id, content, key_id, arguments, place)
), wished as materialized (
    select distinct on (g.id) g.*
    from given g where not exists (select from command_standing s where s.id = g.id) order by g.id, g.place
), placed as materialized (
    select b.*, nextval('command_seq') as seq, {FIRST_UNBOUND} as waits_for,
        exists (select from target_known k where k.target = b.target and k.external_key = b.external_key)
            or exists (select from relearning r where r.target = b.target and r.is_blind) as in_doubt
    from (select *, string_to_array(keys, E'\\n') as needs from wished order by place) b
), crowded as materialized (
    select p.target, p.batch_key from (select distinct target, batch_key from placed where waits_for <> '') p
    where {IS_CROWDED}
), fresh as (
    insert into command_standing (id, created_at, seq, target, batch_key, order_key, lane, state, waits_for, is_aside, in_doubt,
        next_try_at)
    select id, %(now)s::timestamptz, seq, target, batch_key, order_key, lane,
        case when waits_for <> '' then 'waiting' when in_doubt then 'unknown' else 'ready' end::command_state, waits_for,
        waits_for <> '' and (target, batch_key) in (select target, batch_key from crowded), in_doubt, not_before
    from placed order by id
    on conflict (id) do nothing returning id
), written as (
    insert into command_body (id, created_at, seq, kind, target, entity, batch_key, order_key, lane, subject_kind, subject_id, external_key,
        produces, needs, not_before, rules_version, causation_id, content, key_id, arguments)
    select id, %(now)s, seq, kind, target, entity, batch_key, order_key, lane, subject_kind, subject_id, external_key, produces, needs,
        not_before, rules_version, causation_id, content, key_id, arguments
    from placed where id = any(array(select id from fresh)) order by seq
)
select id, target, batch_key, waits_for from placed where id = any(array(select id from fresh))
"""
"""Wishes commands that were never wished: the state's id decides, over all partitions and time. A command whose needs are not all bound
waits for the first of them. One whose key its target bore before a restore, or while that is not known, is resolved and never sent as new.
States are written in the order of their ids, so that two wishers do not wait for each other."""


async def wish(conn: Conn, cipher: Cipher, wishes: Sequence[NewCommand], now: datetime) -> Wished:
    """Add commands that were never wished before, ready or waiting for what is not bound yet.

    One whose key the target is known to hold is in doubt from its beginning: resolved by its key, not sent (relearning.py).

    The transaction must be READ COMMITTED (the default): what is bound is looked at after the latch is held.
    """
    if not wishes:
        return Wished(frozenset(), ())
    await conn.execute("lock table binding_latch in row exclusive mode")
    sealed = [cipher.encrypt(one.arguments, aad(one.id)) for one in wishes]
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
    touched = {deliver_key(target, batch_key) for _, target, batch_key, waits_for in rows if not waits_for}
    return Wished(frozenset(row[0].hex for row in rows), tuple(sorted(touched)))


def aad(id: str) -> str:
    """Return what the arguments of a command are bound to as they are encrypted."""
    return f"command/{id}"


_PLAIN = (
    "id", "created_at", "seq", "kind", "target", "entity", "batch_key", "order_key", "lane", "external_key", "produces", "needs",
    "not_before", "rules_version", "causation_id", "content",
)  # fmt: skip
_STANDING = ("next_try_at", "attempts", "fence", "in_doubt", "sent_at", "done_at", "external_id", "external_name", "code", "reason")
STATE = f"""
case when f.started_at is not null then 'unknown' when s.state <> 'waiting' or not {ALL_BOUND} then s.state::text
    when s.in_doubt then 'unknown' else 'ready' end
"""
"""How a command stands, whatever is written in its row."""

# One under way has a try more than its row says, and is in doubt since that began.
_SELECT = f"""
select {", ".join(f"b.{name}" for name in _PLAIN)},
    case when f.started_at is null then s.next_try_at end, s.attempts + (f.started_at is not null)::int,
    s.fence + (f.started_at is not null)::int, s.in_doubt or f.started_at is not null, coalesce(f.started_at, s.sent_at), s.done_at,
    s.external_id, s.external_name, s.code, s.reason,
    {STATE}, b.subject_kind, b.subject_id, b.key_id, b.arguments
from command_body b join command_standing s on s.id = b.id and s.created_at = b.created_at {sending.IN_FLIGHT}
"""


async def read(conn: Conn, cipher: Cipher, ids: Sequence[str]) -> list[CommandRow]:
    """Return commands by id, in order of wishing; unknown ids are left out."""
    condition = "where s.id = any(%(ids)s::uuid[]) order by s.seq"
    return await select(conn, cipher, condition, {"ids": list(ids)})


async def of_subjects(conn: Conn, cipher: Cipher, subjects: Iterable[ObjectRef]) -> list[CommandRow]:
    """Return all commands that any of the subjects asked for, in order of wishing."""
    wanted = list(set(subjects))
    if not wanted:
        return []
    condition = "where (b.subject_id, b.subject_kind) in (select * from unnest(%(ids)s::text[], %(kinds)s::text[])) order by b.seq"
    given = {"ids": [ref.id for ref in wanted], "kinds": [ref.kind for ref in wanted]}
    return await select(conn, cipher, condition, given)


async def select(conn: Conn, cipher: Cipher, condition: str, given: Mapping[str, object], *, first: str = "") -> list[CommandRow]:
    """Return commands by the rest of a query on ``command_body b`` and ``command_standing s``, with their arguments decrypted.

    ``first``: what the query begins with (WITH ...).
    """
    cursor = await conn.execute(first + _SELECT + condition, given, binary=True)
    rows = []
    for row in await cursor.fetchall():
        *plain, state, kind, subject_id, key_id, envelope = row
        known = dict(zip((*_PLAIN, *_STANDING), plain, strict=True))
        known |= {"id": known["id"].hex, "needs": tuple(known["needs"]), "state": CommandState(state)}
        arguments = cipher.decrypt(key_id, envelope, aad(known["id"]))
        rows.append(CommandRow(subject=ObjectRef(kind, subject_id), arguments=arguments, **known))
    return rows


async def mark_sent(conn: Conn, commands: Sequence[CommandRow], now: datetime) -> frozenset[str]:
    """Note the intent to send (or resolve) claimed commands, to be committed before anything is sent; return the ids noted.

    From here on their state is unknown: a crash leaves them to be resolved. An id that is missing in the answer was taken by somebody else
    since it was claimed: do not send it. The try's number is the row's ``fence`` plus one.
    """
    if not commands:
        return frozenset()
    await sending.lock(conn, {(row.target, row.batch_key) for row in commands})
    tried = [(row.id, row.attempts, row.fence) for row in commands]
    return await sending.begin(conn, tried, now, is_doubtful=any(row.state is CommandState.UNKNOWN for row in commands))


_SETTLE = f"""
with ended as (
    select * from unnest(%(id)s::uuid[], %(created_at)s::timestamptz[], %(state)s::text[], %(in_doubt)s::bool[],
        %(next_try_at)s::timestamptz[], %(external_id)s::text[], %(external_name)s::text[], %(code)s::text[], %(reason)s::text[],
        %(fence)s::int4[], %(is_counted)s::bool[])
        as t(id, created_at, state, in_doubt, next_try_at, external_id, external_name, code, reason, fence, is_counted)
), flying as materialized (
    select c.id, p.started_at from sending p, unnest(p.command_ids) as c(id) where p.command_ids && %(id)s::uuid[]
)
update command_standing s set
    state = e.state::command_state, in_doubt = e.in_doubt, next_try_at = e.next_try_at, waits_for = '', is_aside = false,
    done_at = case when e.state = 'done' then %(now)s else s.done_at end,
    external_id = case when e.external_id = '' then s.external_id else e.external_id end,
    external_name = case when e.external_name = '' then s.external_name else e.external_name end,
    code = e.code, reason = e.reason, fence = s.fence + (f.id is not null)::int, sent_at = coalesce(f.started_at, s.sent_at),
    attempts = greatest(0, s.attempts + (f.id is not null)::int - (not e.is_counted)::int)
from ended e join command_body b on b.created_at = e.created_at and b.id = e.id left join flying f on f.id = e.id
where s.id = e.id and s.id = any(%(id)s::uuid[]) and s.state <> 'done' and (e.state = 'done' or (
    s.fence + (f.id is not null)::int = coalesce(e.fence, s.fence + (f.id is not null)::int)
    and (s.state in ('ready', 'unknown') or (s.state = 'waiting' and (f.id is not null or {MAY_BE_BOUND})))))
returning s.id, s.target, b.produces, s.external_id, s.external_name, s.state::text
"""
"""Writes down how tries ended. Done is final and always taken, whoever reports it: it is a fact. Anything else counts only of the last
try (fence): of one under way, or that somebody put in doubt since."""


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
    changed = frozenset(row[0].hex for row in rows)
    await sending.finish(conn, [end.id for end in ends], changed)
    bound = [Binding(row[1], row[2], row[3], row[4]) for row in rows if row[5] == CommandState.DONE and row[2]]
    touched = set(await bind_and_release(conn, bound, now))
    waiting = [row[0] for row in rows if row[5] == CommandState.WAITING]
    if waiting:
        touched.update(await lacking.recount(conn, waiting))
    return Settled(changed, tuple(bound), tuple(sorted(touched)))


_RELEASE = """
with bound as (
    select * from unnest(%(connection)s::text[], %(key)s::text[]) as b(target, key)
), back as materialized (
    select s.id from command_standing s join bound b on s.target = b.target and s.waits_for = b.key
    where s.state = 'waiting' and s.is_aside order by s.id for update of s
), looked_at as (
    update command_standing s set is_aside = false from back where s.id = back.id
)
select distinct s.target, s.batch_key from command_standing s join bound b on s.target = b.target and s.waits_for = b.key
where s.state = 'waiting'
"""
"""Finds where commands wait for what is bound. They are ready by that, or lack another key, which whoever claims them finds out
(``outbox_due.look_further``): their rows stay as they are, but for those that were set aside."""


async def bind_and_release(conn: Conn, bound: Sequence[Binding], now: datetime) -> list[PartitionKey]:
    """Bind keys, which makes ready the commands that waited for nothing else; return the partitions to arm, where some waited for them."""
    if not bound:
        return []
    await conn.execute("lock table binding_latch in share mode")
    await bindings.bind(conn, bound, now)
    rows = await (await conn.execute(_RELEASE, columns(bound, ("connection", "key")))).fetchall()
    return sorted({deliver_key(target, batch_key) for target, batch_key in rows})


_RETRY = """
update command_standing set attempts = 0, next_try_at = null, code = '', reason = '',
    state = case when in_doubt then 'unknown' else 'ready' end::command_state
where id = any(%(ids)s::uuid[]) and state = 'parked' returning target, batch_key
"""
"""Where it goes on depends on what is known of it: in doubt it is resolved first."""


async def retry(conn: Conn, ids: Sequence[str]) -> list[PartitionKey]:
    """Take parked commands up again with a fresh count of attempts; return partitions to arm. One in doubt will be resolved first."""
    rows = await (await conn.execute(_RETRY, {"ids": list(ids)})).fetchall()
    return sorted({deliver_key(target, batch_key) for target, batch_key in rows})
