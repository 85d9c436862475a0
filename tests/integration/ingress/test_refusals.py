"""A wrong signing secret is seen: refusals are counted, a few in a row are one case, and the next delivery that is taken ends it."""

from __future__ import annotations

from datetime import UTC, datetime

from counterfoil.ingress.refusals import KEYS_MAX, Refusals
from counterfoil.kit.clock import SettableClock
from counterfoil.store import cases, refused
from counterfoil.store.pool import Pool

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CODE = "stripe.signature_mismatch"


async def test_a_few_refusals_in_a_row_are_one_case_until_a_delivery_is_taken(pool: Pool) -> None:
    refusals = Refusals(pool, SettableClock(NOW))
    for _ in range(2):
        refusals.note("stripe_us", CODE, 401)
    await refusals.flush()
    assert await open_cases(pool) == []
    for _ in range(5000):  # somebody who does not know the secret
        refusals.note("stripe_us", CODE, 401)
        refusals.note("stripe_us", "stripe.too_old", 400)
        refusals.note("", "intake.connection_unknown", 404)
    await refusals.flush()
    refusals.note("stripe_us", CODE, 401)
    await refusals.flush()
    [case] = await open_cases(pool)
    assert (case.case_class, case.code, case.connection, case.count) == ("authentication_refused", CODE, "stripe_us", 1)
    assert "webhook_secrets of stripe_us" in case.next_step
    async with pool.connection() as conn:
        found = {(one.connection, one.code): (one.total, one.since_accepted) for one in await refused.read_all(conn)}
    assert found == {
        ("", "intake.connection_unknown"): (5000, 5000),
        ("stripe_us", CODE): (5003, 5003),
        ("stripe_us", "stripe.too_old"): (5000, 5000),
    }
    refusals.took("stripe_us")
    await refusals.flush()
    assert await open_cases(pool) == []


async def test_refusals_between_deliveries_that_are_taken_are_counted_and_no_case(pool: Pool) -> None:
    refusals = Refusals(pool, SettableClock(NOW))
    for _ in range(10):
        refusals.note("stripe_us", CODE, 401)
        refusals.note("stripe_us", CODE, 401)
        refusals.took("stripe_us")
        await refusals.flush()
    assert await open_cases(pool) == []
    async with pool.connection() as conn:
        [line] = await refused.read_all(conn)
    assert (line.total, line.since_accepted) == (20, 0)


async def test_a_case_that_was_waived_is_not_opened_again_by_more_of_the_same(pool: Pool) -> None:
    refusals = Refusals(pool, SettableClock(NOW))
    for _ in range(3):
        refusals.note("stripe_us", CODE, 401)
    await refusals.flush()
    [case] = await open_cases(pool)
    async with pool.connection() as conn:
        await cases.close(conn, case.id, cases.CaseState.WAIVED, "somebody", "nobody is to deliver there", NOW)
    refusals.note("stripe_us", CODE, 401)
    await refusals.flush()
    assert await open_cases(pool) == []


async def test_what_is_told_apart_in_memory_is_bounded(pool: Pool) -> None:
    refusals = Refusals(pool, SettableClock(NOW))
    for number in range(KEYS_MAX + 50):
        refusals.note("", f"code_{number}", 404)
    await refusals.flush()
    async with pool.connection() as conn:
        assert len(await refused.read_all(conn)) == KEYS_MAX


async def open_cases(pool: Pool) -> list[cases.Case]:
    async with pool.connection() as conn:
        return await cases.list_cases(conn)
