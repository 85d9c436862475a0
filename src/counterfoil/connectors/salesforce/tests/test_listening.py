"""Listening: where a stream begins and goes on, what its events name, what is ignored, gaps and overflows, sessions and refusals."""

from __future__ import annotations

import json
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from counterfoil.connectors.salesforce.events import EventSchema
from counterfoil.connectors.salesforce.sandbox import SalesforceSandbox
from counterfoil.connectors.salesforce.telling import of_change
from counterfoil.core.facts.merge import Current
from counterfoil.core.kinds.company import Company, CompanyEvent
from counterfoil.core.kinds.deal import Deal
from counterfoil.core.language.case_class import CaseClass
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.connector import Delivery, Ignored, Page
from counterfoil.kit.context import Context
from counterfoil.kit.errors import RejectedError

from .sandboxed import ORG, SOURCE, facts_of, heard, key_of, listening, opened, polled, states

SCHEMA = {
    "type": "record", "name": "X", "fields": [
        {"name": "ChangeEventHeader", "type": "string"},
        {"name": "Name", "type": ["null", "string", {"type": "record", "name": "N", "fields": [
            {"name": "First", "type": "string"}, {"name": "Last", "type": "string"}]}]},
        {"name": "Phone", "type": ["null", "string"]},
        {"name": "Fax", "type": ["null", "string"]},
    ],
}  # fmt: skip


def verdict(ctx: Context, one: Delivery) -> str:
    """Return the rule by which a delivery is ignored, or that it is read."""
    if SOURCE.needs(one):
        return "read"
    answer = SOURCE.normalize(ctx.settings, one, {})
    return answer.rule if isinstance(answer, Ignored) else "told"


def test_bitmaps_are_the_names_of_fields_by_their_places() -> None:
    schema = EventSchema(json.dumps(SCHEMA))
    # 0xC is binary 1100: the fields at places 2 and 3. 1-0x2 is the second part of the field at place 1.
    assert schema.names(["0xC"]) == ("Phone", "Fax")
    assert schema.names(["0x4", "1-0x2"]) == ("Phone", "Name.Last")
    assert schema.names([]) == ()
    for wrong in ("0x10", "C", "9-0x1", "2-0x1", "x-0x1", "0xZZ", "0x" + "F" * 30_000):
        with pytest.raises(ValueError, match=r"bitmap|compound|invalid literal"):
            schema.names([wrong])


def test_what_is_no_schema_and_what_is_no_event_is_told_by_one_error() -> None:
    for text in ("", "{}", '{"type": "record", "name": "X", "fields": [{"name": "a", "type": "no such"}]}'):
        with pytest.raises(ValueError, match="schema cannot be read"):
            EventSchema(text)
    with pytest.raises(ValueError, match="event cannot be read"):
        EventSchema(json.dumps(SCHEMA)).decode(b"\xff\xff")


async def test_a_stream_begins_now_says_where_it_stands_and_goes_on_from_there() -> None:
    sandbox = SalesforceSandbox()
    sandbox.create("Account", Name="Before")
    async with opened(sandbox) as plain:
        ctx = listening(plain, sandbox)
        _, stands = await heard(ctx, count=0)
        account = sandbox.create("Account", Name="Blue Harbor")
        sandbox.update(account, Phone="030 1")
        found, page = await heard(ctx, stands.cursor, 2)
        assert [(one.kind, one.shard_key) for one in found] == [("company.change", account.id)] * 2
        assert page.covers_until == found[-1].occurred_at < ctx.clock.now()  # what came after it is still to be told
        [fact, _] = await facts_of(ctx, found)
        assert (fact.type, fact.data) == (CompanyEvent.CREATED, Company(f"salesforce:{ORG}.{account.id}", "Blue Harbor", phone="030 1"))
        sandbox.delete(account)
        rest, _ = await heard(ctx, page.cursor)
        assert [json.loads(one.body)["change"] for one in rest] == ["DELETE"]
        assert page.recoverable_since == ctx.clock.now() - timedelta(hours=72)


