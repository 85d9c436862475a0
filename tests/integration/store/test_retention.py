"""What has been kept long enough is erased, class by class; what replays, open work and the financial record need stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from counterfoil.app.retention_settings import RetentionSettings
from counterfoil.core.language.case_class import CaseClass
from counterfoil.kit.clock import SettableClock
from counterfoil.store import attempts, cases, receipts, receipts_fetched, retention, rotation
from counterfoil.store.attempts import Attempt
from counterfoil.store.cases import CaseState
from counterfoil.store.cipher import Cipher
from counterfoil.store.migrate import ensure_partitions
from counterfoil.store.opening import opening
from counterfoil.store.pool import Pool
from counterfoil.store.receipts import Incoming, ReceiptEnd, ReceiptState, Selection
from counterfoil.store.receipts_fetched import FetchedFor
from counterfoil.upkeep import retaining
from counterfoil.upkeep.retaining import Retainer

DAY_1 = datetime(2026, 1, 10, 12, tzinfo=UTC)
DAYS = {"bodies": 100, "events": 100, "attempts": 50, "cases": 100, "audit": 400}
ALL = Selection("stripe", DAY_1 - timedelta(days=1), DAY_1 + timedelta(days=3650))


async def keep(pool: Pool, cipher: Cipher, *names: str, at: datetime = DAY_1, state: ReceiptState | None = ReceiptState.NORMALIZED) -> None:
    """Receive deliveries, and have them read."""
    async with pool.connection() as conn, conn.transaction():
        told = [Incoming("stripe", name, name, "invoice.paid", b'{"name": "Ann"}', at, headers={"sig": "1"}) for name in names]
        appended = await receipts.append(conn, cipher, told, at)
        if state is not None:
            await receipts.settle(conn, [ReceiptEnd(id, at, state, "r") for id in appended.ids if id is not None], at)
        answers = [FetchedFor(id, at, "stripe", name, b"{}") for id, name in zip(appended.ids, names, strict=True) if id is not None]
        await receipts_fetched.put(conn, cipher, answers)


async def run(pool: Pool, days_later: int, **days: int) -> None:
    """Have everything erased that may be, so many days later."""
    retainer = Retainer(pool, SettableClock(DAY_1 + timedelta(days=days_later)), DAYS | days)
    for _ in range(50):
        if (await retainer.turn("all")).wake_in_s == retaining.EVERY_S:
            return
    raise AssertionError("it does not end")


async def fetched(pool: Pool) -> int:
    """Return of how many deliveries what was fetched is kept."""
    return await count(pool, "receipt_fetched")


async def bodies(pool: Pool) -> dict[str, int]:
    """Return the size of each delivery's body."""
    async with pool.connection() as conn:
        rows = await (await conn.execute("select dedupe_key, length(body) > 0 from receipt order by 1")).fetchall()
    return dict(rows)


async def count(pool: Pool, table: str) -> int:
    async with pool.connection() as conn:
        row = await (await conn.execute(f'select count(*) from "{table}"'.encode())).fetchone()
    return -1 if row is None else int(row[0])


async def test_bodies_are_erased_when_their_days_are_over_and_not_before(pool: Pool, cipher: Cipher) -> None:
    await keep(pool, cipher, "evt_1")
    await keep(pool, cipher, "evt_2", at=DAY_1 + timedelta(days=5))
    await run(pool, 99)
    assert await bodies(pool) == {"evt_1": True, "evt_2": True}
    assert await fetched(pool) == 2
    await run(pool, 101)
    assert await bodies(pool) == {"evt_1": False, "evt_2": True}
    assert await fetched(pool) == 1
    await run(pool, 101, bodies=0)
    await run(pool, 106)
    assert await bodies(pool) == {"evt_1": False, "evt_2": False}


async def test_the_days_of_a_body_begin_when_it_was_read_also_where_its_row_does_not_say_when(pool: Pool, cipher: Cipher) -> None:
    await keep(pool, cipher, "evt_1", state=None)
    async with pool.connection() as conn:
        [id] = [one.id for one in await receipts.select(conn, cipher, ALL)]
        read_at = DAY_1 + timedelta(days=50)
        assert await receipts.settle(conn, [ReceiptEnd(id, DAY_1, ReceiptState.NORMALIZED)], read_at) == 1
    await run(pool, 149)
    assert await bodies(pool) == {"evt_1": True}
    await run(pool, 151)
    assert await bodies(pool) == {"evt_1": False}
    assert await fetched(pool) == 0


