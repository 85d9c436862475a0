"""Arming: work that commits is never left without a drain, however appends and finishes interleave."""

from __future__ import annotations

import asyncio
import random

from tests.claiming import wake_later

from counterfoil.store import suspects, work, work_freed, workers
from counterfoil.store.pool import Conn, PartitionKey, Pool
from counterfoil.store.work import Ended, Taken

KEY: PartitionKey = ("normalize", "stripe/3")


async def test_only_the_first_arming_of_an_idle_partition_asks_for_a_drain(conn: Conn) -> None:
    assert await work.arm(conn, [KEY, ("decide", "1"), KEY]) == [("decide", "1"), KEY]
    assert await work.arm(conn, [KEY]) == []


async def take(conn: Conn) -> Taken:
    taken = await work.take(conn, *KEY)
    assert taken is not None
    return taken


async def test_finishing_disarms_only_if_nothing_was_armed_since_the_take(conn: Conn) -> None:
    await work.arm(conn, [KEY])
    taken = await take(conn)
    await work.arm(conn, [KEY])
    assert await work.finish(conn, *KEY, taken) is Ended.MORE
    assert await work.finish(conn, *KEY, await take(conn)) is Ended.DONE
    assert await work.armed(conn) == []
    assert await work.arm(conn, [KEY]) == [KEY]


async def test_whoever_took_a_partition_before_another_changes_nothing(conn: Conn) -> None:
    await work.arm(conn, [KEY])
    stale, fresh = await take(conn), await take(conn)
    assert await work.finish(conn, *KEY, stale) is Ended.STALE
    assert await work.hand_on(conn, *KEY, stale.fence) is False
    assert await work.set_back(conn, *KEY, stale.fence, 60, is_counted=True) is False
    assert await work.armed(conn) == [KEY]
    assert await work.finish(conn, *KEY, fresh) is Ended.DONE


async def test_a_worker_declared_dead_takes_nothing(conn: Conn) -> None:
    worker = await workers.join(conn, "w", "host", "1")
    await work.arm(conn, [KEY])
    assert await work.take(conn, *KEY, worker.incarnation, worker.id) is not None
    await workers.take_dead(conn, -1)
    assert await work.take(conn, *KEY, worker.incarnation, worker.id) is None


async def test_turns_that_did_not_end_well_make_careful_until_as_many_items_as_before_went_well(conn: Conn) -> None:
    await work.arm(conn, [KEY])
    assert [(taken.failures, taken.limit) for taken in [await take(conn) for _ in range(4)]] == [(0, None), (1, None), (2, 1), (3, 1)]
    # 1, 2, 4, ..., 256 items at once, then any number.
    taken, limits = await take(conn), []
    for _ in range(9):
        [taken] = (await work.take_again(conn, KEY[0], {KEY[1]: taken}, 0, "", is_well=True)).values()
        limits.append(taken.limit)
    assert limits == [2, 4, 8, 16, 32, 64, 128, 256, None]


async def test_one_that_did_not_end_well_while_being_careful_begins_with_one_item_again(conn: Conn) -> None:
    await work.arm(conn, [KEY])
    for _ in range(2):
        await take(conn)
    taken = await take(conn)
    assert [one.limit for one in (await work.take_again(conn, KEY[0], {KEY[1]: taken}, 0, "", is_well=True)).values()] == [2]
    assert (await take(conn)).limit == 1


async def test_a_partition_set_back_gets_its_next_drain_later_whatever_is_armed_meanwhile(conn: Conn) -> None:
    await work.arm(conn, [KEY])
    await work.set_back(conn, *KEY, (await take(conn)).fence, 60, is_counted=True)
    assert (await work.arm(conn, [KEY]), await work_freed.take_paused(conn)) == ([], [])
    taken = await take(conn)
    assert taken.failures == 1
    await work.set_back(conn, *KEY, taken.fence, -1, is_counted=False)
    assert await work_freed.take_paused(conn) == [KEY]
    assert await work_freed.take_paused(conn) == []
    assert (await take(conn)).failures == 1