async def test_an_event_of_several_records_is_a_delivery_for_each_and_comes_again_as_the_same() -> None:
    sandbox = SalesforceSandbox()
    accounts = [sandbox.create("Account", Name=f"Company {number}") for number in range(150)]
    async with opened(sandbox) as plain:
        ctx = listening(plain, sandbox)
        _, stands = await heard(ctx, count=0)
        with sandbox.world.acting(sandbox.world.person_id):
            for one in accounts:
                sandbox.update(one, Phone="030 1")
        for one in accounts:
            sandbox.update(one, Website="x.example")
        found, _ = await heard(ctx, stands.cursor, 300)  # more than are asked for at once
        again, _ = await heard(ctx, stands.cursor, 300)
        assert [one.shard_key for one in found] == [one.id for one in accounts] * 2
        assert [one.dedupe_key for one in again] == [one.dedupe_key for one in found]
        before = sandbox.limits.used
        await facts_of(ctx, found[:100])
        assert sandbox.limits.used - before == 2  # the fields, and one query


async def test_what_concerns_nobody_is_ignored_by_a_rule_and_nothing_is_fetched_for_it() -> None:
    sandbox = SalesforceSandbox()
    for name in ("Counterfoil_Open__c", "Billing_Id__c", "Mood__c"):
        sandbox.add_field("Account", name)
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox, customer_ids={"Billing_Id__c": "billing"}) as plain:
        ctx = listening(plain, sandbox)
        _, stands = await heard(ctx, count=0)
        for change in ({"Counterfoil_Open__c": "1"}, {"Industry": "Ports"}, {"Mood__c": "good"}, {"Billing_Id__c": "cus_1"},
                       {"BillingCity": "Hamburg"}, {"BillingCountry": "Germany"}, {"Counterfoil_Open__c": "2", "Phone": "1"}):  # fmt: skip
            sandbox.update(account, **change)
        sandbox.bus.selected.add("Product2")
        sandbox.create("Product2", Name="Seat")
        found, _ = await heard(ctx, stands.cursor, 8)
        assert [verdict(ctx, one) for one in found] == [
            "own_field_comes_back", "no_field_that_is_read_changed",
            "read", "read",  # which fields name customers is not known before it is fetched
            "no_field_that_is_read_changed", "read", "read", "object_type_is_not_read",
        ]  # fmt: skip
        assert SOURCE.normalize(ctx.settings, found[2], {}) == Ignored("no_field_that_is_read_changed")


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        (("BillingAddress.CountryCode",), ""),
        (("BillingAddress",), ""),
        (("BillingAddress.City", "LastModifiedDate"), "no_field_that_is_read_changed"),
        ((), ""),
    ],
)
def test_of_an_address_the_country_is_read_whatever_it_is_told_as(fields: tuple[str, ...], rule: str) -> None:
    body = json.dumps({"entity": "Account", "id": "0015000000Gv7qJAAR", "change": "UPDATE", "fields": fields}).encode()
    at = datetime(2026, 1, 1, tzinfo=UTC)
    one = Delivery("k", "0015000000Gv7qJAAR", "company.change", body, at, account=ORG)
    ref = f"{ORG}/company/0015000000Gv7qJAAR"
    assert SOURCE.needs(one) == (() if rule else (ref,))


def test_an_event_that_names_no_transaction_is_none_of_which_two_could_be_told_apart() -> None:
    header = {"commitTimestamp": 1, "entityName": "Account", "changeType": "GAP_UPDATE", "recordIds": ["0015000000Gv7qJAAR"]}
    schema = EventSchema(json.dumps(SCHEMA))
    assert len(list(of_change(ORG, {"ChangeEventHeader": {**header, "transactionKey": "t"}}, schema))) == 1
    with pytest.raises(ValueError, match="transaction"):
        list(of_change(ORG, {"ChangeEventHeader": header}, schema))


