"""Partners that were there before the hub: read as customers in pages, with what stands in the way, and given our external ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from counterfoil.connectors.odoo import CONNECTOR, existing, naming
from counterfoil.connectors.odoo.client import OdooClient
from counterfoil.connectors.odoo.detect import connect
from counterfoil.connectors.odoo.tests.conftest import EVERY_VERSION, Desk
from counterfoil.connectors.odoo.tests.wishes import line
from counterfoil.core.identity.adoption import ExistingRecord
from counterfoil.core.kinds.customer import Customer, TaxId
from counterfoil.core.language.money import Money
from counterfoil.kit.connector import Adopts
from counterfoil.kit.errors import HubError, SetupError, TransientError
from counterfoil.kit.holdings import Holding


def part() -> Adopts:
    assert CONNECTOR.adopts is not None
    return CONNECTOR.adopts


async def read_all(desk: Desk) -> tuple[dict[str, ExistingRecord], int]:
    """Return every partner there is, and in how many pages they came."""
    found: dict[str, ExistingRecord] = {}
    cursor, pages = "", 0
    while True:
        page = await part().existing(desk.ctx, Holding.CUSTOMERS, cursor)
        assert not found.keys() & {one.external_id for one in page.records}
        found |= {one.external_id: one for one in page.records if isinstance(one, ExistingRecord)}
        cursor, pages = page.cursor, pages + 1
        if not page.has_more:
            return found, pages


async def partner(desk: Desk, name: str, **values: Any) -> str:
    return f"res.partner/{await desk.plain.create('res.partner', name=name, **values)}"


@EVERY_VERSION
async def test_a_partner_of_before_is_read_as_a_customer_with_what_is_open_of_it(desk: Desk) -> None:
    country = (await desk.plain.find("res.country", [["code", "=", "DE"]], ["id"]))[0]["id"]
    told = {
        "email": "ada@birk.example",
        "phone": "+49 30 1",
        "street": "Torstr. 1",
        "city": "Berlin",
        "zip": "10119",
        "country_id": country,
    }
    id = await partner(desk, "Ada Birk", ref="K-10023", **told)
    customer = desk.wishes.customer("Ada Birk")
    await part().adopt(desk.ctx, {customer.external_key: id})
    await desk.done(customer)
    invoice = desk.wishes.invoice(customer, line(10000), total=10000)
    await desk.done(invoice)
    found = (await read_all(desk))[0][id]
    assert (found.customer.name, found.customer.email, found.customer.phone) == ("Ada Birk", "ada@birk.example", "+49 30 1")
    assert (found.customer.address.line1, found.customer.address.city, found.customer.address.country) == ("Torstr. 1", "Berlin", "DE")
    assert (found.reference, found.open, found.keys) == ("K-10023", (Money(10000, "EUR"),), (customer.external_key,))
    assert (found.doubts, found.barred, found.part_of) == ((), "", "")


async def test_partners_come_in_pages_and_calls_do_not_grow_with_them(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[str] = Counter()
    call = OdooClient.call

    async def counted(self: OdooClient, model: str, *given: Any, **named: Any) -> Any:
        calls[model] += 1
        return await call(self, model, *given, **named)

    for number in range(12):
        await partner(desk, f"Page {number}")
    await connect(desk.ctx)
    monkeypatch.setattr(OdooClient, "call", counted)
    whole, pages = await read_all(desk)
    assert pages == 1
    assert calls["res.partner"] == 2  # a page, and the names of the companies its contacts hang on
    monkeypatch.setattr(existing, "PAGE_SIZE", 5)
    again, pages = await read_all(desk)
    assert (again, pages) == (whole, len(whole) // 5 + 1)


async def test_open_lines_of_more_than_a_page_are_all_counted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    customer = desk.wishes.customer("Many Bills")
    (outcome,) = await desk.done(customer)
    await desk.done(*(desk.wishes.invoice(customer, line(100 + number), total=100 + number) for number in range(3)))
    monkeypatch.setattr(existing, "LINES_PAGE_SIZE", 1)
    (found,) = await part().look_at(desk.ctx, [outcome.external_id])
    assert found.open == (Money(303, "EUR"),)


async def test_what_stands_in_the_way_is_said(desk: Desk) -> None:
    archived = await partner(desk, "Gone", active=False)
    company = await partner(desk, "Nordwind GmbH", is_company=True)
    contact = await partner(desk, "Ada Birk", parent_id=int(company.partition("/")[2]), type="contact")
    address = await partner(desk, "Nordwind, deliveries", parent_id=int(company.partition("/")[2]), type="delivery")
    found, _ = await read_all(desk)
    assert found[archived].doubts == ("it is archived: unarchive it, or answer yes to have it billed as it is",)
    number = company.partition("/")[2]
    assert found[contact].doubts == (f"it is a contact of 'Nordwind GmbH' (partner {number}): the company may be the customer",)
    assert found[contact].part_of == company
    assert (found[contact].keeps, found[company].keeps) == (frozenset({"address", "tax id"}), frozenset())
    assert address not in found


def test_of_several_tax_ids_the_one_a_partner_takes_is_written() -> None:
    numbers = TaxId("us_ein", "12-3456789"), TaxId("eu_vat", "DE 136695976"), TaxId("gb_vat", "GB434031494")
    told = Customer("stripe:cus_1", "Ada", tax_ids=numbers)
    assert part().written(told).tax_ids == (TaxId("vat", "DE136695976"),)
    assert part().written(replace(told, tax_ids=numbers[:1])).tax_ids == ()


async def test_a_partner_of_another_company_and_a_company_s_own_are_nobody_s(desk: Desk) -> None:
    other = await desk.plain.create("res.company", name=f"Aside {desk.wishes.run}")
    alone = await partner(desk, "Theirs", company_id=other)
    ours = (await desk.plain.find("res.company", [["id", "=", desk.company_id]], ["partner_id", "name"]))[0]
    found, _ = await read_all(desk)
    assert found[alone].barred == f"only the company 'Aside {desk.wishes.run}' may use it, in which the hub keeps no books"
    assert found[f"res.partner/{ours['partner_id']}"].barred == f"it is the company {ours['name']!r} itself"


async def test_an_adopted_partner_is_updated_and_keeps_what_people_entered(desk: Desk) -> None:
    id = await partner(desk, "Nordwind", ref="K-10023", phone="+49 30 7", comment="CFO: Ada", vat="DE136695976")
    email = f"ap@{desk.wishes.run}.example"
    customer = desk.wishes.customer("Nordwind GmbH", email=email)
    assert await part().adopt(desk.ctx, {customer.external_key: id}) == {customer.external_key: id}
    (outcome,) = await desk.done(customer)
    assert outcome.external_id == id
    row = await desk.record(outcome, "name", "email", "ref", "phone", "vat")
    assert (row["name"], row["email"]) == ("Nordwind GmbH", email)
    assert (row["ref"], row["phone"], row["vat"]) == ("K-10023", "+49 30 7", "DE136695976")
    assert len(await desk.plain.find("res.partner", [["email", "=", email]], ["id"])) == 1


async def test_a_user_who_may_not_list_external_ids_updates_an_adopted_partner_as_well(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    id = await partner(desk, "Nordwind", ref="K-10023")
    customer = desk.wishes.customer("Nordwind GmbH")
    await part().adopt(desk.ctx, {customer.external_key: id})
    desk.bindings[customer.produces] = id
    monkeypatch.setattr(OdooClient, "read", refusing(OdooClient.read))
    (outcome,) = await desk.done(customer)
    assert outcome.external_id == id
    assert (await desk.record(outcome, "ref"))["ref"] == "K-10023"


async def test_named_twice_is_named_once_and_a_key_stays_with_who_bears_it(desk: Desk) -> None:
    one, two = await partner(desk, "One"), await partner(desk, "Two")
    key = desk.wishes.customer().external_key
    assert await part().adopt(desk.ctx, {key: one}) == {key: one}
    assert await part().adopt(desk.ctx, {key: one}) == {key: one}
    assert await part().adopt(desk.ctx, {key: two}) == {key: one}
    named = await desk.plain.find("ir.model.data", [["module", "=", "counterfoil"], ["name", "=", key]], ["res_id"])
    assert [f"res.partner/{row['res_id']}" for row in named] == [one]


async def test_a_key_that_the_hub_takes_at_the_same_moment_is_left_to_it_and_the_others_are_named(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer, other = desk.wishes.customer("Raced"), desk.wishes.customer("Other")
    one, two = await partner(desk, "One"), await partner(desk, "Two")
    borne = naming._borne
    made: list[str] = []

    async def raced(*given: Any) -> dict[str, str]:
        found = await borne(*given)
        if not made:  # between looking and writing a worker makes the partner
            made.append((await desk.done(customer))[0].external_id)
        return found

    monkeypatch.setattr(naming, "_borne", raced)
    found = await part().adopt(desk.ctx, {customer.external_key: one, other.external_key: two})
    assert found == {customer.external_key: made[0], other.external_key: two}


async def test_a_user_without_the_right_is_told_which_one(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OdooClient, "read", refusing(OdooClient.read))
    for asked in (part().existing(desk.ctx, Holding.CUSTOMERS, ""), part().adopt(desk.ctx, {"customer_x.1": "res.partner/1"})):
        with pytest.raises(SetupError, match="Administration: Access Rights") as caught:
            await asked
        assert caught.value.code == "odoo.adopt_right"


async def test_what_else_is_refused_of_naming_is_told_as_what_it_is(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OdooClient, "read", refusing(OdooClient.read, code="odoo.key_refused"))
    with pytest.raises(SetupError) as caught:
        await part().existing(desk.ctx, Holding.CUSTOMERS, "")
    assert caught.value.code == "odoo.key_refused"


async def test_a_partner_only_one_of_several_companies_may_use_is_for_people_and_a_draft_is_not_open(desk: Desk) -> None:
    own = await partner(desk, "Theirs alone", company_id=desk.company_id)
    lines = [[0, 0, {"name": "Before", "quantity": 1, "price_unit": 50.0, "tax_ids": [[6, 0, []]]}]]
    told = {"move_type": "out_invoice", "partner_id": int(own.partition("/")[2]), "company_id": desk.company_id}
    await desk.plain.create("account.move", desk.company_id, invoice_line_ids=lines, **told)
    found, _ = await read_all(desk)
    (doubt,) = found[own].doubts
    assert doubt.endswith("may use it: the customer's bills of other companies would be refused")
    assert (found[own].barred, found[own].open) == ("", ())


async def test_no_answer_to_naming_is_named_once_when_it_is_done_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    one, key = await partner(desk, "One"), desk.wishes.customer().external_key
    call = OdooClient.call

    async def lost(self: OdooClient, model: str, method: str, *given: Any, **named: Any) -> Any:
        answer = await call(self, model, method, *given, **named)
        if (model, method) == ("ir.model.data", "create"):
            raise TransientError("no answer", code="http.timeout", is_outcome_unknown=True)
        return answer

    monkeypatch.setattr(OdooClient, "call", lost)
    with pytest.raises(HubError):
        await part().adopt(desk.ctx, {key: one})
    assert await part().adopt(desk.ctx, {key: one}) == {key: one}


async def test_a_partner_that_is_gone_is_left_out(desk: Desk) -> None:
    one = await partner(desk, "One")
    await desk.plain.call("res.partner", "unlink", [int(one.partition("/")[2])])
    assert await part().look_at(desk.ctx, [one, "account.move/999999999", "sale.order/1"]) == ()


async def test_a_vat_id_is_read_as_a_tax_id(desk: Desk) -> None:
    id = await partner(desk, "Nordwind", vat="DE136695976")
    (found,) = await part().look_at(desk.ctx, [id])
    assert isinstance(found, ExistingRecord)
    assert found.customer.tax_ids == (TaxId("vat", "DE136695976"),)


def refusing(read: Callable[..., Awaitable[Any]], code: str = "odoo.forbidden") -> Callable[..., Awaitable[Any]]:
    """Return a client's ``read`` of somebody who may not see external ids."""

    async def refuse(client: OdooClient, model: str, *given: Any, **named: Mapping[str, Any]) -> Any:
        if model == "ir.model.data":
            raise SetupError("You are not allowed to access 'Model Data'", code=code)
        return await read(client, model, *given, **named)

    return refuse
