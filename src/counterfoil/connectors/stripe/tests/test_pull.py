"""Polling and backfill: nothing is missed, nothing is read for ever, and what is proven is said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from counterfoil.connectors.stripe.backfill import KINDS
from counterfoil.connectors.stripe.pull import lists
from counterfoil.connectors.stripe.sandbox import StripeSandbox
from counterfoil.core.kinds.balance_entry import BalanceEntry
from counterfoil.core.kinds.customer import Customer
from counterfoil.core.kinds.invoice import Invoice
from counterfoil.core.kinds.payment import Payment
from counterfoil.core.language.records import Record
from counterfoil.kit.connector import Page
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError

from .building import POLLS, SOURCE
from .sandboxed import normalized_all, opened, run_trigger, walk
from .scripted import page, scripted

NOW = datetime(2026, 9, 21, 12, 0, tzinfo=UTC)
T = int(NOW.timestamp())


def event(number: int, created: int) -> dict[str, Any]:
    obj = {"id": f"cus_{number}", "object": "customer"}
    found = {"id": f"evt_{number}", "object": "event", "type": "customer.created", "created": created, "livemode": False}
    return {**found, "api_version": "2026-10-28.endive", "data": {"object": obj}}


def fee(number: int, created: int, kind: str = "stripe_fee") -> dict[str, Any]:
    found = {"id": f"txn_{number}", "object": "balance_transaction", "amount": -10, "fee": 0, "net": -10, "currency": "usd"}
    return {**found, "created": created, "type": kind, "reporting_category": "fee"}


class World:
    """Two lists that grow."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.movements: list[dict[str, Any]] = []

    def answer(self, path: str, params: Mapping[str, str]) -> dict[str, Any] | None:
        lists = {"/v1/events": self.events, "/v1/balance_transactions": self.movements}
        rows = sorted(lists.get(path, []), key=lambda row: row["created"], reverse=True)
        return page(rows, params)


async def round_(ctx: Context, cursor: str) -> tuple[list[str], Page]:
    """Poll one whole round and return the keys and the last page."""
    found, last = await walk(lambda c: POLLS.poll(ctx, c), cursor)
    return [delivery.dedupe_key for delivery in found], last


async def test_a_round_brings_events_and_unexplained_movements_oldest_first_within_a_page() -> None:
    world = World()
    ctx, _, clock = scripted(world.answer, NOW)
    _, last = await round_(ctx, "")
    world.events = [event(1, T + 1), event(2, T + 2)]
    world.movements = [fee(1, T + 1), fee(2, T + 2, "charge")]
    clock.advance_to(NOW + timedelta(minutes=1))
    keys, last = await round_(ctx, last.cursor)
    assert keys == ["acct_1/evt_1", "acct_1/evt_2", "acct_1/balance_transaction/txn_1"]
    assert last.covers_until == NOW + timedelta(minutes=1) - timedelta(seconds=120)
    assert last.recoverable_since == NOW + timedelta(minutes=1) - timedelta(days=30)


async def test_coverage_is_claimed_only_at_the_end_of_a_round() -> None:
    world = World()
    ctx, _, _ = scripted(world.answer, NOW)
    first = await POLLS.poll(ctx, "")
    assert (first.has_more, first.covers_until) == (True, None)
    second = await POLLS.poll(ctx, first.cursor)
    assert (second.has_more, second.covers_until) == (False, NOW - timedelta(seconds=120))


async def test_an_event_that_became_visible_late_is_still_found() -> None:
    world = World()
    ctx, _, clock = scripted(world.answer, NOW)
    world.events = [event(2, T)]
    _, last = await round_(ctx, "")
    world.events.append(event(1, T - 100))
    clock.advance_to(NOW + timedelta(seconds=30))
    keys, _ = await round_(ctx, last.cursor)
    assert "acct_1/evt_1" in keys


async def test_the_first_poll_can_look_further_back_than_the_others() -> None:
    world = World()
    world.events = [event(n, T - 86_400 + n) for n in range(150)]
    ctx, http, _ = scripted(world.answer, NOW, first_poll_back_s=2 * 86_400)
    keys, last = await round_(ctx, "")
    assert len(keys) == 150
    http.asked.clear()
    await round_(ctx, last.cursor)
    assert http.asked[0][1]["created[gte]"] == str(T - 86_400 + 149 - 120)