async def test_a_line_or_contact_role_has_its_opportunity_read_also_when_it_is_gone() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    deal = sandbox.create("Opportunity", Name="Seats", StageName="Prospecting", CloseDate="2026-01-31", AccountId=account.id)
    mira = sandbox.create("Contact", LastName="Sand", AccountId=account.id)
    async with opened(sandbox) as plain:
        ctx = listening(plain, sandbox)
        _, stands = await heard(ctx, count=0)
        line = sandbox.create("OpportunityLineItem", OpportunityId=deal.id, Quantity=2, UnitPrice=12.5)
        sandbox.update(line, ServiceDate="2026-03-01")
        sandbox.create("OpportunityContactRole", OpportunityId=deal.id, ContactId=mira.id)
        found, page = await heard(ctx, stands.cursor, 4)
        assert [one.kind for one in found] == ["deal.part", "deal.change", "deal.part", "deal.part"]
        record = states(await facts_of(ctx, found))[key_of("deal", deal.id)]
        assert isinstance(record, Deal)
        assert (len(record.lines), record.contact_ids) == (1, (f"salesforce:{ORG}.{mira.id}",))
        known: dict[str, Current] = {}
        states(await facts_of(ctx, found), known)
        sandbox.delete(line)
        gone, _ = await heard(ctx, page.cursor, 2)
        record = states(await facts_of(ctx, gone[:1]), known)[key_of("deal", deal.id)]
        assert isinstance(record, Deal)
        assert record.lines == ()


async def test_a_restored_account_says_so_and_a_deleted_one_is_read_from_the_bin() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox) as plain:
        ctx = listening(plain, sandbox)
        _, stands = await heard(ctx, count=0)
        sandbox.delete(account)
        found, page = await heard(ctx, stands.cursor)
        assert [fact.type for fact in await facts_of(ctx, found)] == [CompanyEvent.DELETED]
        sandbox.restore(account)
        found, _ = await heard(ctx, page.cursor)
        assert [fact.type for fact in await facts_of(ctx, found)] == [CompanyEvent.RESTORED]


async def test_a_machine_whose_clock_is_behind_salesforces_takes_nothing_new_for_old() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor", Phone="1")
    async with opened(sandbox, first_poll_back_s=86_400) as plain:
        late = Context(plain.connection, plain.settings, plain.client, SettableClock(plain.clock.now() - timedelta(minutes=1)), plain.state)
        ctx = listening(late, sandbox)
        _, stands = await heard(ctx, count=0)
        known: dict[str, Current] = {}
        states(await facts_of(ctx, (await polled(ctx))[0]), known)
        sandbox.world.advance(2)
        sandbox.update(account, Phone="2")
        found, _ = await heard(ctx, stands.cursor)
        record = states(await facts_of(ctx, found), known)[key_of("company", account.id)]
        assert isinstance(record, Company)
        assert record.phone == "2"


async def test_a_gap_event_has_its_record_read_by_id_and_an_overflow_is_left_to_polling() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox, first_poll_back_s=86_400) as plain:
        ctx = listening(plain, sandbox)
        _, stands = await heard(ctx, count=0)
        sandbox.bus.is_gapping = True
        sandbox.update(account, Phone="030 1")
        found, page = await heard(ctx, stands.cursor)
        body = json.loads(found[0].body)
        assert (body["change"], body["fields"]) == ("GAP_UPDATE", [])
        record = states(await facts_of(ctx, found))[key_of("company", account.id)]
        assert isinstance(record, Company)
        assert record.phone == "030 1"
        sandbox.bus.is_gapping, sandbox.bus.is_silent = False, True
        sandbox.update(account, Phone="030 2")
        sandbox.bus.is_silent = False
        sandbox.bus.overflow("Account")
        found, _ = await heard(ctx, page.cursor)
        assert [verdict(ctx, one) for one in found] == ["overflow_is_read_by_polling"]
        record = states(await facts_of(ctx, (await polled(ctx))[0]))[key_of("company", account.id)]
        assert isinstance(record, Company)
        assert record.phone == "030 2"


