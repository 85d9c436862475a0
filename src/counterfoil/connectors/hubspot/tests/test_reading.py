"""What is read of HubSpot becomes what, through merges, deletions and whatever the ways in lose: expected values worked by hand."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from counterfoil.connectors.hubspot.sandbox import HubspotSandbox
from counterfoil.connectors.hubspot.sandbox import crm as sandbox_crm
from counterfoil.connectors.hubspot.sandbox import search as sandbox_search
from counterfoil.core.facts.merge import Current
from counterfoil.core.kinds.company import Company, CompanyState
from counterfoil.core.kinds.contact import Contact
from counterfoil.core.kinds.deal import Deal, DealLine, DealState
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Record
from counterfoil.kit.connector import Delivery
from counterfoil.kit.context import Context

from .sandboxed import POLLS, SOURCE, facts_of, later, opened, polled, states, time_of, walk


async def known(ctx: Context) -> dict[str, Record]:
    """Return the states after one round of polls."""
    return states(await facts_of(ctx, (await polled(ctx))[0]))


async def test_a_deal_is_told_with_its_company_contact_and_lines() -> None:
    sandbox = HubspotSandbox()
    harbor, hill = sandbox.create("companies", name="Blue Harbor"), sandbox.create("companies", name="Green Hill")
    mira = sandbox.create("contacts", firstname="Mira", lastname="Sand", email="mira@blueharbor.example")
    item = sandbox.create(
        "line_items", name="Seat", quantity="100", price="12.005", hs_sku="SEAT", recurringbillingfrequency="annually",
        hs_recurring_billing_start_date="2026-02-01",
    )  # fmt: skip
    deal = sandbox.create(
        "deals", dealname="100 seats", amount="1200.50", deal_currency_code="EUR", dealstage="closedwon", pipeline="default",
        closedate="2026-01-31T23:30:00.000Z",
    )  # fmt: skip
    sandbox.associate(deal, hill, harbor, mira, item)
    async with opened(sandbox) as ctx:
        found = await known(ctx)
    # 1,200.50 EUR are 120,050 cents; the first company is the primary one; a price may be finer than a cent.
    assert found[f"deal/hubspot:4711.{deal.id}"] == Deal(
        f"hubspot:4711.{deal.id}", "100 seats", DealState.WON, Money(120_050, "EUR"), "EUR", "default", "closedwon", date(2026, 1, 31),
        (f"hubspot:4711.{hill.id}", f"hubspot:4711.{harbor.id}"), (f"hubspot:4711.{mira.id}",),
        (DealLine(f"hubspot:4711.{item.id}", "Seat", Decimal(100), Decimal("12.005"), "", "SEAT", "P1Y", date(2026, 2, 1)),),
    )  # fmt: skip
    assert found[f"contact/hubspot:4711.{mira.id}"] == Contact(f"hubspot:4711.{mira.id}", "Mira Sand", email="mira@blueharbor.example")


@pytest.mark.parametrize(("stage", "state"), [("qualifiedtobuy", DealState.OPEN), ("closedlost", DealState.LOST)])
async def test_a_deal_without_a_currency_is_in_that_of_the_account(stage: str, state: DealState) -> None:
    sandbox = HubspotSandbox()
    deal = sandbox.create("deals", dealname="10 seats", amount="10.005", dealstage=stage)
    async with opened(sandbox) as ctx:
        found = (await known(ctx))[f"deal/hubspot:4711.{deal.id}"]
    # 10.005 is finer than a cent: half to even gives 10.00.
    assert isinstance(found, Deal)
    assert (found.state, found.amount) == (state, Money(1_000, "USD"))


@pytest.mark.parametrize("makes_new", [True, False])
async def test_companies_that_were_merged_name_their_survivor_though_only_polled(makes_new: bool) -> None:
    sandbox = HubspotSandbox()
    sandbox.world.makes_new_on_merge = {"companies"} if makes_new else set()
    first, second = sandbox.create("companies", name="Blue Harbor"), sandbox.create("companies", name="Harbor, Blue", phone="1")
    deal = sandbox.create("deals", dealname="100 seats")
    sandbox.associate(deal, second)
    async with opened(sandbox) as ctx:
        deliveries, cursor = await polled(ctx)
        current: dict[str, Current] = {}
        states(await facts_of(ctx, deliveries), current)
        survivor = sandbox.merge(first, second)
        later(sandbox, ctx)
        found = states(await facts_of(ctx, (await polled(ctx, cursor))[0]), current)
    new = f"hubspot:4711.{survivor.id}"
    assert (survivor.id != first.id) is makes_new
    assert found[f"company/{new}"] == Company(new, "Blue Harbor", phone="1")
    merged = [first, second] if makes_new else [second]
    for one in merged:
        gone = found[f"company/hubspot:4711.{one.id}"]
        assert isinstance(gone, Company)
        assert (gone.state, gone.merged_into, gone.name) == (CompanyState.MERGED, new, one.properties["name"])
    # The deal was the second one's; asked for now, it is the survivor's.
    async with opened(sandbox) as ctx:
        told = (await known(ctx))[f"deal/hubspot:4711.{deal.id}"]
    assert isinstance(told, Deal)
    assert told.company_ids == (new,)


async def test_what_is_deleted_is_found_though_no_search_tells_and_comes_back() -> None:
    sandbox = HubspotSandbox()
    company = sandbox.create("companies", name="Blue Harbor")
    key = f"company/hubspot:4711.{company.id}"
    async with opened(sandbox) as ctx:
        current: dict[str, Current] = {}
        deliveries, cursor = await polled(ctx)
        states(await facts_of(ctx, deliveries), current)
        later(sandbox, ctx)
        sandbox.delete(company)
        later(sandbox, ctx, 3_600)
        deliveries, cursor = await polled(ctx, cursor)
        gone = states(await facts_of(ctx, deliveries), current)[key]
        assert gone == Company(f"hubspot:4711.{company.id}", "Blue Harbor", CompanyState.DELETED)
        sandbox.restore(company)
        later(sandbox, ctx)
        deliveries, cursor = await polled(ctx, cursor)
        assert states(await facts_of(ctx, deliveries), current)[key] == Company(f"hubspot:4711.{company.id}", "Blue Harbor")


async def test_lists_of_what_is_deleted_are_read_no_more_often_than_is_said() -> None:
    sandbox = HubspotSandbox()
    sandbox.delete(sandbox.create("companies", name="Blue Harbor"))
    async with opened(sandbox) as ctx:
        first, cursor = await polled(ctx)
        later(sandbox, ctx, 300)
        second, cursor = await polled(ctx, cursor)
        later(sandbox, ctx, 400)
        third, _ = await polled(ctx, cursor)
    # The second round begins 300 s after the first, the third 700 s: only then are the lists read again, back to the first less 300 s.
    assert [one.kind for one in first] == ["company.archived"]
    assert second == []
    assert [one.dedupe_key for one in third] == [one.dedupe_key for one in first]


async def test_a_change_the_index_learns_of_late_is_found_by_the_overlap() -> None:
    sandbox = HubspotSandbox(index_lag_s=30)
    async with opened(sandbox) as ctx:
        sandbox.create("companies", name="Late")
        on_time, cursor = await polled(ctx)
        sandbox.world.index_lag_ms = 0
        later(sandbox, ctx, 5)
        sandbox.create("companies", name="Newer, and known at once")
        newer, cursor = await polled(ctx, cursor)
        later(sandbox, ctx, 30)
        found, _ = await polled(ctx, cursor)
    assert (len(on_time), len(newer), len(found)) == (0, 1, 2)


async def test_more_records_than_a_search_shows_are_all_found_also_those_of_one_instant(monkeypatch: pytest.MonkeyPatch) -> None:
    # A search of this sandbox shows 400 records at most. 700 changed at one instant, as by an import, then 500 one by one.
    monkeypatch.setattr(sandbox_search, "SEARCHED_MAX", 400)
    sandbox = HubspotSandbox()
    at = sandbox.world.now_ms + 1
    for number in range(700):
        record = sandbox.create("companies", name=f"Imported {number}")
        record.updated_ms, record.indexed = at, [(at, {**record.values(), "hs_lastmodifieddate": "2026-01-01T00:00:00.001Z"})]
    for number in range(500):
        sandbox.create("companies", name=f"Made {number}")
    async with opened(sandbox) as ctx:
        deliveries, _ = await polled(ctx)
    assert len({one.shard_key for one in deliveries}) == 1_200


async def test_a_record_that_changes_while_pages_are_read_hides_no_other() -> None:
    sandbox = HubspotSandbox()
    made = []
    for number in range(450):
        made.append(sandbox.create("companies", name=f"Made {number}"))
        sandbox.world.advance(10)
    async with opened(sandbox, first_poll_back_s=86_400) as ctx:
        page = await POLLS.poll(ctx, "")
        # The first of 200 that were read leaves for the end: the 201st takes the place of the 200th.
        sandbox.update(made[0], name="Renamed")
        rest, _ = await polled(ctx, page.cursor)
    assert {one.shard_key for one in (*page.deliveries, *rest)} == {one.id for one in made}


async def test_a_page_of_a_round_that_has_ended_says_until_when_nothing_is_missing() -> None:
    sandbox = HubspotSandbox()
    async with opened(sandbox) as ctx:
        _, page = await walk(lambda at: POLLS.poll(ctx, at))
        began = ctx.clock.now().replace(microsecond=0)
        assert page.covers_until == began - timedelta(seconds=300)
        # A round that does not read the lists of what is deleted proves no more than the one before it did.
        later(sandbox, ctx, 60)
        _, page = await walk(lambda at: POLLS.poll(ctx, at), page.cursor)
        assert page.covers_until == began - timedelta(seconds=300)
        later(sandbox, ctx, 540)
        _, page = await walk(lambda at: POLLS.poll(ctx, at), page.cursor)
        assert page.covers_until == ctx.clock.now().replace(microsecond=0) - timedelta(seconds=300)
        assert page.recoverable_since == ctx.clock.now() - timedelta(days=90)


async def test_what_changed_before_the_first_poll_is_told_by_no_later_one_either() -> None:
    sandbox = HubspotSandbox()
    sandbox.create("companies", name="Blue Harbor")
    sandbox.world.advance(3_600)
    async with opened(sandbox) as ctx:
        first, cursor = await polled(ctx)
        later(sandbox, ctx, 60)
        second, cursor = await polled(ctx, cursor)
        later(sandbox, ctx, 60)
        third, _ = await polled(ctx, cursor)
    assert (first, second, third) == ([], [], [])


async def test_all_contacts_of_a_deal_are_told_however_many_pages_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_crm, "LINKS_MAX", 2)
    sandbox = HubspotSandbox()
    deal = sandbox.create("deals", dealname="100 seats")
    persons = [sandbox.create("contacts", firstname=f"P{number}") for number in range(5)]
    sandbox.associate(deal, *persons)
    async with opened(sandbox) as ctx:
        found = (await known(ctx))[f"deal/hubspot:4711.{deal.id}"]
    assert isinstance(found, Deal)
    assert sorted(found.contact_ids) == sorted(f"hubspot:4711.{one.id}" for one in persons)


async def test_two_states_read_at_one_instant_of_our_clock_are_told_apart() -> None:
    sandbox = HubspotSandbox()
    company = sandbox.create("companies", name="Blue Harbor")
    ref = f"4711/company/{company.id}"
    async with opened(sandbox) as ctx:
        answers = [(await SOURCE.fetch(ctx, [ref]))[0] for _ in range(3)]
    instants = [one.fetched_at for one in answers]
    assert instants == sorted(set(instants))


async def test_of_a_contact_that_was_merged_nothing_personal_stays_so_that_erasing_the_survivor_erases_the_person() -> None:
    sandbox = HubspotSandbox()
    first, second = (sandbox.create("contacts", firstname="Mira", email=f"{name}@x.example", phone="1") for name in ("mira", "m"))
    async with opened(sandbox, client_id=sandbox.client_id) as ctx:
        current: dict[str, Current] = {}
        deliveries, cursor = await polled(ctx)
        states(await facts_of(ctx, deliveries), current)
        survivor = sandbox.merge(first, second)
        later(sandbox, ctx)
        deliveries, cursor = await polled(ctx, cursor)
        states(await facts_of(ctx, deliveries), current)
        sandbox.erase(survivor)
        later(sandbox, ctx)
        found = states(await facts_of(ctx, (await polled(ctx, cursor))[0]), current)
    contacts = [one for key, one in found.items() if key.startswith("contact/")]
    assert len(contacts) >= 2
    assert {(one.name, one.email, one.phone) for one in contacts if isinstance(one, Contact)} == {("", "", "")}


async def test_a_backfill_lists_what_was_made_since_and_asks_no_search() -> None:
    sandbox = HubspotSandbox()
    sandbox.create("companies", name="Old")
    sandbox.world.advance(86_400)
    since = time_of(sandbox)
    fresh = [sandbox.create("companies", name=f"New {number}").id for number in range(250)]
    async with opened(sandbox) as ctx:
        deliveries, _ = await walk(lambda at: SOURCE.backfill(ctx, "company", since, at))
        assert [one.shard_key for one in deliveries] == fresh
        assert len(await facts_of(ctx, deliveries)) == 250


async def test_a_batch_asks_once_for_each_record_however_many_deliveries_tell_of_it() -> None:
    sandbox = HubspotSandbox()
    company = sandbox.create("companies", name="Blue Harbor")
    async with opened(sandbox) as ctx:
        before = sandbox.limits.used_today
        answers = await SOURCE.fetch(ctx, [f"4711/company/{company.id}", "4711/company/999", "815/company/1", "nothing"])
        # One batch of what is there, one of what may be deleted: nothing is asked of another account's records.
        assert sandbox.limits.used_today - before == 2
    assert [(one.ref, one.body is None) for one in answers] == [
        (f"4711/company/{company.id}", False), ("4711/company/999", True), ("815/company/1", True), ("nothing", True),
    ]  # fmt: skip


async def test_a_changed_line_item_leads_to_its_deal() -> None:
    sandbox = HubspotSandbox()
    item, deal = sandbox.create("line_items", name="Seat", quantity="1", price="5"), sandbox.create("deals", dealname="One seat")
    sandbox.associate(deal, item)
    async with opened(sandbox) as ctx:
        (answer,) = await SOURCE.fetch(ctx, [f"4711/line_item/{item.id}"])
        delivery = Delivery("k", item.id, "line_item.listed", b'{"id": "%s", "at": ""}' % item.id.encode(), ctx.clock.now(), account="4711")
        facts = SOURCE.normalize(ctx.settings, delivery, {answer.ref: answer})
    assert isinstance(facts, tuple)
    assert [fact.subject for fact in facts] == [ObjectRef("deal", f"hubspot:4711.{deal.id}")]


async def test_a_located_record_is_read_as_the_hub_asks_for_it() -> None:
    sandbox = HubspotSandbox()
    company = sandbox.create("companies", name="Blue Harbor")
    ref = SOURCE.locate(ObjectRef("company", f"hubspot:4711.{company.id}"))
    assert ref is not None
    others = (("customer", "hubspot:1.2"), ("company", "acme:1.2"), ("deal", "hubspot:x"))
    assert [SOURCE.locate(ObjectRef(kind, id)) for kind, id in others] == [
        None, None, None,
    ]  # fmt: skip
    async with opened(sandbox) as ctx:
        (answer,) = await SOURCE.fetch(ctx, [ref])
        assert answer.body is not None
        delivery = Delivery("wanted", "w", "company.fetched", answer.body, answer.fetched_at)
        facts = SOURCE.normalize(ctx.settings, delivery, {})
    assert isinstance(facts, tuple)
    assert [fact.data for fact in facts] == [Company(f"hubspot:4711.{company.id}", "Blue Harbor")]


async def test_a_late_event_of_a_company_that_was_merged_leads_to_its_survivor() -> None:
    sandbox = HubspotSandbox()
    first, second = sandbox.create("companies", name="Blue Harbor"), sandbox.create("companies", name="Harbor, Blue")
    survivor = sandbox.merge(first, second)
    async with opened(sandbox) as ctx:
        body = b'{"subscriptionType": "company.propertyChange", "objectId": %s}' % second.id.encode()
        found = states(await facts_of(ctx, [Delivery("k", second.id, "company.propertyChange", body, ctx.clock.now(), account="4711")]))
    new, old = f"hubspot:4711.{survivor.id}", f"hubspot:4711.{second.id}"
    assert found[f"company/{new}"] == Company(new, "Blue Harbor")
    assert found[f"company/{old}"] == Company(old, "", CompanyState.MERGED, merged_into=new)


async def test_a_state_is_no_older_than_the_event_that_led_to_it_though_our_clock_is_behind() -> None:
    sandbox = HubspotSandbox()
    company = sandbox.create("companies", name="Blue Harbor")
    async with opened(sandbox) as ctx:
        ahead = ctx.clock.now() + timedelta(seconds=30)
        body = b'{"subscriptionType": "company.creation", "objectId": %s}' % company.id.encode()
        (fact,) = await facts_of(ctx, [Delivery("k", company.id, "company.creation", body, ahead, account="4711")])
    # 2026-01-01T00:00:01.001Z and 30 s: 1,767,225,631.001 seconds after the epoch.
    assert (fact.occurred_at, fact.sequence) == (ahead, 1_767_225_631_001_000)
