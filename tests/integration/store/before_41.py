"""A program before schema 41: what it says of commands, word for word. It works beside newer ones while an installation is upgraded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.language.keys import NeedKey
from counterfoil.store import bindings
from counterfoil.store.bindings import Binding
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import NewCommand
from counterfoil.store.pool import Conn

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
SUBJECT = INVOICE.ref("stripe:in_1")
CUSTOMER, ITEM, OTHER = NeedKey("customer/stripe:cus_1"), NeedKey("product/stripe:prod_1"), NeedKey("customer/stripe:cus_2")
PARTITION = ("deliver", "odoo/DE01")
WISH = """
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
"""Wishes commands: first the keys, then the commands."""
MARK_SENT = """
update command c set state = 'unknown', in_doubt = true, sent_at = %(now)s, attempts = c.attempts + 1, fence = c.fence + 1,
    next_try_at = null
from unnest(%(id)s::uuid[], %(created_at)s::timestamptz[], %(attempts)s::int4[], %(fence)s::int4[]) as s(id, created_at, attempts, fence)
where c.created_at = s.created_at and c.id = s.id and c.attempts = s.attempts and c.fence = s.fence and c.state in ('ready', 'unknown')
returning c.id
"""
"""Notes the intent, in the rows of the commands."""
SETTLE = """
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
"""Writes down how tries ended."""
RELEASE = """
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
"""Takes away the needs that bindings meet."""
CANCEL = """
update command set state = 'canceled', reason = %(reason)s
where (created_at, id) in (select k.created_at, k.id from command_key k where k.id = any(%(ids)s::uuid[]))
    and state in ('waiting', 'ready', 'parked')
returning id, target, batch_key
"""
"""Cancels."""
CLAIM = """
select id, fence, attempts, state::text from command c
where target = %(target)s and batch_key = %(batch_key)s and id <> all(%(without)s::uuid[])
    and external_key <> all(%(without_keys)s)
    and lane >= %(from)s and lane < %(below)s
    and state in ('ready', 'unknown') and (next_try_at is null or next_try_at <= %(now)s)
    and (order_key = '' or not exists (
        select 1 from command e where e.target = c.target and e.batch_key = c.batch_key and e.order_key = c.order_key and e.order_key <> ''
            and e.seq < c.seq and e.state in ('waiting', 'ready', 'unknown')))
    and not exists (select 1 from relearning r where r.target = %(target)s and r.learned_at is null)order by lane, seq
"""
"""Chooses what may be tried; here whatever kind it is of."""


def wish(number: int, **changes: object) -> NewCommand:
    plain = NewCommand(f"{number:032x}", "post_invoice", "odoo", "DE01", "DE01", SUBJECT, f"invoice_{number}", b"arguments")
    return replace(plain, **changes)  # type: ignore[arg-type]


class Old:
    """A program before schema 41."""

    def __init__(self, conn: Conn, cipher: Cipher) -> None:
        self.conn, self.cipher = conn, cipher

    async def wish(self, *wishes: NewCommand) -> list[tuple[str, str]]:
        """Wish; return the ids of those that are new, with the state they begin in."""
        names = (
            "id", "kind", "target", "entity", "batch_key", "order_key", "lane", "external_key", "produces", "not_before", "rules_version",
            "causation_id", "content",
        )  # fmt: skip
        sealed = [self.cipher.encrypt(one.arguments, f"command/{one.id}") for one in wishes]
        given = {name: [getattr(one, name) for one in wishes] for name in names} | {
            "subject_kind": [one.subject.kind for one in wishes],
            "subject_id": [one.subject.id for one in wishes],
            "needs": ["\n".join(one.needs) for one in wishes],
            "key_id": [key for key, _ in sealed],
            "envelope": [envelope for _, envelope in sealed],
            "now": NOW,
        }
        rows = await (await self.conn.execute(WISH, given)).fetchall()
        return [(id.hex, state) for id, _, _, state in rows]

    async def claim(self) -> list[tuple[str, int, int, str]]:
        """Return what may be tried: id, fence, attempts and state."""
        given = {"target": "odoo", "batch_key": "DE01", "now": NOW, "without": [], "without_keys": [], "from": 0, "below": 100}
        return [(id.hex, *rest) for id, *rest in await (await self.conn.execute(CLAIM, given)).fetchall()]

    async def mark_sent(self, rows: Sequence[tuple[str, int, int, str]]) -> list[str]:
        """Note the intent to send; return the ids noted."""
        given = {
            "id": [row[0] for row in rows], "created_at": [NOW for _ in rows], "fence": [row[1] for row in rows],
            "attempts": [row[2] for row in rows], "now": LATER,
        }  # fmt: skip
        return [id.hex for (id,) in await (await self.conn.execute(MARK_SENT, given)).fetchall()]

    async def settle(self, id: str, state: str, fence: int) -> list[str]:
        """Write down how a try ended; return the ids that changed."""
        given = {
            "id": [id], "created_at": [NOW], "state": [state], "in_doubt": [state == "unknown"], "next_try_at": [None],
            "external_id": ["account.move/1" if state == "done" else ""], "external_name": [""], "code": ["x"], "reason": ["y"],
            "fence": [fence], "is_counted": [True], "now": LATER,
        }  # fmt: skip
        return [row[0].hex for row in await (await self.conn.execute(SETTLE, given)).fetchall()]

    async def bind(self, *keys: NeedKey) -> list[str]:
        """Bind keys; return the states of the commands released by that."""
        await bindings.bind(self.conn, [Binding("odoo", key, f"id/{key}") for key in keys], NOW)
        rows = await self.conn.execute(RELEASE, {"connection": ["odoo" for _ in keys], "key": list(keys)})
        return [state for _, _, state in await rows.fetchall()]

    async def cancel(self, id: str) -> int:
        """Cancel; return how many were."""
        return (await self.conn.execute(CANCEL, {"ids": [id], "reason": "moot"})).rowcount