async def test_a_quiet_list_is_not_read_over_and_over() -> None:
    world = World()
    ctx, http, clock = scripted(world.answer, NOW)
    world.events = [event(n, T - 60 + n // 10) for n in range(250)]
    _, last = await round_(ctx, "")
    clock.advance_to(NOW + timedelta(minutes=10))
    keys, _ = await round_(ctx, last.cursor)
    assert len(keys) == 10  # those of the newest second only
    assert http.asked[-2][1]["created[gte]"] == str(T - 60 + 24)


async def test_long_rounds_are_paged_and_resumable() -> None:
    world = World()
    ctx, _, _ = scripted(world.answer, NOW, poll_overlap_s=3600)
    world.events = [event(n, T - 2000 + n) for n in range(250)]
    cursor, sizes, keys = "", [], set()
    for _ in range(4):
        found = await POLLS.poll(ctx, cursor)
        again = await POLLS.poll(ctx, cursor)  # a worker that died before it kept the cursor
        assert [d.dedupe_key for d in again.deliveries] == [d.dedupe_key for d in found.deliveries]
        cursor = found.cursor
        sizes.append(len(found.deliveries))
        keys |= {d.dedupe_key for d in found.deliveries}
    assert sizes == [100, 100, 50, 0]
    assert len(keys) == 250


async def test_new_events_during_a_round_come_with_the_next() -> None:
    world = World()
    ctx, _, clock = scripted(world.answer, NOW, poll_overlap_s=3600)
    world.events = [event(n, T - 2000 + n) for n in range(150)]
    first = await POLLS.poll(ctx, "")
    world.events.append(event(999, T))
    _, last = await round_(ctx, first.cursor)
    clock.advance_to(NOW + timedelta(minutes=1))
    keys, _ = await round_(ctx, last.cursor)
    assert "acct_1/evt_999" in keys


async def test_every_account_has_its_own_streams() -> None:
    world = World()
    ctx, http, _ = scripted(world.answer, NOW, accounts=["acct_2"])
    world.events = [event(1, T)]
    keys, _ = await round_(ctx, "")
    assert keys == ["acct_1/evt_1", "acct_2/evt_1"]
    assert [account for _, _, account in http.asked] == ["", "", "acct_2", "acct_2"]


async def test_after_a_gap_longer_than_stripe_keeps_events_the_objects_are_listed_again() -> None:
    world = World()
    ctx, http, clock = scripted(world.answer, NOW, gap_relist_days=90)
    world.events = [event(1, T)]
    _, last = await round_(ctx, "")
    clock.advance_to(NOW + timedelta(days=31))
    http.asked.clear()
    _, last = await round_(ctx, last.cursor)
    listed = [path for path, _, _ in http.asked]
    assert listed[: len(KINDS)] == [
        "/v1/tax_rates",
        "/v1/products",
        "/v1/prices",
        "/v1/customers",
        "/v1/subscriptions",
        "/v1/invoices",
        "/v1/charges",
        "/v1/credit_notes",
        "/v1/refunds",
        "/v1/disputes",
        "/v1/payouts",
        "/v1/balance_transactions",
        "/v1/customers",
    ]
    assert listed[len(KINDS) :] == ["/v1/events", "/v1/balance_transactions"]
    assert http.asked[5][1]["created[gte]"] == str(T - 90 * 86_400)
    assert last.covers_until == NOW + timedelta(days=31, seconds=-120)
    http.asked.clear()
    await round_(ctx, last.cursor)
    assert len(http.asked) == 2  # a quiet account is no gap


async def test_a_list_goes_on_where_all_of_them_were_read_together_before() -> None:
    world = World()
    ctx, http, _ = scripted(world.answer, NOW)
    mark = {"high": T - 500, "moved_at": T - 100}
    joint = json.dumps({"marks": {"acct_1/events": mark}, "covered_at": T - 60, "stream": "", "after": "", "top": 0, "started_at": T - 60})
    page_ = await lists(ctx.settings)["acct_1/events"].poll(ctx, joint)
    # From the newest seen, less the overlap of 120 s.
    assert [(path, asked["created[gte]"]) for path, asked, _ in http.asked] == [("/v1/events", str(T - 620))]
    assert (page_.has_more, page_.covers_until) == (False, NOW - timedelta(seconds=120))


async def test_a_gap_of_one_account_lists_that_one_again() -> None:
    ctx, http, _ = scripted(World().answer, NOW, accounts=["acct_2"])
    gone_long = json.dumps({"mark": {"high": T - 40 * 86_400, "moved_at": T}, "covered_at": T - 40 * 86_400})
    found = lists(ctx.settings)
    await walk(lambda cursor: found["acct_2/events"].poll(ctx, cursor), gone_long)
    assert {account for _, _, account in http.asked} == {"acct_2"}
    assert len(http.asked) == len(KINDS) + 1


async def test_a_damaged_cursor_is_a_setup_error() -> None:
    ctx, _, _ = scripted(World().answer, NOW)
    with pytest.raises(SetupError):
        await lists(ctx.settings)["acct_1/events"].poll(ctx, "{")


async def test_backfill_goes_page_by_page_and_account_by_account() -> None:
    rows = [{"id": f"prod_{n}", "object": "product", "name": "x", "created": T + n} for n in range(150)][::-1]
    ctx, http, _ = scripted(lambda _path, params: page(rows, params), NOW, accounts=["acct_2"])
    found, last = await walk(lambda cursor: SOURCE.backfill(ctx, "product", NOW, cursor))
    assert [len(found), last.has_more] == [300, False]
    assert {delivery.account for delivery in found} == {"acct_1", "acct_2"}
    assert len({delivery.dedupe_key for delivery in found}) == 300
    assert [account for _, _, account in http.asked] == ["", "", "acct_2", "acct_2"]
    assert http.asked[0][1]["created[gte]"] == str(T)


async def test_an_object_listed_unchanged_has_the_same_key_and_a_changed_one_another() -> None:
    row = {"id": "prod_1", "object": "product", "name": "x", "created": T}
    ctx, _, _ = scripted(lambda _path, _params: {"data": [row], "has_more": False}, NOW)
    first = await SOURCE.backfill(ctx, "product", NOW, "")
    second = await SOURCE.backfill(ctx, "product", NOW, "")
    row["name"] = "y"
    third = await SOURCE.backfill(ctx, "product", NOW, "")
    keys = [page_.deliveries[0].dedupe_key for page_ in (first, second, third)]
    assert keys[0] == keys[1] != keys[2]


async def test_a_page_of_charges_asks_for_its_invoice_payments_together() -> None:
    def charge(n: int) -> dict[str, Any]:
        found = {"id": f"ch_{n}", "object": "charge", "amount": 100, "amount_captured": 100, "currency": "usd", "status": "succeeded"}
        return {**found, "created": T + n, "customer": "cus_1", "payment_intent": f"pi_{n}"}

    def paid(n: int) -> dict[str, Any]:
        of = {"type": "payment_intent", "payment_intent": f"pi_{n}"}
        found = {"id": f"inpay_{n}", "object": "invoice_payment", "invoice": f"in_{n}", "currency": "usd", "status": "paid"}
        return {**found, "created": T + n, "amount_paid": 100, "payment": of}

    charges, payments = [charge(n) for n in range(50)][::-1], [paid(n) for n in range(49)][::-1]

    def answer(path: str, params: dict[str, str]) -> dict[str, Any]:
        if path == "/v1/charges":
            return page(charges, params)
        wanted = params.get("payment[payment_intent]")
        return page([p for p in payments if wanted in (None, p["payment"]["payment_intent"])], params)

    ctx, http, _ = scripted(answer, NOW)
    found = await SOURCE.backfill(ctx, "charge", NOW, "")
    facts, _ = await normalized_all(ctx, list(found.deliveries))
    applied = {fact.data.id: len(fact.data.applications) for fact in facts if isinstance(fact.data, Payment)}
    assert applied == {f"stripe:ch_{n}": int(n < 49) for n in range(50)}
    assert [path for path, _, _ in http.asked] == ["/v1/charges", "/v1/invoice_payments", "/v1/invoice_payments"]


async def test_an_unknown_kind_or_account_is_a_setup_error() -> None:
    ctx, _, _ = scripted(World().answer, NOW)
    with pytest.raises(SetupError, match="spaceship"):
        await SOURCE.backfill(ctx, "spaceship", NOW, "")
    with pytest.raises(SetupError, match="acct_9"):
        await SOURCE.backfill(ctx, "product", NOW, json.dumps({"account": "acct_9"}))


def _as_listed(entity: Record) -> Record:
    """Return what a list tells of an object: it cannot be expanded as far as the charges that paid an invoice."""
    if not isinstance(entity, Invoice) or entity.paid_parts is None:
        return entity
    return replace(entity, paid_parts=tuple(replace(part, payment_id="") for part in entity.paid_parts))


async def test_backfill_of_the_sandbox_knows_what_its_events_told() -> None:
    sandbox = StripeSandbox()
    for name in ("invoice.paid", "charge.refunded", "credit_note.created", "charge.dispute.created", "payout.created", "tax_rate.created"):
        run_trigger(sandbox, name)
    async with opened(sandbox) as ctx:
        events, _ = await walk(lambda cursor: POLLS.poll(ctx, cursor))
        told, _ = await normalized_all(ctx, events)
        listed = []
        for kind in KINDS:
            found, _ = await walk(lambda cursor, kind=kind: SOURCE.backfill(ctx, kind, datetime(2025, 1, 1, tzinfo=UTC), cursor))  # type: ignore[misc]
            assert all(not SOURCE.needs(delivery) for delivery in found)
            listed += found
        known, _ = await normalized_all(ctx, listed)
    by_events = {fact.subject: fact.data for fact in told}
    by_lists = {fact.subject: fact.data for fact in known}
    missing = {subject for subject in by_events.keys() - by_lists.keys() if not isinstance(by_events[subject], Customer)}
    assert not missing
    for subject in by_events.keys() & by_lists.keys():
        if not isinstance(by_events[subject], Customer | BalanceEntry):
            assert by_lists[subject] == _as_listed(by_events[subject])