async def test_a_turn_cut_short_does_not_count(conn: Conn) -> None:
    await work.arm(conn, [KEY])
    taken = await take(conn)
    await work.uncount(conn, [(*KEY, taken.fence)])
    assert (await take(conn)).failures == 0


async def test_an_item_is_parked_after_five_turns_that_did_not_end_well(conn: Conn) -> None:
    await work.arm(conn, [KEY])
    hands = list[frozenset[str] | None]()
    for _ in range(6):
        taken = await take(conn)
        if taken.limit is not None:  # from the third on
            hands.append(await suspects.hold(conn, *KEY, taken.fence, ["poison"]))
    assert hands == [frozenset(), frozenset(), frozenset(), frozenset({"poison"})]
    assert await suspects.hold(conn, *KEY, taken.fence, ["other"]) == frozenset()
    assert await suspects.hold(conn, *KEY, taken.fence - 1, ["other"]) is None


async def test_an_item_that_went_well_is_no_longer_suspect(conn: Conn) -> None:
    await work.arm(conn, [KEY])
    taken = await take(conn)
    for _ in range(4):
        parked = await suspects.hold(conn, *KEY, taken.fence, ["a", "b"])
    assert parked == frozenset({"a", "b"})
    await suspects.clear(conn, KEY[0], ["a"])
    assert await suspects.hold(conn, *KEY, taken.fence, ["a", "b"]) == frozenset({"b"})


async def claim(conn: Conn, id: str, *, ordinary: int = 9, bulk: int = 9) -> list[PartitionKey]:
    stages = ["normalize", "decide", "decide_bulk"]
    return [(stage, key) for stage, key, _ in await work.claim(conn, id, 1, stages, ordinary, bulk)]


async def test_a_partition_is_claimed_by_one_worker_until_it_is_finished_handed_on_or_given_back(conn: Conn) -> None:
    one, two = [(await workers.join(conn, name, "host", "1")).id for name in ("one", "two")]
    await work.arm(conn, [KEY])
    [(*_, taken)] = await work.claim(conn, one, 1, ["normalize"], 9, 9)
    assert (taken.failures, taken.limit) == (0, None)
    assert await claim(conn, two) == []
    assert await work.finish(conn, *KEY, taken) is Ended.DONE
    assert await claim(conn, two) == []  # nothing to do
    await work.arm(conn, [KEY])
    assert await claim(conn, two) == [KEY]
    assert await work_freed.give_back(conn, one) == 0
    assert await work_freed.give_back(conn, two, [KEY], 0.0) == 0  # it runs it
    assert await work_freed.give_back(conn, two, [], 60.0) == 0  # claimed a moment ago: its drain is about to begin
    assert await work_freed.give_back(conn, two, [], 0.0) == 1
    [(*_, taken)] = await work.claim(conn, one, 1, ["normalize"], 9, 9)
    assert taken.failures == 1
    assert await work.hand_on(conn, *KEY, taken.fence)
    assert await claim(conn, two) == [KEY]


async def test_what_came_while_a_turn_ran_is_the_same_workers_next_turn(conn: Conn) -> None:
    one, two = [(await workers.join(conn, name, "host", "1")).id for name in ("one", "two")]
    await work.arm(conn, [KEY])
    [(*_, taken)] = await work.claim(conn, one, 1, ["normalize"], 9, 9)
    assert await work.arm(conn, [KEY]) == []
    assert await work.finish(conn, *KEY, taken) is Ended.MORE
    assert await claim(conn, two) == []
    again = await work.take_again(conn, KEY[0], {KEY[1]: taken}, 1, one, is_well=False)
    assert [*again] == [KEY[1]]
    assert await work.take_again(conn, KEY[0], {KEY[1]: taken}, 1, one, is_well=False) == {}  # by now it is another fence