async def test_what_a_program_of_before_schema_32_erases_takes_with_it_what_was_fetched(pool: Pool, cipher: Cipher) -> None:
    await keep(pool, cipher, "evt_1", "evt_2")
    async with pool.connection() as conn:
        await conn.execute(
            "update receipt set body = '', key_id = '', fetched = null, fetched_key_id = '', headers = '{}' where dedupe_key = 'evt_1'"
        )
    assert (await bodies(pool), await fetched(pool)) == ({"evt_1": False, "evt_2": True}, 1)


async def test_zero_days_keep_for_ever(pool: Pool, cipher: Cipher) -> None:
    await keep(pool, cipher, "evt_1")
    await run(pool, 5000, bodies=0)
    assert await bodies(pool) == {"evt_1": True}


async def test_an_erased_delivery_that_comes_again_is_a_duplicate_and_is_counted(pool: Pool, cipher: Cipher) -> None:
    await keep(pool, cipher, "evt_1")
    await run(pool, 101)
    async with pool.connection() as conn:
        again = await receipts.append(conn, cipher, [Incoming("stripe", "evt_1", "x", "invoice.paid", b"{}", DAY_1)], DAY_1)
        assert again.ids == (None,)
        assert (await receipts.counts(conn))["stripe"][ReceiptState.NORMALIZED] == 1


@pytest.mark.parametrize("state", [None, ReceiptState.PARKED])
async def test_what_is_not_read_yet_or_stands_in_a_case_keeps_its_body(pool: Pool, cipher: Cipher, state: ReceiptState | None) -> None:
    await keep(pool, cipher, "evt_1", state=state)
    await keep(pool, cipher, "evt_2")
    await run(pool, 101)
    assert await bodies(pool) == {"evt_1": True, "evt_2": False}
    async with pool.connection() as conn:
        await conn.execute("update receipt set state = 'ignored', normalized_at = %s where dedupe_key = 'evt_1'", (DAY_1,))
    await run(pool, 102)  # the place stayed before it
    assert await bodies(pool) == {"evt_1": False, "evt_2": False}


@pytest.mark.parametrize("table", ["agenda", "wait"])
async def test_what_is_not_decided_yet_keeps_its_body(pool: Pool, cipher: Cipher, table: str) -> None:
    await keep(pool, cipher, "evt_1", "evt_2")
    async with pool.connection() as conn:
        await conn.execute(
            "insert into event (id, received_at, receipt_id, type, version, connection, subject_kind, subject_id, occurred_at, sequence,"
            " key_id, data) select gen_random_uuid(), received_at, id, 't', 1, 'stripe', 'invoice', dedupe_key, received_at, 1, 'k', 'x'"
            " from receipt"
        )
        if table == "agenda":
            await conn.execute("insert into agenda (kind, id, shard, added_at) values ('invoice', 'evt_1', 1, %s)", (DAY_1,))
        else:
            await conn.execute(
                "insert into wait (key, subject_kind, subject_id, since) values ('customer/c', 'invoice', 'evt_1', %s)", (DAY_1,)
            )
    await run(pool, 101, events=0)
    assert await bodies(pool) == {"evt_1": True, "evt_2": False}


async def test_a_replay_leaves_out_what_is_erased_and_says_how_much(pool: Pool, cipher: Cipher) -> None:
    await keep(pool, cipher, "evt_1")
    await keep(pool, cipher, "evt_2", at=DAY_1 + timedelta(days=5))
    await run(pool, 101)
    async with pool.connection() as conn:
        assert [one.dedupe_key for one in await receipts.select(conn, cipher, ALL)] == ["evt_2"]
        assert await receipts.count(conn, ALL) == {ReceiptState.NORMALIZED: 1}
        assert await receipts.count_erased(conn, ALL) == 1
        [erased] = [one for one in await receipts.read(conn, cipher, [1, 2]) if one.is_erased]
    assert (erased.dedupe_key, erased.body, erased.headers) == ("evt_1", b"", {})
    assert erased.damage is not None
    assert erased.damage.code == "store.payload_erased"


async def test_keys_do_not_count_what_is_erased_and_a_change_of_keys_passes_over_it(pool: Pool, cipher: Cipher) -> None:
    await keep(pool, cipher, "evt_1", "evt_2")
    await run(pool, 101)
    async with pool.connection() as conn:
        assert await rotation.payloads_by_key(conn) == {}
        assert await rotation.sample_payloads(conn) == []
        assert await rotation.reencrypt(conn, cipher) == 0


