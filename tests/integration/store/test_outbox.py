"""The outbox: a command is wished once, sent when all it needs is bound, and ends in one known outcome, whatever runs at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.store.blocking import is_blocked
from tests.integration.store.wished import LATER, NOW, PARTITION, SUBJECT, claim, look_further, states, wish

from counterfoil.core.language.keys import NeedKey
from counterfoil.store import attempts, bindings, lacking, outbox, outbox_cancel, outbox_due, outbox_refresh
from counterfoil.store.attempts import Attempt
from counterfoil.store.bindings import Binding
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import CommandState, End, EndStatus
from counterfoil.store.outbox_due import Released
from counterfoil.store.outbox_refresh import Refresh
from counterfoil.store.pool import Conn, Pool, connect


async def test_a_command_comes_back_as_it_was_wished(conn: Conn, cipher: Cipher) -> None:
    one = wish(1, needs=("customer/stripe:cus_1",), produces="invoice/stripe:in_1", rules_version=3, causation_id="event/1", lane=20)
    await outbox.bind_and_release(conn, [Binding("odoo", NeedKey("customer/stripe:cus_1"), "res.partner/7")], NOW)
    wished = await outbox.wish(conn, cipher, [one], NOW)
    assert (wished.new, wished.touched) == (frozenset({one.id}), (PARTITION,))
    [row] = await claim(conn, cipher)
    assert (row.id, row.kind, row.subject, row.arguments, row.needs) == (one.id, one.kind, SUBJECT, b"arguments", one.needs)
    assert (row.produces, row.rules_version, row.causation_id, row.lane, row.state) == (one.produces, 3, "event/1", 20, CommandState.READY)


async def test_deciding_twice_wishes_once(conn: Conn, cipher: Cipher) -> None:
    first = await outbox.wish(conn, cipher, [wish(1), wish(1)], NOW)
    again = await outbox.wish(conn, cipher, [wish(1), wish(2)], LATER + timedelta(days=60))
    assert (first.new, again.new) == (frozenset({wish(1).id}), frozenset({wish(2).id}))


async def test_a_command_waits_for_everything_it_needs_and_no_longer(conn: Conn, cipher: Cipher) -> None:
    invoice, payment = wish(1, produces="invoice/stripe:in_1"), wish(2, produces="payment/stripe:py_1")
    match = wish(3, needs=("invoice/stripe:in_1", "payment/stripe:py_1"))
    await outbox.wish(conn, cipher, [match, invoice, payment], NOW)
    assert (await lacking.missing_needs(conn, [match.id]))[match.id] == match.needs
    assert [row.id for row in await claim(conn, cipher)] == [invoice.id, payment.id]
    first = await outbox.settle(conn, [End(invoice.id, NOW, EndStatus.DONE, "account.move/1", "INV/2026/0001")], NOW)
    # Somebody is to look at it: what it waited for is bound, what it lacks besides is what it waits for from now on.
    assert (first.touched, await states(conn, cipher, match)) == ((PARTITION,), [CommandState.WAITING])
    assert [row.id for row in await claim(conn, cipher)] == [payment.id]
    assert await outbox_due.released(conn, "odoo", "DE01") == Released((match.id,), is_any_whole=False)
    assert not await outbox_due.look_further(conn, [match.id])
    assert await outbox_due.released(conn, "odoo", "DE01") == Released((), is_any_whole=False)
    second = await outbox.settle(conn, [End(payment.id, NOW, EndStatus.DONE, "account.payment/1")], NOW)
    assert (second.touched, await states(conn, cipher, match)) == ((PARTITION,), [CommandState.READY])
    assert await lacking.missing_needs(conn, [match.id]) == {}
    bound = await bindings.current(conn, "odoo", match.needs)
    assert bound[NeedKey("invoice/stripe:in_1")].external_name == "INV/2026/0001"


async def test_a_batch_is_in_bulk_or_not_and_holds_nothing_that_is_under_way_or_held_back(conn: Conn, cipher: Cipher) -> None:
    sizes = {"post_invoice": outbox_due.BatchSizes(10, 10)}
    await outbox.wish(conn, cipher, [wish(1), wish(2, lane=50), wish(3), wish(4)], NOW)

    async def batch(without: Sequence[str] = (), without_keys: Sequence[str] = ()) -> list[str]:
        rows = await outbox_due.claim(conn, cipher, "odoo", "DE01", NOW, sizes, without=without, without_keys=without_keys)
        return [row.id for row in rows]

    assert await batch() == [wish(1).id, wish(3).id, wish(4).id]
    assert await batch(without=[wish(1).id], without_keys=["invoice_4"]) == [wish(3).id]
    assert await batch(without_keys=["invoice_1", "invoice_3", "invoice_4"]) == [wish(2, lane=50).id]


async def test_commands_of_one_order_key_come_one_at_a_time_in_order_of_wishing(conn: Conn, cipher: Cipher) -> None:
    old = wish(1, order_key="cus_1", lane=40)
    new = wish(2, order_key="cus_1", lane=10)
    await outbox.wish(conn, cipher, [old, new, wish(3, lane=20)], NOW)
    assert [row.id for row in await claim(conn, cipher)] == [wish(3).id, old.id]
    await outbox.settle(conn, [End(old.id, NOW, EndStatus.RETRY, next_try_at=LATER)], NOW)
    assert [row.id for row in await claim(conn, cipher)] == [wish(3).id]
    assert await outbox_due.next_due(conn, "odoo", "DE01") == LATER
    await outbox.settle(conn, [End(old.id, NOW, EndStatus.REFUSED, code="odoo.x", reason="no")], NOW)
    assert [row.id for row in await claim(conn, cipher)] == [new.id, wish(3).id]


async def test_a_command_is_not_claimed_before_its_time(conn: Conn, cipher: Cipher) -> None:
    await outbox.wish(conn, cipher, [wish(1, not_before=LATER)], NOW)
    assert await claim(conn, cipher) == []
    assert [row.not_before for row in await claim(conn, cipher, LATER)] == [LATER]


async def test_a_crash_between_intent_and_outcome_leaves_commands_to_be_resolved(database: str, pool: Pool, cipher: Cipher) -> None:
    async with pool.connection() as conn:
        await outbox.wish(conn, cipher, [wish(1), wish(2)], NOW)
    crashing = await connect(database)
    claimed = await claim(crashing, cipher)
    assert await outbox.mark_sent(crashing, claimed, NOW) == {wish(1).id, wish(2).id}
    await crashing.commit()
    await outbox.settle(crashing, [End(wish(1).id, NOW, EndStatus.DONE, "account.move/1")], NOW)
    await crashing.close()  # before it committed the outcomes
    async with pool.connection() as conn:
        found = await claim(conn, cipher)
        assert [(row.state, row.attempts, row.in_doubt) for row in found] == [(CommandState.UNKNOWN, 1, True)] * 2
        assert await outbox.mark_sent(conn, found, LATER) == {wish(1).id, wish(2).id}
        ends = [End(wish(1).id, NOW, EndStatus.DONE, "account.move/1"), End(wish(2).id, NOW, EndStatus.RETRY)]
        await outbox.settle(conn, ends, LATER)
        assert await states(conn, cipher, wish(1), wish(2)) == [CommandState.DONE, CommandState.READY]


async def test_of_two_that_claimed_the_same_command_only_one_sends_it(conn: Conn, cipher: Cipher) -> None:
    await outbox.wish(conn, cipher, [wish(1)], NOW)
    mine, zombies = await claim(conn, cipher), await claim(conn, cipher)
    assert await outbox.mark_sent(conn, mine, NOW) == {wish(1).id}
    assert await outbox.mark_sent(conn, zombies, NOW) == frozenset()


async def test_done_stays_done_and_late_news_of_it_is_taken(conn: Conn, cipher: Cipher) -> None:
    await outbox.wish(conn, cipher, [wish(1, produces="invoice/stripe:in_1")], NOW)
    await outbox.settle(conn, [End(wish(1).id, NOW, EndStatus.GIVEN_UP, code="deliver.unknown")], NOW)
    done = await outbox.settle(conn, [End(wish(1).id, NOW, EndStatus.DONE, "account.move/1")], NOW)
    assert (done.changed, [one.external_id for one in done.bound]) == (frozenset({wish(1).id}), ["account.move/1"])
    late = await outbox.settle(conn, [End(wish(1).id, NOW, EndStatus.REFUSED)], NOW)
    assert late.changed == frozenset()


async def test_retrying_a_parked_command_sends_what_was_refused_and_resolves_what_is_in_doubt(conn: Conn, cipher: Cipher) -> None:
    await outbox.wish(conn, cipher, [wish(1), wish(2)], NOW)
    await outbox.mark_sent(conn, await claim(conn, cipher), NOW)
    await outbox.settle(conn, [End(wish(1).id, NOW, EndStatus.REFUSED), End(wish(2).id, NOW, EndStatus.GIVEN_UP)], NOW)
    assert await states(conn, cipher, wish(1), wish(2)) == [CommandState.PARKED] * 2
    assert await outbox.retry(conn, [wish(1).id, wish(2).id]) == [PARTITION]
    assert [(row.state, row.attempts) for row in await claim(conn, cipher)] == [(CommandState.READY, 0), (CommandState.UNKNOWN, 0)]


async def test_a_command_that_may_have_taken_effect_is_not_canceled(conn: Conn, cipher: Cipher) -> None:
    await outbox.wish(conn, cipher, [wish(1), wish(2, needs=("customer/x:1",))], NOW)
    await outbox.mark_sent(conn, await claim(conn, cipher), NOW)
    canceled, touched = await outbox_cancel.cancel(conn, [wish(1).id, wish(2).id], "replaced")
    assert (canceled, touched) == (frozenset({wish(2).id}), [PARTITION])
    assert await lacking.missing_needs(conn, [wish(2).id]) == {}


async def test_a_prerequisite_that_is_gone_in_the_target_is_waited_for_again(conn: Conn, cipher: Cipher) -> None:
    await outbox.bind_and_release(conn, [Binding("odoo", NeedKey("customer/stripe:cus_1"), "res.partner/7")], NOW)
    await outbox.wish(conn, cipher, [wish(1, needs=("customer/stripe:cus_1",))], NOW)
    assert await bindings.end(conn, "odoo", [NeedKey("customer/stripe:cus_1")], LATER) == 1
    await outbox.settle(conn, [End(wish(1).id, NOW, EndStatus.WAITING)], LATER)
    assert await states(conn, cipher, wish(1)) == [CommandState.WAITING]
    touched = await outbox.bind_and_release(conn, [Binding("odoo", NeedKey("customer/stripe:cus_1"), "res.partner/8")], LATER)
    assert (touched, await states(conn, cipher, wish(1))) == ([PARTITION], [CommandState.READY])


async def test_a_binding_that_changes_ends_the_former_and_both_still_resolve(conn: Conn) -> None:
    await outbox.bind_and_release(conn, [Binding("odoo", NeedKey("customer/stripe:cus_1"), "res.partner/7", "Ada")], NOW)
    await outbox.bind_and_release(conn, [Binding("odoo", NeedKey("customer/stripe:cus_1"), "res.partner/7", "")], LATER)
    await outbox.bind_and_release(conn, [Binding("odoo", NeedKey("customer/stripe:cus_1"), "res.partner/9", "Ada L.")], LATER)
    former, current = await bindings.by_key(conn, NeedKey("customer/stripe:cus_1"))
    assert (former.external_id, former.external_name, former.until) == ("res.partner/7", "Ada", LATER)
    assert (current.external_id, current.until) == ("res.partner/9", None)
    assert await bindings.by_external(conn, "odoo", ["res.partner/7"]) == [former]
    assert await bindings.by_name(conn, "Ada L.") == [current]


async def test_a_binding_that_is_just_being_committed_is_not_missed_by_a_wish(pool: Pool, cipher: Cipher) -> None:
    async with pool.connection() as binder, pool.connection() as wisher, pool.connection() as observer:
        await outbox.bind_and_release(binder, [Binding("odoo", NeedKey("customer/x:1"), "res.partner/1")], NOW)
        wishing = asyncio.create_task(outbox.wish(wisher, cipher, [wish(1, needs=("customer/x:1",))], NOW))
        await is_blocked(observer, by=binder)
        await binder.commit()
        assert (await wishing).touched == (PARTITION,)


async def test_a_wish_that_is_just_being_committed_is_not_missed_by_a_binding(pool: Pool, cipher: Cipher) -> None:
    async with pool.connection() as binder, pool.connection() as wisher, pool.connection() as observer:
        assert (await outbox.wish(wisher, cipher, [wish(1, needs=("customer/x:1",))], NOW)).touched == ()
        binding = asyncio.create_task(outbox.bind_and_release(binder, [Binding("odoo", NeedKey("customer/x:1"), "res.partner/1")], NOW))
        await is_blocked(observer, by=wisher)
        await wisher.commit()
        assert await binding == [PARTITION]


async def test_no_command_waits_for_ever_when_wishes_and_bindings_race(pool: Pool, cipher: Cipher) -> None:
    keys = [NeedKey(f"customer/x:{number}") for number in range(40)]
    touched: set[tuple[str, str]] = set()

    async def wisher(first: int) -> None:
        for number in range(40):
            needs = (keys[number], keys[(number * 7 + first) % 40])
            async with pool.connection() as conn:
                touched.update((await outbox.wish(conn, cipher, [wish(first * 100 + number, needs=needs)], NOW)).touched)

    async def binder(part: int) -> None:
        for start in range(part, 40, 8):
            bound = [Binding("odoo", key, f"res.partner/{key}") for key in keys[start : start + 4]]
            async with pool.connection() as conn:
                touched.update(await outbox.bind_and_release(conn, bound, NOW))

    await asyncio.gather(wisher(1), wisher(2), wisher(3), binder(0), binder(4))
    async with pool.connection() as conn:
        await look_further(conn)
        ids = [row[0].hex for row in await (await conn.execute("select id from command")).fetchall()]
        assert [row.state for row in await outbox.read(conn, cipher, ids)] == [CommandState.READY] * 120
    assert touched == {PARTITION}


async def under_way(conn: Conn) -> list[list[str]]:
    """Return the commands of each batch that is under way."""
    rows = await (await conn.execute("select command_ids from sending order by id")).fetchall()
    return [sorted(id.hex for id in ids) for (ids,) in rows]


async def test_a_batch_under_way_is_one_row_until_the_last_of_it_is_settled(conn: Conn, cipher: Cipher) -> None:
    await outbox.wish(conn, cipher, [wish(1), wish(2)], NOW)
    rows = "select ctid::text, xmin::text from command_standing order by id"
    before = await (await conn.execute(rows)).fetchall()
    await outbox.mark_sent(conn, await claim(conn, cipher), LATER)
    assert await (await conn.execute(rows)).fetchall() == before
    assert await states(conn, cipher, wish(1), wish(2)) == [CommandState.UNKNOWN] * 2
    assert await under_way(conn) == [[wish(1).id, wish(2).id]]
    await outbox.settle(conn, [End(wish(1).id, NOW, EndStatus.RETRY, fence=1)], LATER)
    assert await under_way(conn) == [[wish(2).id]]
    assert await states(conn, cipher, wish(1), wish(2)) == [CommandState.READY, CommandState.UNKNOWN]
    await outbox.settle(conn, [End(wish(2).id, NOW, EndStatus.DONE, "account.move/2", fence=1)], LATER)
    assert await under_way(conn) == []
    [first, second] = await outbox.read(conn, cipher, [wish(1).id, wish(2).id])
    assert [(row.attempts, row.fence, row.sent_at) for row in (first, second)] == [(1, 1, LATER)] * 2


async def test_of_two_that_are_about_to_send_the_same_exactly_one_does(pool: Pool, cipher: Cipher) -> None:
    async with pool.connection() as first, pool.connection() as second, pool.connection() as observer:
        await outbox.wish(first, cipher, [wish(1), wish(2)], NOW)
        await first.commit()
        claimed = await claim(first, cipher)
        assert await outbox.mark_sent(first, claimed, NOW) == {wish(1).id, wish(2).id}
        sending = asyncio.create_task(outbox.mark_sent(second, claimed, NOW))
        await is_blocked(observer, by=first)
        await first.commit()
        assert await sending == frozenset()


async def test_what_is_under_way_is_not_canceled_and_gets_no_new_arguments_and_neither_begins_beside_a_sender(
    pool: Pool, cipher: Cipher
) -> None:
    async with pool.connection() as sender, pool.connection() as decider, pool.connection() as observer:
        await outbox.wish(sender, cipher, [wish(1)], NOW)
        await sender.commit()
        await outbox.mark_sent(sender, await claim(sender, cipher), NOW)
        canceling = asyncio.create_task(outbox_cancel.cancel(decider, [wish(1).id], "moot"))
        await is_blocked(observer, by=sender)
        await sender.commit()
        assert await canceling == (frozenset(), [])
        assert await outbox_refresh.refresh(decider, cipher, [Refresh(wish(1).id, NOW, b"other")]) == []
        [row] = await outbox.read(decider, cipher, [wish(1).id])
        assert (row.state, row.arguments) == (CommandState.UNKNOWN, b"arguments")


async def test_what_a_worker_left_is_taken_up_once_and_its_own_late_news_count_only_until_then(conn: Conn, cipher: Cipher) -> None:
    await outbox.wish(conn, cipher, [wish(1), wish(2)], NOW)
    await outbox.mark_sent(conn, await claim(conn, cipher), NOW)
    again = await claim(conn, cipher)
    assert [(row.state, row.fence, row.attempts, row.in_doubt) for row in again] == [(CommandState.UNKNOWN, 1, 1, True)] * 2
    assert await outbox.mark_sent(conn, again[:1], LATER) == {wish(1).id}
    assert await outbox.mark_sent(conn, again[:1], LATER) == frozenset()
    assert await under_way(conn) == [[wish(1).id]]
    late = [End(one.id, NOW, EndStatus.REFUSED, code="x", fence=1) for one in (wish(1), wish(2))]
    assert (await outbox.settle(conn, late, LATER)).changed == {wish(2).id}
    assert await under_way(conn) == [[wish(1).id]]
    assert await states(conn, cipher, wish(1), wish(2)) == [CommandState.UNKNOWN, CommandState.PARKED]


async def test_attempts_are_found_by_their_commands(conn: Conn, cipher: Cipher) -> None:
    await outbox.wish(conn, cipher, [wish(number) for number in (1, 2, 3)], NOW)
    attempt = Attempt(NOW, LATER, "odoo", "DE01", "post_invoice", 2, b"digest", 1, 0, 1, 0, (wish(1).id, wish(2).id), True, "timed out")
    again, elsewhere = replace(attempt, started_at=LATER, command_ids=(wish(2).id,)), replace(attempt, batch_key="FR01")
    await attempts.record(conn, [again, attempt, elsewhere])
    assert await attempts.of_commands(conn, [wish(2).id]) == [attempt, again]
    assert await attempts.of_commands(conn, [wish(1).id]) == [attempt]
    assert await attempts.of_commands(conn, [wish(3).id]) == []


KEYS = [f"document/x:{number}" for number in range(4)]
ARRIVALS = st.lists(
    st.one_of(
        st.tuples(st.just("wish"), st.lists(st.sampled_from(KEYS), max_size=4, unique=True)),
        st.tuples(st.just("bind"), st.lists(st.sampled_from(KEYS), min_size=1, max_size=2, unique=True)),
        st.tuples(st.just("gone"), st.lists(st.sampled_from(KEYS), min_size=1, max_size=1)),
    ),
    max_size=14,
)


@given(arrivals=ARRIVALS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_in_any_order_of_arrival_a_command_is_released_exactly_when_its_last_need_is_bound(
    scratch_database: str, cipher: Cipher, arrivals: list[tuple[str, list[str]]]
) -> None:
    asyncio.run(_arrive(scratch_database, cipher, arrivals))


async def _arrive(database: str, cipher: Cipher, arrivals: list[tuple[str, list[str]]]) -> None:
    """Play arrivals, and after each compare what is released with what is bound; nothing of it is committed.

    A binding that ends concerns whoever waits, and a command that waits no more when it is tried: it then waits anew. Whatever is touched
    is looked at, as a turn of the partition would.
    """
    conn = await connect(database)
    async with conn, conn.transaction(force_rollback=True):
        bound: set[NeedKey] = set()
        needs: dict[str, set[NeedKey]] = {}
        missing: dict[str, set[NeedKey]] = {}
        for number, (what, names) in enumerate(arrivals):
            keys = list(map(NeedKey, names))
            now = NOW + timedelta(seconds=number)
            touched: Sequence[tuple[str, str]] = ()
            before = {id for id, lacks in missing.items() if not lacks}
            if what == "wish":
                one = wish(number + 1, needs=tuple(keys))
                touched = (await outbox.wish(conn, cipher, [one], now)).touched
                needs[one.id], missing[one.id] = set(keys), set(keys) - bound
            elif what == "bind":
                touched = await outbox.bind_and_release(conn, [Binding("odoo", key, f"res/{number}") for key in keys], now)
                bound |= set(keys)
                missing = {id: lacks - bound for id, lacks in missing.items()}
            else:  # found gone in the target by those that were to be sent
                await bindings.end(conn, "odoo", keys, now)
                bound -= set(keys)
                hit = sorted(id for id in before if set(keys) & needs[id])
                rows = await outbox.read(conn, cipher, hit)
                await outbox.settle(conn, [End(row.id, row.created_at, EndStatus.WAITING) for row in rows], now)
                missing = {id: needs[id] - bound for id in needs}
            ready = {id for id, lacks in missing.items() if not lacks}
            found = await outbox.read(conn, cipher, sorted(needs))
            assert {row.id for row in found if row.state is CommandState.READY} == ready
            assert {row.id for row in found if row.state is CommandState.WAITING} == needs.keys() - ready
            assert touched or not ready - before
            if touched:
                await look_further(conn)
            noted = await lacking.missing_needs(conn, sorted(needs))
            assert {id: set(lacks) for id, lacks in noted.items()} == {id: lacks for id, lacks in missing.items() if lacks}
