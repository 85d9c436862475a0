"""What is looked up at every decision is found by an index, however much has piled up meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from counterfoil.store import attempts, case_closing, links, matches, outbox_due, trace
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Conn, Pool

_LINKS = """
insert into link (kind, id, golden, why, connection, since, until, named_by)
select 'payment', 'acme:p' || n, 'stripe:ch_' || n, 'same_fact', 'acme', now(), case when n % 10 = 0 then now() end, 'acme:p' || n
from generate_series(1, 20000) n
"""
_CASES = """
insert into "case" (fingerprint, class, code, cause, state, opened_at, due_at, owner, next_step, impact)
select 'code|' || n % 10000, 'payment_overdue', 'dunning.stage_begun', 'c', 'waived', now(), now(), 'x', 'y', 'revenue'
from generate_series(1, 20000) n
"""

_COMMANDS = """
insert into command (id, created_at, kind, target, entity, batch_key, lane, subject_kind, subject_id, external_key, needs, state, key_id,
    arguments)
select gen_random_uuid(), now(), 'x', 'odoo', 'DE', 'b' || n % 4, 10, 'invoice', n::text, '', array['customer/' || n], 'waiting', 'k', ''
from generate_series(1, 20000) n;
insert into binding (connection, key, external_id, since) select 'odoo', 'product/' || n, n::text, now() from generate_series(1, 20000) n;
analyze command_body, command_standing, binding
"""


async def _plan(conn: Conn, statement: str, given: Mapping[str, Any]) -> str:
    return "\n".join(row[0] for row in await (await conn.execute(f"explain {statement}", given)).fetchall())


async def test_links_are_found_by_index_both_ways_whether_they_stand_or_not(pool: Pool) -> None:
    async with pool.connection() as conn:
        await conn.execute(_LINKS)
        await conn.execute("analyze link")
        asked = {"kind": ["payment"] * 100, "id": [f"acme:p{n}" for n in range(100)]}
        same, of = await _plan(conn, links._SAME_FACTS, asked), await _plan(conn, links._OF, {"kind": ["payment"], "id": ["acme:p1"]})
        assert ("Seq Scan" in same, "link_to" in same) == (False, True)
        assert ("Seq Scan" in of, "link_to_ended" in of) == (False, True)


async def test_the_last_case_of_a_cause_is_found_by_index(pool: Pool) -> None:
    async with pool.connection() as conn:
        await conn.execute(_CASES)
        await conn.execute('analyze "case"')
        plan = await _plan(conn, case_closing._WAIVED, {"fingerprint": [f"code|{n}" for n in range(100)]})
        assert "case_by_cause" in plan
        assert await case_closing.waived(conn, ["code|7", "code|none"]) == {"code|7"}


async def test_whoever_is_compared_next_is_found_by_index_however_many_wait(pool: Pool) -> None:
    async with pool.connection() as conn:
        await matches.note(conn, [f"files:{n}" for n in range(20_000)], asks=False)
        await matches.note(conn, ["stripe:cus_1"])
        await conn.execute("analyze match_due")
        assert (await matches.due(conn, 2))[0].id == "stripe:cus_1"
        plan = await _plan(conn, matches._DUE, {"limit": 20})
        assert ("Sort" in plan, "match_due_in_order" in plan) == (False, True)


async def test_what_a_batch_is_chosen_from_is_found_by_index_however_much_waits_and_is_bound(pool: Pool) -> None:
    async with pool.connection() as conn:
        for statement in _COMMANDS.split(";"):
            await conn.execute(statement.encode())
        asked = {"target": "odoo", "batch_key": "b1", "now": datetime(2026, 3, 1, tzinfo=UTC), "without": [], "without_keys": [], "from": 0,
                 "below": 100, "batch": 30, "kinds": ["x"], "ordinary": [80], "bulk": [80], "is_held": False, "held": []}  # fmt: skip
        plan = await _plan(conn, outbox_due._CHOOSE + "select id from chosen", asked)
        ready = await _plan(conn, outbox_due._LACKING, asked)
    for found in (plan, ready):
        assert ("Seq Scan on binding" in found, "Seq Scan on command_standing" in found) == (False, False), found


_TRIES = """
insert into attempt (started_at, ended_at, target, batch_key, kind, size, request_digest, done, refused, unknown, retried, command_ids)
select now() + n * interval '1 s', now(), 'odoo', 'b' || n % 40, 'post_invoice', 1, '', 1, 0, 0, 0, array[gen_random_uuid()]
from generate_series(1, 20000) n;
insert into event (id, received_at, receipt_id, type, version, connection, subject_kind, subject_id, occurred_at, sequence, key_id, data)
select gen_random_uuid(), now(), n, 'invoice.issued', 1, 'stripe', 'invoice', 'stripe:in_' || n, now(), n, '', repeat('x', 200)::bytea
from generate_series(1, 20000) n;
insert into command_standing (id, created_at, target, batch_key) select gen_random_uuid(), now(), 'odoo', 'b1' from generate_series(1, 2000)
"""


async def test_the_tries_of_a_command_are_found_by_its_place_and_what_came_of_a_receipt_by_its_pages(pool: Pool) -> None:
    async with pool.connection() as conn:
        for statement in _TRIES.split(";"):
            await conn.execute(statement.encode())
        for statement in ("analyze attempt", "analyze event", "analyze command_standing"):
            await conn.execute(statement.encode())
        row = await (await conn.execute("select id from command_standing limit 1")).fetchone()
        assert row is not None
        tries = await _plan(conn, attempts._OF_COMMANDS, {"ids": [row[0].hex], "limit": 500})
        cursor = await conn.execute("explain " + trace._SUBJECTS_OF_RECEIPTS, ([7, 19_000],))
        events = "\n".join(line for (line,) in await cursor.fetchall())
    assert ("batch_key_started_at_idx" in tries, "Seq Scan on attempt_20" in tries, "Seq Scan on command_standing" in tries) == (
        True,
        False,
        False,
    )
    assert ("receipt_id_idx" in events, "Seq Scan on event_20" in events) == (True, False)


async def test_bearers_of_a_key_are_found_by_its_index_whatever_is_guessed_of_how_many_there_are(pool: Pool, cipher: Cipher) -> None:
    async with pool.connection() as conn, conn.transaction():
        await matches.put(conn, cipher, [matches.KeyedCustomer(f"files:{n}", 1, frozenset({f"n{n}"})) for n in range(50)])
        await matches.sweep(conn)
        plan = await _plan(conn, matches._BEARERS, {"keys": matches.digests(cipher, "n7"), "limit": 52})
        assert ("Seq Scan" in plan, "match_key_by_key" in plan) == (False, True)