async def test_a_replay_id_too_old_is_a_case_and_the_stream_goes_on_with_what_is_kept_while_polling_has_the_rest() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    async with opened(sandbox, first_poll_back_s=7 * 86_400) as plain:
        ctx = listening(plain, sandbox)
        _, stands = await heard(ctx, count=0)
        sandbox.update(account, Phone="missed")
        sandbox.world.advance(80 * 3_600)
        other = sandbox.create("Account", Name="Green Hill")
        later = Context(ctx.connection, ctx.settings, ctx.client, SettableClock(ctx.clock.now() + timedelta(hours=80)), ctx.state)
        found, page = await heard(later, stands.cursor, 2)
        assert [one.kind for one in found] == ["stream.gap", "company.change"]
        assert found[1].shard_key == other.id
        with pytest.raises(RejectedError) as gap:
            SOURCE.normalize(ctx.settings, found[0], {})
        assert str(gap.value) == (
            "what Salesforce streamed on /data/ChangeEvents since 2026-01-01 00:00 UTC is kept no more: "
            "it keeps 72 hours, and the hub was away for longer"
        )
        assert (gap.value.code, gap.value.case_class) == ("salesforce.stream_gap", CaseClass.DEPENDENCY_MISSING)
        assert gap.value.remedy.startswith("Nothing is lost if `counterfoil status` shows no gap for this source")
        again, _ = await heard(later, stands.cursor, 2)
        assert again[0].dedupe_key == found[0].dedupe_key  # one case, however often it is met
        sandbox.update(other, Phone="1")
        rest, _ = await heard(later, page.cursor)
        assert [one.kind for one in rest] == ["company.change"]
        record = states(await facts_of(later, (await polled(later))[0]))[key_of("company", account.id)]
        assert isinstance(record, Company)
        assert record.phone == "missed"


async def test_an_event_that_cannot_be_read_is_held_back_and_the_stream_goes_on() -> None:
    sandbox = SalesforceSandbox()
    async with opened(sandbox) as plain:
        ctx = listening(plain, sandbox)
        _, stands = await heard(ctx, count=0)
        sandbox.create("Account", Name="Blue Harbor")
        sandbox.bus.damage()
        sandbox.create("Account", Name="Green Hill")
        found, _ = await heard(ctx, stands.cursor, 3)
        assert [(one.kind, bool(one.parked)) for one in found] == [
            ("company.change", False), ("stream.unreadable", True), ("company.change", False),
        ]  # fmt: skip
        assert (b"Harbor" in found[1].body, b"Green" in found[1].body) == (False, False)
        with pytest.raises(RejectedError) as kept:  # somebody retried its case
            SOURCE.normalize(ctx.settings, found[1], {})
        assert kept.value.remedy.startswith("Nothing is lost if `counterfoil status` shows no gap for this source")


async def test_a_platform_event_has_the_record_read_that_its_field_names() -> None:
    sandbox = SalesforceSandbox()
    account = sandbox.create("Account", Name="Blue Harbor")
    deal = sandbox.create("Opportunity", Name="Seats", StageName="Closed Won", CloseDate="2026-01-31", AccountId=account.id)
    topic = "/event/Order_Confirmed__e"
    sandbox.bus.define("Order_Confirmed__e", Opportunity_Id__c="string")
    async with opened(sandbox) as plain:
        ctx = listening(plain, sandbox, event_topics={topic: "Opportunity_Id__c"})
        stands = Page((), "", has_more=False)
        async with aclosing(SOURCE.listen(ctx, "")) as stream:
            async for page in stream:
                stands = page
                if set(json.loads(page.cursor)["places"]) == {topic, "/data/ChangeEvents"}:
                    break
        for id in (deal.id[:15], "a0X5000000Gv7qNAAR", ""):
            sandbox.bus.publish("Order_Confirmed__e", {"Opportunity_Id__c": id})
        found, _ = await heard(ctx, stands.cursor, 3)
        assert [one.kind for one in found] == ["deal.change", "other.change", "other.change"]
        assert set(states(await facts_of(ctx, found))) == {key_of("deal", deal.id)}