async def test_a_replay_that_runs_keeps_the_bodies_it_needs(pool: Pool, cipher: Cipher) -> None:
    await keep(pool, cipher, "evt_1")
    async with pool.connection() as conn:
        await conn.execute(
            "insert into replay (connection, ids, kinds, states, must_fetch, rate, total, ordered_by, ordered_at, updated_at)"
            " values ('', '{1}', '{}', '{}', false, 0, 1, 'olga', %(at)s, %(at)s)",
            {"at": DAY_1},
        )
    await run(pool, 101)
    assert await bodies(pool) == {"evt_1": True}


async def test_events_and_audit_of_whole_months_go_at_once_and_the_rest_one_by_one(pool: Pool) -> None:
    instants = [DAY_1, datetime(2026, 2, 27, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC), datetime(2026, 3, 20, tzinfo=UTC)]
    async with pool.connection() as conn, conn.transaction():
        await ensure_partitions(conn, DAY_1)
        for at in instants:
            await conn.execute("insert into audit (at, actor, action, subject) values (%s, 'olga', 'set', 'x')", (at,))
    async with pool.connection() as conn, conn.transaction():
        # 400 days before 2027-04-10 is 2026-03-06: January and February are whole.
        assert await retention.empty_months(conn, "audit", datetime(2026, 3, 6, tzinfo=UTC)) == 2
    assert await count(pool, "audit") == 2
    await run(pool, 455)  # 2027-04-10
    async with pool.connection() as conn:
        assert await (await conn.execute("select at from audit")).fetchall() == [(instants[3],)]
        [line] = [one for one in await retention.kept(conn) if one.payload == "audit"]
    assert (line.oldest_at, line.erased, line.ended_at) == (instants[3], 3, DAY_1 + timedelta(days=455))
    assert line.size > 0


async def test_tries_of_postings_that_are_still_open_stay(pool: Pool) -> None:
    async with pool.connection() as conn, conn.transaction():
        for number, state in enumerate(("done", "unknown"), 1):
            id = f"{number:032x}"
            await conn.execute("insert into command_key (id, created_at) values (%s, %s)", (id, DAY_1))
            await conn.execute(
                "insert into command (id, created_at, kind, target, entity, batch_key, lane, subject_kind, subject_id, external_key, state,"
                " key_id, arguments) values (%s, %s, 'post_invoice', 'odoo', 'DE', 'b', 10, 'invoice', 'i', 'k',"
                " %s, 'k1', 'x')",
                (id, DAY_1, state),
            )
            tried = Attempt(DAY_1, DAY_1, "odoo", "b", "post_invoice", 1, b"", 0, 0, 1, 0, (id,))
            await attempts.record(conn, [tried])
    await run(pool, 51)
    async with pool.connection() as conn:
        assert len(await attempts.of_commands(conn, [f"{1:032x}"])) == 0
        assert len(await attempts.of_commands(conn, [f"{2:032x}"])) == 1
    assert await count(pool, "command") == 2


async def test_records_of_cases_go_when_they_are_closed_long_enough(pool: Pool) -> None:
    async with pool.connection() as conn, conn.transaction():
        for name in ("open", "closed"):
            made = opening(
                fingerprint=name,
                case_class=CaseClass.SCHEMA_DRIFT,
                code="x",
                cause="c",
                next_step="n",
                stage="decide",
                subject=f"invoice/{name}",
                now=DAY_1,
            )
            [id] = (await cases.open_or_count(conn, [made], DAY_1)).values()
        await cases.close(conn, id, CaseState.WAIVED, "olga", "not ours", DAY_1)
    await run(pool, 101)
    assert (await count(pool, "case_subject"), await count(pool, "case")) == (1, 2)
    async with pool.connection() as conn:
        [shown] = [await cases.show(conn, id)]
    assert shown is not None
    assert (shown.case.closed_by, shown.subjects, shown.history) == ("olga", (), ())


async def test_more_than_a_step_is_erased_in_several_turns(pool: Pool, cipher: Cipher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retaining, "STEP", 2)
    monkeypatch.setattr(retaining, "STEPS_MAX", 2)
    await keep(pool, cipher, *(f"evt_{number}" for number in range(9)))
    await run(pool, 101)
    assert set((await bodies(pool)).values()) == {False}


def test_nothing_goes_sooner_than_sources_may_tell_it_again() -> None:
    assert RetentionSettings().by_payload == {"bodies": 400, "events": 400, "attempts": 90, "cases": 400, "audit": 3650}
    assert RetentionSettings(bodies_days=0).by_payload["bodies"] == 0
    with pytest.raises(ValueError, match="30 days are too few: at least 35, or 0 for ever"):
        RetentionSettings(bodies_days=30)