async def test_what_a_worker_that_is_gone_had_claimed_can_be_claimed_again(conn: Conn) -> None:
    one, two = [(await workers.join(conn, name, "host", "1")).id for name in ("one", "two")]
    await work.arm(conn, [KEY])
    assert await claim(conn, one) == [KEY]
    assert await work_freed.give_back_of_the_gone(conn) == []
    await workers.leave(conn, one)
    assert await claim(conn, one) == []
    assert await work_freed.give_back_of_the_gone(conn) == [one]
    assert await claim(conn, two) == [KEY]


async def test_a_worker_declared_dead_claims_nothing_that_is_free(conn: Conn) -> None:
    one = (await workers.join(conn, "one", "host", "1")).id
    await workers.take_dead(conn, -1)
    await work.arm(conn, [KEY])
    assert await claim(conn, one) == []


async def test_leaving_and_cutting_short_a_turn_that_somebody_else_has_taken_changes_nothing(conn: Conn) -> None:
    await work.arm(conn, [KEY])
    stale, _ = await take(conn), await take(conn)
    state = "select begun, claimed_by, pause_until, fence from work"
    before = await (await conn.execute(state)).fetchone()
    await work.leave_for_others(conn, *KEY, stale, 60.0)
    await work.uncount(conn, [(*KEY, stale.fence)])
    assert await (await conn.execute(state)).fetchone() == before == (2, None, None, 2)


async def test_a_turn_that_asks_for_a_later_wake_leaves_an_earlier_one(conn: Conn) -> None:
    await work.arm(conn, [KEY])
    await wake_later(conn, *KEY, 10)
    await work.finish(conn, *KEY, await take(conn), 3600.0)
    _, due_in_s = await work_freed.look(conn)
    assert due_in_s is not None
    assert due_in_s <= 10


async def test_bulk_work_is_claimed_beside_other_work_the_longest_armed_first_and_unknown_stages_never(conn: Conn) -> None:
    one = (await workers.join(conn, "one", "host", "1")).id
    for key in ("b", "a"):
        for stage in ("decide", "decide_bulk", "unknown"):
            await work.arm(conn, [(stage, key)])
    assert await claim(conn, one, ordinary=1, bulk=0) == [("decide", "b")]
    assert await claim(conn, one, ordinary=0, bulk=1) == [("decide_bulk", "b")]
    assert sorted(await claim(conn, one)) == [("decide", "a"), ("decide_bulk", "a")]


async def test_a_partition_that_waits_is_looked_at_when_its_pause_or_wait_is_over(conn: Conn) -> None:
    one = (await workers.join(conn, "one", "host", "1")).id
    assert await work_freed.look(conn) == (False, None)
    await work.arm(conn, [KEY])
    assert await work_freed.look(conn) == (True, None)
    [(*_, taken)] = await work.claim(conn, one, 1, ["normalize"], 9, 9)
    assert await work_freed.look(conn) == (False, None)
    await work.finish(conn, *KEY, taken, 90.0)
    is_any, due_in_s = await work_freed.look(conn)
    assert (is_any, due_in_s is not None and 80 < due_in_s <= 90) == (False, True)
    await work.arm(conn, [KEY])
    [(*_, taken)] = await work.claim(conn, one, 1, ["normalize"], 9, 9)
    await work.set_back(conn, *KEY, taken.fence, 30.0, is_counted=True)
    is_any, due_in_s = await work_freed.look(conn)
    assert (is_any, due_in_s is not None and 20 < due_in_s <= 30) == (False, True)
    assert await claim(conn, one) == []


async def test_a_partition_left_for_others_counts_as_never_taken(conn: Conn) -> None:
    one = (await workers.join(conn, "one", "host", "1")).id
    await work.arm(conn, [KEY])
    [(*_, taken)] = await work.claim(conn, one, 1, ["normalize"], 9, 9)
    await work.leave_for_others(conn, *KEY, taken, 60.0)
    row = await (await conn.execute("select begun, taken_at, claimed_by, armed from work")).fetchone()
    assert row == (0, None, None, True)


THEIR_TAKE = "update work set fence = fence + 1, holder = 7, taken_at = clock_timestamp() - make_interval(secs => %s), begun = begun + 1"
THEIR_FINISH = "update work set armed = false, begun = 0, claimed_seq = work_seq"


