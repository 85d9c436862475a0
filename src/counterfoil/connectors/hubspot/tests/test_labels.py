"""Which of a deal's companies is its customer: by the labels that are declared, in their order."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from counterfoil.connectors.hubspot import CONNECTOR
from counterfoil.connectors.hubspot.normalize.records import record_of
from counterfoil.connectors.hubspot.sandbox import HubspotSandbox
from counterfoil.connectors.hubspot.sandbox.world import Record
from counterfoil.connectors.hubspot.wire import Found, Row
from counterfoil.core.kinds.deal import Deal
from counterfoil.kit.context import Context

from .sandboxed import POLLS, facts_of, opened, settings_of, states, told, walk

LABELS = ["Billing", "Primary"]


async def deal_of(ctx: Context, deal: Record) -> Deal:
    """Return a deal as the hub reads it."""
    found, _ = await walk(lambda cursor: POLLS.poll(ctx, cursor))
    record = states(await facts_of(ctx, found))[f"deal/hubspot:4711.{deal.id}"]
    assert isinstance(record, Deal)
    return record


def buying(deal: Deal) -> list[str]:
    return [id.rpartition(".")[2] for id in deal.buying_company_ids]


async def test_the_labelled_company_is_the_customer_and_without_a_label_the_primary_one() -> None:
    sandbox = HubspotSandbox()
    reseller, user = sandbox.create("companies", name="Reseller"), sandbox.create("companies", name="User")
    deal = sandbox.create("deals", dealname="100 seats")
    sandbox.associate(deal, reseller, user)
    async with opened(sandbox, first_poll_back_s=86_400, customer_labels=LABELS) as ctx:
        assert buying(await deal_of(ctx, deal)) == [reseller.id]  # the first one is the primary one
        sandbox.label(deal, user, "Primary")
        assert buying(await deal_of(ctx, deal)) == [user.id]
        sandbox.label(deal, reseller, "billing")
        found = await deal_of(ctx, deal)
        assert (buying(found), len(found.company_ids)) == ([reseller.id], 2)
        sandbox.label(deal, user, "billing")
        assert buying(await deal_of(ctx, deal)) == [user.id, reseller.id]  # which of them nobody can tell


async def test_the_primary_company_is_known_by_its_type_in_whatever_language_hubspot_tells_it() -> None:
    sandbox = HubspotSandbox()
    first, second = (sandbox.create("companies", name=name) for name in ("A", "B"))
    deal = sandbox.create("deals", dealname="100 seats")
    sandbox.associate(deal, first, second)
    sandbox.crm.primary_label = "Primär"
    async with opened(sandbox, first_poll_back_s=86_400, customer_labels=["Primary"]) as ctx:
        assert buying(await deal_of(ctx, deal)) == [first.id]


async def test_where_no_label_is_declared_nothing_is_marked_whatever_hubspot_shows() -> None:
    sandbox = HubspotSandbox()
    company, deal = sandbox.create("companies", name="Blue Harbor"), sandbox.create("deals", dealname="100 seats")
    sandbox.label(deal, company, "Billing")
    async with opened(sandbox, first_poll_back_s=86_400) as ctx:
        found = await deal_of(ctx, deal)
        assert (buying(found), len(found.company_ids)) == ([], 1)


async def test_a_label_stays_with_a_company_that_another_is_merged_into() -> None:
    sandbox = HubspotSandbox()
    first, second, third = (sandbox.create("companies", name=name) for name in ("A", "B", "C"))
    deal = sandbox.create("deals", dealname="100 seats")
    sandbox.associate(deal, first, second, third)
    sandbox.label(deal, second, "Billing")
    survivor = sandbox.merge(third, second)
    async with opened(sandbox, first_poll_back_s=86_400, customer_labels=LABELS) as ctx:
        assert buying(await deal_of(ctx, deal)) == [survivor.id]


async def test_a_label_that_is_put_on_or_taken_away_has_its_deal_read_again() -> None:
    sandbox = HubspotSandbox()
    company, deal = sandbox.create("companies", name="Blue Harbor"), sandbox.create("deals", dealname="100 seats")
    sandbox.associate(deal, company)
    async with opened(sandbox, customer_labels=["Billing"]) as ctx:
        count = len(sandbox.events)
        sandbox.label(deal, company, "Billing")
        found = states(await facts_of(ctx, told(ctx, sandbox, sandbox.events[count:])))
        assert [*found] == [f"deal/hubspot:4711.{deal.id}"]


async def test_a_check_names_the_label_that_deals_and_companies_do_not_have() -> None:
    assert CONNECTOR.source_check is not None
    sandbox = HubspotSandbox()
    company, deal = sandbox.create("companies", name="Blue Harbor"), sandbox.create("deals", dealname="100 seats")
    sandbox.label(deal, company, "Billing")
    async with opened(sandbox, customer_labels=["primary", "Billing", "Bill to"]) as ctx:
        wrong = [one for one in await CONNECTOR.source_check(ctx) if one.code == "hubspot.label_missing"]
    assert [one.message.partition(":")[0] for one in wrong] == ["deals and companies have no label 'Bill to'"]


@pytest.mark.parametrize("labels", [["Billing", "billing "], [""], ["Billing", " "]])
def test_labels_that_are_empty_or_stand_there_twice_are_refused(labels: list[str]) -> None:
    with pytest.raises(ValidationError):
        settings_of(HubspotSandbox(), customer_labels=labels)


IDS = ("11", "12", "13")


@given(
    st.lists(st.sampled_from(["A", "B", "C"]), min_size=1, max_size=3, unique=True),
    st.dictionaries(st.sampled_from(IDS), st.sets(st.sampled_from(["A", "b", "C", "D"])).map(sorted)),
    st.lists(st.sampled_from(IDS), unique=True),
)
def test_who_buys_is_one_of_a_deals_companies_and_the_first_label_that_any_of_them_has_decides(
    declared: list[str], labels: dict[str, Sequence[str]], companies: list[str]
) -> None:
    found = Found(Row("7", {"dealname": "x"}), tuple(companies), labels={id: tuple(several) for id, several in labels.items()})
    record = record_of(settings_of(HubspotSandbox(), customer_labels=declared), "deal", found)
    assert isinstance(record, Deal)
    got = set(buying(record))
    assert got <= set(companies)
    assert bool(got) == bool(companies)
    by_label = {label: {id for id in companies if label in {one.upper() for one in labels.get(id, ())}} for label in declared}
    expected = next((ids for ids in by_label.values() if ids), set(companies))
    assert got == expected
