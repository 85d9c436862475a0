"""Polling, fetching and backfilling: late commits, pages of one stamp, merges, deletions and restores, deals whole, hidden fields."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from counterfoil.connectors.salesforce import pull
from counterfoil.connectors.salesforce.client import rate_seen
from counterfoil.connectors.salesforce.sandbox import SalesforceSandbox
from counterfoil.core.facts.merge import Current
from counterfoil.core.kinds.company import Company, CompanyState
from counterfoil.core.kinds.contact import Contact, ContactState
from counterfoil.core.kinds.deal import Deal, DealLine, DealState
from counterfoil.core.language.money import Money
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.context import Context
from counterfoil.kit.errors import RejectedError, SetupError, TransientError
from counterfoil.kit.rate_headers import RateSeen

from .sandboxed import DAY, ORG, POLLS, SOURCE, deal_of, facts_of, key_of, opened, polled, state_of, states, time_of, walk


async def test_accounts_contacts_and_deals_become_what_they_are() -> None:
    sandbox = SalesforceSandbox(has_currencies=True)
    sandbox.add_field("Account", "Billing_Id__c")
    given = {"Website": "www.blueharbor.example", "Phone": "030 1", "BillingCountry": "Germany", "Billing_Id__c": "cus_1; cus_2"}
    account = sandbox.create("Account", Name="Blue Harbor", **given)
    mira = sandbox.create("Contact", FirstName="Mira", LastName="Sand", Email="mira@blueharbor.example", AccountId=account.id)
    karl = sandbox.create("Contact", LastName="Ohm", AccountId=account.id)  # no e-mail is no fault
    seat = sandbox.create("Product2", Name="Seat", ProductCode="SEAT-1")
    deal = deal_of(sandbox, account, StageName="Closed Won", CurrencyIsoCode="EUR")
    sandbox.create("OpportunityLineItem", OpportunityId=deal.id, Quantity=100, UnitPrice=12.5, Product2Id=seat.id, ServiceDate="2026-02-01")
    for contact, is_primary in ((karl, False), (mira, True)):
        sandbox.create("OpportunityContactRole", OpportunityId=deal.id, ContactId=contact.id, IsPrimary=is_primary)
    async with opened(sandbox, **DAY, customer_ids={"Billing_Id__c": "billing"}) as ctx:
        found, _ = await polled(ctx)
        known = states(await facts_of(ctx, found))
    [line] = [one.id for one in sandbox.world.all("OpportunityLineItem")]
    own = f"salesforce:{ORG}."
    assert known == {
        key_of("company", account.id): Company(
            own + account.id, "Blue Harbor", CompanyState.PRESENT, "blueharbor.example", "030 1", "Germany",
            customer_ids=("billing:cus_1", "billing:cus_2"),
        ),
        key_of("contact", mira.id): Contact(
            own + mira.id, "Mira Sand", ContactState.PRESENT, "mira@blueharbor.example", "", (own + account.id,)
        ),
        key_of("contact", karl.id): Contact(own + karl.id, "Ohm", ContactState.PRESENT, "", "", (own + account.id,)),
        key_of("deal", deal.id): Deal(
            own + deal.id, "Seats", DealState.WON, Money(125_000, "EUR"), "EUR", "", "Closed Won", date(2026, 1, 31),
            (own + account.id,), (own + mira.id, own + karl.id),
            (DealLine(own + line, "Seat", Decimal(100), Decimal("12.5"), own + seat.id, "SEAT-1", "", date(2026, 2, 1)),),
        ),
    }  # fmt: skip


async def test_what_is_told_of_another_org_is_refused_whatever_was_read_for_it() -> None:
    sandbox = SalesforceSandbox()
    sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox, **DAY) as ctx:
        [row] = [one for one in (await polled(ctx))[0] if one.kind == "company.row"]
        with pytest.raises(RejectedError) as refused:
            SOURCE.normalize(ctx.settings, replace(row, account="00D5000000Gv7qJEAR"), {})
        assert refused.value.code == "salesforce.other_org"


async def test_what_cannot_be_an_id_of_another_system_names_no_customer() -> None:
    sandbox = SalesforceSandbox()
    sandbox.add_field("Account", "Billing_Id__c", length=400)
    account = sandbox.create("Account", Name="Blue Harbor", Billing_Id__c="see invoice; cus_1;;" + "x" * 256)
    async with opened(sandbox, **DAY, customer_ids={"Billing_Id__c": "billing"}) as ctx:
        record = await state_of(ctx, "company", account.id)
        assert isinstance(record, Company)
        assert record.customer_ids == ("billing:cus_1",)


async def test_what_was_read_once_comes_no_second_time_and_what_changes_does() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox, **DAY) as ctx:
        first, page = await polled(ctx)
        again, page = await polled(ctx, page.cursor)
        assert [one.dedupe_key for one in again] == [one.dedupe_key for one in first]  # the overlap reads it again, as the same
        sandbox.update(account, Phone="030 1")
        third, _ = await polled(ctx, page.cursor)
        assert [one.dedupe_key == first[0].dedupe_key for one in third] == [False]


async def test_two_changes_within_one_second_are_two_deliveries_and_the_last_counts() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor", Phone="1")
    async with opened(sandbox, **DAY) as ctx:
        first, page = await polled(ctx)
        known: dict[str, Current] = {}
        states(await facts_of(ctx, first), known)
        before = account.system_ms
        sandbox.update(account, Phone="2")
        assert account.system_ms == before  # a stamp is a second
        found, _ = await polled(ctx, page.cursor)
        record = states(await facts_of(ctx, found), known)[key_of("company", account.id)]
        assert isinstance(record, Company)
        assert record.phone == "2"


async def test_two_changes_of_a_deal_or_its_lines_within_one_second_are_each_read() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    deal = deal_of(sandbox, account, 2)
    [line] = sandbox.world.all("OpportunityLineItem")
    async with opened(sandbox, **DAY) as ctx:
        found, page = await polled(ctx)
        known: dict[str, Current] = {}
        states(await facts_of(ctx, found), known)
        seen = {one.dedupe_key for one in found}
        for made, change in ((deal, {"StageName": "Closed Won"}), (line, {"Quantity": 3})):
            before = made.system_ms
            sandbox.update(made, **change)
            assert made.system_ms == before  # a stamp is a second
            found, page = await polled(ctx, page.cursor)
            fresh = [one for one in found if one.dedupe_key not in seen]  # the hub drops what it has
            seen |= {one.dedupe_key for one in found}
            states(await facts_of(ctx, fresh), known)
        record = known[key_of("deal", deal.id)].record
        assert isinstance(record, Deal)
        assert (record.state, [one.quantity for one in record.lines]) == (DealState.WON, [Decimal(3)])


async def test_a_record_that_is_committed_minutes_after_its_stamp_is_read_within_the_overlap() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox, **DAY, poll_overlap_s=600) as ctx:
        sandbox.world.advance(60)
        late = sandbox.begin()
        late.update(account, Phone="030 1")
        sandbox.world.advance(300)
        other = sandbox.create("Account", Name="Green Hill")
        _, page = await polled(ctx)
        late.commit()
        assert account.system_ms < other.system_ms
        found, _ = await polled(ctx, page.cursor)
        record = states(await facts_of(ctx, found))[key_of("company", account.id)]
        assert isinstance(record, Company)
        assert record.phone == "030 1"


async def test_a_round_covers_what_was_committed_before_it_less_the_overlap_and_the_bins_fifteen_days_are_told() -> None:
    sandbox = SalesforceSandbox()
    async with opened(sandbox, poll_overlap_s=600) as ctx:
        now = ctx.clock.now()
        _, page = await polled(ctx)
        assert page.covers_until == now.replace(microsecond=now.microsecond // 1000 * 1000) - timedelta(seconds=600)
        assert page.recoverable_since == now - timedelta(days=15)


async def test_a_list_of_which_nothing_changed_is_not_read_from_its_beginning() -> None:
    sandbox = SalesforceSandbox()
    sandbox.create("Account", Name="Long ago")
    sandbox.world.advance(86_400)
    async with opened(sandbox) as ctx:
        nothing, page = await polled(ctx)
        again, _ = await polled(ctx, page.cursor)
        assert (nothing, again) == ([], [])


async def test_pages_go_on_within_one_stamp_and_lose_nothing_that_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull, "ROWS_MAX", 3)
    sandbox = SalesforceSandbox()
    with sandbox.world.acting(sandbox.world.person_id):
        accounts = [sandbox.create("Account", Name=f"Company {number}") for number in range(10)]
    assert len({one.system_ms for one in accounts}) == 1
    moved = itertools.count()
    async with opened(sandbox, **DAY) as ctx:
        found = []
        cursor = ""
        while True:
            page = await POLLS.poll(ctx, cursor)
            found += [one for one in page.deliveries if one.kind == "company.row"]
            cursor = page.cursor
            if next(moved) == 1:  # between two pages a record leaves its place for the end
                sandbox.world.advance(2)
                sandbox.update(accounts[-1], Phone="030 1")
            if not page.has_more:
                break
        known = states(await facts_of(ctx, found))
        assert len(known) == 10
        last = known[key_of("company", accounts[-1].id)]
        assert isinstance(last, Company)
        assert last.phone == "030 1"


async def test_an_answer_shorter_than_asked_is_gone_on_from() -> None:
    sandbox = SalesforceSandbox()
    accounts = [sandbox.create("Account", Name=f"Company {number}") for number in range(450)]
    sandbox.rest.page_size = 200  # large rows: Salesforce gives fewer of them than a page may hold
    async with opened(sandbox, **DAY) as ctx:
        found, _ = await polled(ctx)
        assert [one.shard_key for one in found] == [one.id for one in accounts]


async def test_a_line_that_changes_without_its_opportunity_is_read_with_it() -> None:
    sandbox = SalesforceSandbox()
    deal = deal_of(sandbox, sandbox.create("Account", Name="Blue Harbor"), 2, 4)
    async with opened(sandbox, **DAY) as ctx:
        known: dict[str, Current] = {}
        found, page = await polled(ctx)
        states(await facts_of(ctx, found), known)
        sandbox.world.advance(3_600)
        line = sandbox.world.all("OpportunityLineItem")[0]
        sandbox.update(line, ServiceDate="2026-03-01")
        seen = {one.dedupe_key for one in found}
        found, page = await polled(ctx, page.cursor)
        found = [one for one in found if one.dedupe_key not in seen]
        assert [one.kind for one in found] == ["deal.listed"]
        record = states(await facts_of(ctx, found), known)[key_of("deal", deal.id)]
        assert isinstance(record, Deal)
        assert [one.starts_on for one in record.lines] == [date(2026, 3, 1), None]
        sandbox.world.advance(3_600)
        sandbox.delete(line)
        found, _ = await polled(ctx, page.cursor)
        record = states(await facts_of(ctx, found), known)[key_of("deal", deal.id)]
        assert isinstance(record, Deal)
        assert (len(record.lines), record.amount) == (1, Money(5_000, "USD"))


async def test_many_lines_of_one_opportunity_are_read_to_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = SalesforceSandbox()
    deal = deal_of(sandbox, sandbox.create("Account", Name="Blue Harbor"), *([1] * 25))
    plain = sandbox.rest._page  # what belongs to a record is given in pages of ten

    def paged(call: object, rows: list[dict[str, object]], *given: object) -> dict[str, object]:
        for row in rows:
            if row.get("OpportunityLineItems"):
                inner = row["OpportunityLineItems"]["records"]  # type: ignore[index]
                if len(inner) > 10:
                    row["OpportunityLineItems"] = plain(call, inner, len(inner), 0, 10, "queryAll")  # type: ignore[arg-type]
        return plain(call, rows, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(sandbox.rest, "_page", paged)
    async with opened(sandbox, **DAY) as ctx:
        record = await state_of(ctx, "deal", deal.id)
        assert isinstance(record, Deal)
        assert len(record.lines) == 25


async def test_a_hundred_records_are_fetched_by_one_call_for_each_type() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    deals = [deal_of(sandbox, account, 1) for _ in range(100)]
    async with opened(sandbox, **DAY) as ctx:
        found, _ = await polled(ctx)
        await facts_of(ctx, found)
        before = sandbox.limits.used
        await SOURCE.fetch(ctx, [f"{ORG}/deal/{one.id}" for one in deals])
        assert sandbox.limits.used - before == 1


async def test_a_person_account_is_a_company_and_its_person_a_contact_of_it() -> None:
    sandbox = SalesforceSandbox(has_person_accounts=True)
    person = sandbox.create("Account", FirstName="Mira", LastName="Sand", PersonEmail="mira@x.example")
    async with opened(sandbox, **DAY) as ctx:
        found, _ = await polled(ctx)
        known = states(await facts_of(ctx, found))
        contact_id = person.values["PersonContactId"]
        own = f"salesforce:{ORG}."
        assert known == {
            key_of("company", person.id): Company(own + person.id, "Mira Sand"),
            key_of("contact", contact_id): Contact(
                own + contact_id, "Mira Sand", ContactState.PRESENT, "mira@x.example", "", (own + person.id,)
            ),
        }


async def test_amounts_keep_their_own_currency_whatever_the_rates_of_the_day_are() -> None:
    # The org's currency is USD; yen cost 140 to the dollar in 2025 and 150 in 2026. None of it touches what was entered.
    sandbox = SalesforceSandbox(has_currencies=True)
    account = sandbox.create("Account", Name="Blue Harbor")
    deals = [deal_of(sandbox, account, CurrencyIsoCode="JPY", Amount=1_200_000, CloseDate=day) for day in ("2025-06-30", "2026-06-30")]
    async with opened(sandbox, **DAY) as ctx:
        found, _ = await polled(ctx)
        known = states(await facts_of(ctx, found))
        for deal in deals:
            record = known[key_of("deal", deal.id)]
            assert isinstance(record, Deal)
            assert (record.amount, record.currency) == (Money(1_200_000, "JPY"), "JPY")


@pytest.mark.parametrize("kind", ["taken away", "hidden from the user"])
async def test_a_field_that_vanished_stops_reading_and_empties_nothing(kind: str) -> None:
    sandbox = SalesforceSandbox()
    sandbox.add_field("Account", "Billing_Id__c")
    account = sandbox.create("Account", Name="Blue Harbor", Billing_Id__c="cus_1")
    async with opened(sandbox, **DAY, customer_ids={"Billing_Id__c": "billing"}) as ctx:
        _, page = await polled(ctx)
        if kind == "taken away":
            del sandbox.world.types["Account"].fields["Billing_Id__c"]
        else:
            sandbox.world.hidden.add(("Account", "Billing_Id__c"))
        sandbox.update(account, Phone="030 1")
        with pytest.raises(SetupError, match=r"Account has no field Billing_Id__c, or the integration user may not see it"):
            await polled(ctx, page.cursor)
        with pytest.raises(SetupError, match="take it out of there") as gone:
            await polled(ctx, page.cursor)
        assert gone.value.code == "salesforce.field_missing"


@pytest.mark.parametrize(
    ("header", "seen"),
    [
        ("api-usage=18/5000", None),  # a quarter is 1,250
        ("api-usage=3750/5000", RateSeen(1_250, 86_400)),
        ("api-usage=4990/5000; per-app-api-usage=17/250(appName=hub)", RateSeen(10, 86_400)),
        ("per-app-api-usage=249/250(appName=hub), api-usage=18/5000", None),
        ("api-usage=5000/5000", RateSeen(0, 900)),
        ("api-usage=5200/5000", RateSeen(0, 900)),
        ("api-usage=0/0", None),
        ("api-usage=many", None),
        ("", None),
    ],
)
def test_what_is_left_of_a_days_calls_is_spread_over_a_day_once_it_is_less_than_a_quarter(header: str, seen: RateSeen | None) -> None:
    assert rate_seen({"Sforce-Limit-Info": header}, 0.0) == seen


async def test_a_refusal_of_the_days_limit_asks_for_a_rest_of_a_quarter_of_an_hour() -> None:
    sandbox = SalesforceSandbox()
    async with opened(sandbox) as ctx:
        sandbox.limits.daily, sandbox.limits.is_enforced = 0, True
        with pytest.raises(TransientError, match="used up") as refused:
            await polled(ctx)
        assert (refused.value.code, refused.value.retry_after_s, refused.value.is_unavailable) == ("salesforce.limit_reached", 900.0, True)


async def test_a_backfill_brings_what_was_made_since_and_is_the_same_twice() -> None:
    sandbox = SalesforceSandbox()
    sandbox.create("Account", Name="Before")
    sandbox.world.advance(86_400)
    since = time_of(sandbox)
    sandbox.world.advance(5)
    account = sandbox.create("Account", Name="Blue Harbor")
    deal = deal_of(sandbox, account, 2)
    sandbox.delete(sandbox.create("Account", Name="Deleted"))
    async with opened(sandbox) as ctx:
        found = []
        for kind in SOURCE.backfill_kinds():
            first, _ = await walk(lambda cursor, kind=kind: SOURCE.backfill(ctx, kind, since, cursor))  # type: ignore[misc]
            again, _ = await walk(lambda cursor, kind=kind: SOURCE.backfill(ctx, kind, since, cursor))  # type: ignore[misc]
            assert [one.dedupe_key for one in first] == [one.dedupe_key for one in again]
            found += first
        assert set(states(await facts_of(ctx, found))) == {key_of("company", account.id), key_of("deal", deal.id)}


async def test_what_somebody_waits_for_is_read_by_its_id() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox) as ctx:
        refs = (f"{ORG}/company/{account.id}", f"{ORG}/company/001xx0000000000AAA", "00Dxx0000000009EAA/company/" + account.id, "x")
        answers = await SOURCE.fetch(ctx, refs)
        assert [(one.ref, one.body is not None) for one in answers] == list(zip(refs, (True, False, False, False), strict=True))


async def test_a_clock_that_stands_still_gives_every_reading_its_own_instant() -> None:
    async with opened(SalesforceSandbox()) as ctx:
        ctx = Context(ctx.connection, ctx.settings, ctx.client, SettableClock(datetime(2026, 1, 1, tzinfo=UTC)), ctx.state)
        first, second = [(await SOURCE.fetch(ctx, ["x"]))[0].fetched_at for _ in range(2)]
        assert second > first


async def test_an_account_names_its_parent_and_takes_nothing_else_of_it() -> None:
    sandbox = SalesforceSandbox(has_currencies=True)
    sandbox.add_field("Account", "Billing_Id__c")
    group = sandbox.create("Account", Name="Group", CurrencyIsoCode="JPY", BillingCountry="Japan", Billing_Id__c="cus_group")
    child = sandbox.create("Account", Name="Blue Harbor", CurrencyIsoCode="EUR", ParentId=group.id)
    async with opened(sandbox, customer_ids={"Billing_Id__c": "stripe"}, **DAY) as ctx:
        found, page = await polled(ctx)
        known = states(await facts_of(ctx, found))
        assert known[key_of("company", child.id)] == Company(
            f"salesforce:{ORG}.{child.id}", "Blue Harbor", parent_id=f"salesforce:{ORG}.{group.id}"
        )
        sandbox.world.advance(5)
        sandbox.update(child, ParentId=None)
        found, _ = await polled(ctx, page.cursor)
        record = states(await facts_of(ctx, found))[key_of("company", child.id)]
        assert isinstance(record, Company)
        assert record.parent_id == ""
