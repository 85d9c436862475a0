"""What is to be set right of customers is counted once a day, by entity and owner, and told against a week and a month ago."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from tests.core.builders import PRO, RULES, eur, usd
from tests.core.builders import invoice as bill_of
from tests.integration.waiting.clerks import ACME, ALIKE, BERLIN, OTHER, SAME, Clerks

from counterfoil.app.data_quality import QualityReport, quality_report
from counterfoil.core.identity.ownership import Owner, ownership_of
from counterfoil.core.kinds.customer import Address, Customer, TaxId
from counterfoil.core.kinds.invoice import InvoiceState
from counterfoil.core.kinds.subscription import Subscription, SubscriptionState
from counterfoil.core.policies.rules import MatchingPolicy, Route
from counterfoil.store import quality
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool
from counterfoil.upkeep import quality as counting
from counterfoil.upkeep.quality import QualityCounter


class Auditors(Clerks):
    """An office in which somebody counts."""

    async def count(self) -> None:
        """Count until the day is done."""
        one = QualityCounter(self.pool, self.cipher, self.rules_source(), self.clock)
        while (await one.turn("all")).wake_in_s == counting.PAUSE_S:
            pass

    async def lines(self, **only: str) -> dict[str, tuple[int, int | None, int | None]]:
        """Return what is told: the count now, a week and a month ago, by measure and entity."""
        report = await self.told_of(**only)
        return {f"{one.measure.value} {one.entity}".strip(): (one.count, one.week_ago, one.month_ago) for one in report.lines}

    async def told_of(self, **only: str) -> QualityReport:
        """Return the report."""
        return await quality_report(self.database(), **only)


@pytest.fixture
def office(pool: Pool, cipher: Cipher) -> Auditors:
    return Auditors(pool, cipher, replace(RULES, routes=(*RULES.routes, Route("DE", "files"))))


async def test_everything_that_is_to_be_set_right_is_counted_with_whom_and_by_whose_owner(office: Auditors) -> None:
    assert (await office.told_of()).day is None
    wrong = replace(OTHER, tax_ids=(TaxId("gb_vat", "GB802311781"),))
    await office.report(ACME, SAME, wrong, replace(ALIKE, name="Zeppelin Reederei AG"))
    await office.tell(PRO, bill_of(eur(100_00), customer_id=SAME.id), bill_of(usd(5_00), id="stripe:in_2", customer_id=SAME.id))
    await office.tell(replace(SAME, name="Acme Werkzeuge GmbH"), connection="crm")
    await office.compare()
    await office.count()
    report = await office.told_of()
    told = {one.measure.value: (one.entity, one.owner, one.count, one.of, one.examples) for one in report.lines}
    assert report.day == office.clock.now().date()
    assert told == {
        "duplicates": ("DE", "sales operations", 1, 3, ("customer/files:17",)),
        "missing_tax_ids": ("DE", "finance", 1, 3, ("customer/files:18",)),
        "wrong_tax_ids": ("DE", "finance", 1, 3, ("customer/files:19",)),
        "unlike_names": ("DE", "sales operations", 1, 3, ("customer/files:17",)),
        "mixed_currencies": ("DE", "finance", 1, 3, ("customer/files:17",)),
    }
    async with office.pool.connection() as conn:
        rows = await (await conn.execute("select * from quality_count")).fetchall()
    assert not [word for word in ("Acme", "136695976", "@", "Zeppelin") if word in str(rows)]


async def test_owners_and_entities_are_those_that_are_declared_and_can_be_asked_for_alone(office: Auditors) -> None:
    office.rules = replace(
        office.rules,
        matching=(MatchingPolicy(owner="controllers"),),
        ownership=ownership_of([Owner("customer", "crm", ("name",))]),
    )
    await office.report(ACME, SAME)
    await office.tell(replace(SAME, name="Acme Werkzeuge GmbH"), connection="crm")
    await office.compare()
    await office.count()
    assert {one.owner for one in (await office.told_of()).lines} == {"controllers", "crm"}
    assert set(await office.lines(owner="crm")) == {"unlike_names DE"}
    assert await office.lines(entity="JP") == {}


async def test_the_same_customer_told_under_two_ids_counts_once_for_its_names(office: Auditors) -> None:
    await office.report(ACME, replace(SAME, name="Acme Werkzeuge GmbH"))
    await office.wish("same_as", SAME, ACME)
    await office.count()
    assert await office.lines() == {"unlike_names DE": (1, None, None)}


async def test_a_subscription_in_another_currency_is_mixed_until_it_has_ended(office: Auditors) -> None:
    await office.report(replace(ACME, currency="EUR"))
    sold = Subscription("stripe:sub_1", ACME.id, SubscriptionState.ACTIVE, "USD", office.clock.now())
    await office.tell(sold)
    await office.count()
    assert await office.lines() == {"mixed_currencies DE": (1, None, None)}
    office.later(days=1)
    await office.tell(replace(sold, state=SubscriptionState.CANCELED, ended_at=office.clock.now()))
    await office.count()
    assert await office.lines() == {}


async def test_each_day_is_counted_once_and_told_against_a_week_and_a_month_ago(office: Auditors) -> None:
    await office.report(replace(ACME, tax_ids=()))
    await office.count()
    began = office.clock.now().date()
    await office.report(Customer("stripe:cus_7", "Windmill Bakery SARL", address=Address(country="FR")))
    await office.count()  # the same day: nothing is counted again
    assert await office.lines() == {"missing_tax_ids US": (1, None, None)}
    office.later(days=24)  # nobody worked meanwhile
    await office.count()
    office.later(days=6)
    await office.count()
    office.later(days=1)
    await office.report(ACME)  # one is set right
    await office.count()
    assert await office.lines() == {"missing_tax_ids US": (1, 2, 1)}
    office.later(days=quality.KEPT_DAYS)
    await office.count()
    async with office.pool.connection() as conn:
        days = await quality.counted_days(conn)
    assert days == [began + timedelta(days=131), began + timedelta(days=31)]


async def test_who_is_left_of_two_is_billed_in_the_currencies_of_both(office: Auditors) -> None:
    await office.report(replace(ACME, currency="EUR"), replace(SAME, currency="USD"), replace(OTHER, currency="EUR"))
    await office.tell(PRO, bill_of(eur(100_00), customer_id=ACME.id), bill_of(usd(5_00), id="stripe:in_2", customer_id=SAME.id))
    await office.count()
    assert "mixed_currencies" not in {one.split()[0] for one in await office.lines()}
    for number, verb in enumerate(("same_as", "not_same_as", "merge"), 1):
        await office.wish(verb, SAME, *([] if verb == "not_same_as" else [ACME]))
        office.later(days=1)
        await office.count()
        mixed = {one: count for one, (count, *_) in (await office.lines()).items() if one.startswith("mixed") and count}
        assert sum(mixed.values()) == number % 2, (verb, mixed)
    await office.wish("merge", ACME, OTHER)  # and so SAME, too
    office.later(days=1)
    await office.count()
    assert [one.examples for one in (await office.told_of()).lines if one.measure.value == "mixed_currencies" and one.count] == [
        (f"customer/{OTHER.id}",)
    ]


async def test_a_pair_that_was_answered_and_a_draft_are_nothing_to_be_set_right(office: Auditors) -> None:
    await office.report(ACME, replace(SAME, currency="EUR"))
    await office.wish("not_same_as", SAME, ACME)
    draft = replace(bill_of(usd(5_00), customer_id=SAME.id), state=InvoiceState.DRAFT)
    await office.tell(PRO, draft)
    await office.count()
    assert await office.lines() == {}


async def test_a_count_that_found_nobody_is_none_for_whoever_comes_the_same_day(office: Auditors) -> None:
    await office.count()
    assert (await office.told_of()).customers == 0
    await office.report(replace(ACME, tax_ids=()))
    await office.count()
    assert await office.lines() == {"missing_tax_ids US": (1, None, None)}
    assert [(await office.told_of(entity=entity)).customers for entity in ("", "US", "JP")] == [1, 1, 0]


async def test_what_is_all_set_right_is_told_with_what_it_was(office: Auditors) -> None:
    await office.report(replace(ACME, tax_ids=()))
    await office.count()
    office.later(days=7)
    await office.report(ACME)
    await office.count()
    assert await office.lines() == {"missing_tax_ids US": (0, 1, None)}


async def test_a_count_that_was_cut_goes_on_where_it_was_and_one_of_yesterday_begins_anew(
    office: Auditors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "STEP", 1)
    await office.report(replace(ACME, tax_ids=()), replace(SAME, tax_ids=(), name="Acme GmbH", address=BERLIN), OTHER)
    one = QualityCounter(office.pool, office.cipher, office.rules_source(), office.clock)
    await one.turn("all")
    await one.turn("all")  # the worker ends here, another goes on
    assert (await office.told_of()).day is None
    await office.count()
    assert (await office.lines())["missing_tax_ids DE"] == (2, None, None)
    office.later(days=1)
    await one.turn("all")
    office.later(days=1)
    await office.count()
    assert (await office.told_of()).day == date(2026, 3, 12)
    assert (await office.lines())["missing_tax_ids US"] == (1, None, None)