async def test_a_turn_of_a_program_without_claims_is_not_disturbed_and_one_that_died_is_taken_over(conn: Conn) -> None:
    one = (await workers.join(conn, "one", "host", "1")).id
    await work.arm(conn, [KEY])
    await conn.execute(THEIR_TAKE, (5,))
    assert await claim(conn, one) == []
    await conn.execute(THEIR_TAKE, (61,))
    assert await claim(conn, one) == [KEY]


async def test_a_program_without_claims_that_takes_a_claimed_partition_leaves_no_claim_behind(conn: Conn) -> None:
    one = (await workers.join(conn, "one", "host", "1")).id
    await work.arm(conn, [KEY])
    [(*_, taken)] = await work.claim(conn, one, 1, ["normalize"], 9, 9)
    await conn.execute(THEIR_TAKE, (0,))
    assert await work.finish(conn, *KEY, taken) is Ended.STALE
    await conn.execute(THEIR_FINISH)
    await work.arm(conn, [KEY])
    assert await claim(conn, one) == [KEY]


async def test_a_wake_in_the_past_is_taken_once_and_the_earliest_wins(conn: Conn) -> None:
    await work.arm(conn, [KEY])
    await wake_later(conn, *KEY, -1)
    await wake_later(conn, *KEY, 3600)
    assert await work_freed.take_due(conn) == [KEY]
    assert await work_freed.take_due(conn) == []


async def test_a_wake_in_the_future_is_not_taken(conn: Conn) -> None:
    await work.arm(conn, [KEY])
    await wake_later(conn, *KEY, 3600)
    assert await work_freed.take_due(conn) == []


def test_shards_stay_the_same_for_ever() -> None:
    # CRC-32 of "123456789" is 0xCBF43926 (the check value of the standard polynomial); modulo 16 that is 6.
    assert work.shard_of("123456789") == 6


def test_a_batch_key_may_hold_slashes() -> None:
    assert work.split_key(work.deliver_key("odoo", "DE01/journal")[1]) == ("odoo", "DE01/journal")


class _Hub:
    """A stage of the simplest kind: rows to be marked done, by drains that are started when arming says so."""

    def __init__(self, pool: Pool, seed: int) -> None:
        self.pool = pool
        self.random = random.Random(seed)
        self.drains: set[asyncio.Task[None]] = set()
        self.running = 0

    async def produce(self, rows: int) -> None:
        for _ in range(rows):
            async with self.pool.connection() as conn:
                await conn.execute("insert into item default values")
                if self.random.random() < 0.5:
                    await asyncio.sleep(0)
                newly = await work.arm(conn, [KEY])
            if newly:
                task = asyncio.create_task(self.drain())
                self.drains.add(task)

    async def drain(self) -> None:
        self.running += 1
        assert self.running == 1, "two drains of one partition at once"
        while True:
            async with self.pool.connection() as conn:
                taken = await take(conn)
            async with self.pool.connection() as conn:
                await conn.execute("update item set is_done = true where not is_done")
            self.running -= 1  # finishing disarms: the next drain may start before this task hears of it
            async with self.pool.connection() as conn:
                if await work.finish(conn, *KEY, taken) is Ended.DONE:
                    return
            self.running += 1


async def test_no_row_is_left_behind_when_two_sides_hammer_one_partition(pool: Pool) -> None:
    async with pool.connection() as conn:
        await conn.execute("create table item (id bigint generated always as identity primary key, is_done boolean not null default false)")
    hub = _Hub(pool, seed=1)
    await asyncio.gather(*(hub.produce(60) for _ in range(5)))
    while pending := [task for task in hub.drains if not task.done()]:
        await asyncio.gather(*pending)
    for task in hub.drains:
        task.result()
    async with pool.connection() as conn:
        row = await (await conn.execute("select count(*), count(*) filter (where is_done) from item")).fetchone()
        assert row == (300, 300)
        assert await work.armed(conn) == []
