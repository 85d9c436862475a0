"""Legal and tax fields of customers that cannot be right are a case an accountant understands, and hold nothing up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.builders import PRO, usd
from tests.core.builders import invoice as bill_of
from tests.integration.waiting.clerks import ACME
from tests.integration.waiting.office import Office
from tests.integration.waiting.test_merges import booked_for

from counterfoil.core.kinds.customer import Address, TaxId
from counterfoil.store import case_work
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool

WRONG = replace(ACME, tax_ids=(TaxId("eu_vat", "DE136695978"),))


@pytest.fixture
def office(pool: Pool, cipher: Cipher) -> Office:
    return Office(pool, cipher)


async def test_a_wrong_tax_id_is_a_case_of_finance_that_says_no_number_and_the_invoice_is_booked(office: Office) -> None:
    await office.tell(WRONG, PRO, bill_of(usd(100_00), customer_id=ACME.id))
    [case] = await office.cases()
    assert (case.code, case.owner, case.entity, case.connection) == ("decide.tax_id_wrong", "finance", "US", "stripe")
    assert "136695978" not in case.cause + case.next_step
    assert "booked all the same" in case.cause
    assert "invoice_stripe.in_1 for stripe:cus_1" in await booked_for(office)
    await office.tell(ACME)
    assert await office.cases() == []


@pytest.mark.parametrize(
    ("country", "kind", "number", "is_right"),
    [
        ("GB", "gb_vat", "GB980780684", True),
        ("GB", "gb_vat", "GB802311781", False),
        ("GB", "eu_vat", "XI980780684", True),
        ("CH", "ch_vat", "CHE-107.787.577 IVA", True),
        ("CH", "ch_vat", "CHE-107.787.578 IVA", False),
        ("NO", "no_vat", "995525828MVA", True),
        ("NO", "no_vat", "995525829MVA", False),
    ],
)
async def test_numbers_that_are_not_the_unions_are_checked_by_their_own_country(
    office: Office, country: str, kind: str, number: str, is_right: bool
) -> None:
    await office.tell(replace(ACME, address=Address(country=country), tax_ids=(TaxId(kind, number),)))
    assert [case.code for case in await office.cases()] == ([] if is_right else ["decide.tax_id_wrong"])


async def test_countries_and_currencies_are_codes_and_each_case_closes_by_itself(office: Office) -> None:
    wrong = replace(ACME, address=Address(country="UK"), currency="EURO", tax_ids=())
    await office.tell(wrong)
    told = {case.code: case.cause for case in await office.cases()}
    assert set(told) == {"decide.country_unknown", "decide.currency_unknown"}
    assert "'UK', is no code of ISO 3166 (perhaps GB is meant)" in told["decide.country_unknown"]
    await office.tell(replace(wrong, currency="GBP"))
    assert [case.code for case in await office.cases()] == ["decide.country_unknown"]
    await office.tell(replace(wrong, currency="GBP", is_deleted=True))
    assert await office.cases() == []


async def test_what_is_waived_is_not_asked_again_and_a_retry_looks_again(office: Office) -> None:
    await office.tell(WRONG)
    [case] = await office.cases()
    async with office.pool.connection() as conn, conn.transaction():
        keys = await case_work.retry(conn, case.id, "mira", office.clock.now())
    assert [stage for stage, _ in keys] == ["decide"]
    await office.decide()
    assert [one.id for one in await office.cases()] == [case.id]
    async with office.pool.connection() as conn, conn.transaction():
        await case_work.waive(conn, case.id, "mira", "checked by hand", office.clock.now())
    await office.tell(replace(WRONG, phone="+49 30 999999"))
    assert await office.cases() == []


async def test_a_case_of_a_field_stays_while_what_the_customer_waited_for_is_closed(office: Office) -> None:
    await office.tell(WRONG, connection="nobody")
    assert sorted(case.code for case in await office.cases()) == ["decide.no_route", "decide.tax_id_wrong"]
    office.rules = replace(office.rules, routes=(*office.rules.routes, replace(office.rules.routes[-1], connection="nobody")))
    await office.decide_again(WRONG)
    assert [case.code for case in await office.cases()] == ["decide.tax_id_wrong"]
