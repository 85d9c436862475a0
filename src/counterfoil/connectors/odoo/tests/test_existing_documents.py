"""Documents and money that were in the books before the hub: read with what tells which they are, and found again by our keys."""

from __future__ import annotations

from typing import Any

import pytest

from counterfoil.connectors.odoo import CONNECTOR, existing_documents
from counterfoil.connectors.odoo.tests.conftest import EVERY_VERSION, Desk
from counterfoil.connectors.odoo.tests.wishes import CLEARING, DAY, FEES, line
from counterfoil.core.commands.books import EntryLine
from counterfoil.core.identity.adopted_documents import ExistingDocument
from counterfoil.core.language.money import Money
from counterfoil.kit.connector import Adopts
from counterfoil.kit.holdings import Holding


def part() -> Adopts:
    assert CONNECTOR.adopts is not None
    return CONNECTOR.adopts


async def read_all(desk: Desk) -> dict[str, ExistingDocument]:
    found: dict[str, ExistingDocument] = {}
    cursor, has_more = "", True
    while has_more:
        page = await part().existing(desk.ctx, Holding.DOCUMENTS, cursor)
        found |= {one.external_id: one for one in page.records if isinstance(one, ExistingDocument)}
        cursor, has_more = page.cursor, page.has_more
    return found


async def by_hand(desk: Desk, partner: int, amount: float, move_type: str = "out_invoice", **values: Any) -> int:
    """Enter a document as a person does, and post it."""
    lines = [[0, 0, {"name": "Before", "quantity": 1, "price_unit": amount, "tax_ids": [[6, 0, []]]}]]
    told = {"move_type": move_type, "partner_id": partner, "invoice_date": DAY.isoformat(), "invoice_line_ids": lines, **values}
    id = await desk.plain.create("account.move", desk.company_id, company_id=desk.company_id, **told)
    await desk.plain.call("account.move", "action_post", [id], context={"allowed_company_ids": [desk.company_id]})
    return id


async def entry(desk: Desk, partner: int, amount: float, ref: str, *, also: int = 0) -> int:
    """Enter money received by an entry, as a bank statement's line is one, and post it; ``also``: as much of another one; < 0: paid out."""
    config = desk.ctx.settings.companies[desk.wishes.entity]
    codes = [config.accounts["clearing:stripe"], *[row["code"] for row in await _receivable(desk)]]
    clearing, receivable = [await desk.account_id(code) for code in codes[:2]]
    journal = await desk.plain.find(
        "account.journal", [["type", "=", "general"], ["company_id", "=", desk.company_id]], ["id"], desk.company_id
    )
    payers = [one for one in (partner, also) if one]
    money, owed = ("debit", "credit") if amount > 0 else ("credit", "debit")
    lines = [
        [0, 0, {"account_id": clearing, money: abs(amount) * len(payers), "name": ref}],
        *([0, 0, {"account_id": receivable, owed: abs(amount), "partner_id": one, "name": ref}] for one in payers),
    ]
    told = {"move_type": "entry", "journal_id": journal[0]["id"], "date": DAY.isoformat(), "ref": ref, "line_ids": lines}
    id = await desk.plain.create("account.move", desk.company_id, **told)
    await desk.plain.call("account.move", "action_post", [id], context={"allowed_company_ids": [desk.company_id]})
    return id


async def _receivable(desk: Desk) -> list[dict[str, Any]]:
    owner = "company_id" if desk.plain.major == 17 else "company_ids"
    domain = [["account_type", "=", "asset_receivable"], [owner, "in", [desk.company_id]]]
    return await desk.plain.find("account.account", domain, ["code"], desk.company_id)


@EVERY_VERSION
async def test_documents_and_money_of_before_are_read_with_what_tells_which_they_are(desk: Desk) -> None:
    ada = await desk.plain.create("res.partner", name="Ada Birk")
    invoice = await by_hand(desk, ada, 119, ref="Stripe INV-001")
    note = await by_hand(desk, ada, 19, "out_refund", ref="CN-001")
    received = await entry(desk, ada, 100, "transfer INV-001")
    found = await read_all(desk)
    bill = found[f"account.move/{invoice}"]
    assert (bill.kind, bill.entity, bill.customer, bill.total, bill.open) == (
        "invoice", desk.wishes.entity, f"res.partner/{ada}", Money(11900, "EUR"), Money(11900, "EUR"),
    )  # fmt: skip
    assert DAY in bill.days
    assert "Stripe INV-001" in bill.references
    assert (found[f"account.move/{note}"].kind, found[f"account.move/{note}"].total) == ("credit_note", Money(1900, "EUR"))
    money = found[f"account.move/{received}"]
    assert (money.kind, money.customer, money.total, money.open) == (
        "payment", f"res.partner/{ada}", Money(10000, "EUR"), Money(10000, "EUR"),
    )  # fmt: skip
    assert "transfer INV-001" in money.references


@EVERY_VERSION
async def test_what_is_billed_to_a_contact_names_the_company_and_the_contact(desk: Desk) -> None:
    company = await desk.plain.create("res.partner", name="Nordwind GmbH", is_company=True)
    ada = await desk.plain.create("res.partner", name="Ada Birk", parent_id=company)
    bill, own = await by_hand(desk, ada, 119, ref="INV-001"), await by_hand(desk, company, 20)
    found = await read_all(desk)
    assert found[f"account.move/{bill}"].whose == (f"res.partner/{company}", f"res.partner/{ada}")
    assert found[f"account.move/{own}"].whose == (f"res.partner/{company}",)


@EVERY_VERSION
async def test_a_reversed_invoice_is_told_as_one_and_a_paid_one_is_not(desk: Desk) -> None:
    ada = await desk.plain.create("res.partner", name="Ada Birk")
    back, kept = await by_hand(desk, ada, 119, ref="INV-001"), await by_hand(desk, ada, 20, ref="INV-002")
    own = {"allowed_company_ids": [desk.company_id]}
    (journal,) = await desk.plain.find("account.move", [["id", "=", back]], ["journal_id"], desk.company_id)
    wizard = await desk.plain.create(
        "account.move.reversal", desk.company_id, move_ids=[[6, 0, [back]]], journal_id=_id(journal["journal_id"]), reason="late"
    )
    await desk.plain.call("account.move.reversal", "reverse_moves", [wizard], context=own)
    (note,) = await desk.plain.find("account.move", [["reversed_entry_id", "=", back]], ["id", "state"], desk.company_id)
    if note["state"] == "draft":
        await desk.plain.call("account.move", "action_post", [note["id"]], context=own)
    found = await read_all(desk)
    assert (found[f"account.move/{back}"].is_reversed, found[f"account.move/{back}"].open) == (True, Money(0, "EUR"))
    assert not found[f"account.move/{kept}"].is_reversed


def _id(given: Any) -> int:
    return int(given[0] if isinstance(given, list) else given)


@EVERY_VERSION
async def test_what_the_hub_posted_bears_its_keys_and_a_payment_is_told_as_one(desk: Desk) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    invoice, payment = desk.wishes.invoice(customer, line(10000), total=10000), desk.wishes.payment(customer, 10000)
    (invoiced,) = await desk.done(invoice)
    (paid,) = await desk.done(payment)
    found = await read_all(desk)
    assert found[invoiced.external_id].keys == (invoice.external_key,)
    assert (found[paid.external_id].kind, found[paid.external_id].keys) == ("payment", (payment.external_key,))
    looked_at = await part().look_at(desk.ctx, [invoiced.external_id, paid.external_id])
    assert {one.external_id: one for one in looked_at} == {id: found[id] for id in (invoiced.external_id, paid.external_id)}


async def test_an_entry_of_two_customers_and_money_that_went_out_are_no_payment(desk: Desk) -> None:
    ada, bo = [await desk.plain.create("res.partner", name=name) for name in ("Ada Birk", "Bo Lind")]
    both, out = await entry(desk, ada, 100, "INV-001", also=bo), await entry(desk, ada, -100, "back")
    one = await entry(desk, ada, 60, "INV-001", also=ada)
    found = await read_all(desk)
    assert {f"account.move/{both}", f"account.move/{out}"}.isdisjoint(found)
    assert found[f"account.move/{one}"].total == Money(12000, "EUR")  # two lines of one customer


async def test_documents_come_in_pages(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = await desk.plain.create("res.partner", name="Ada Birk")
    for number in range(4):
        await by_hand(desk, ada, 10 + number)
    whole = await read_all(desk)
    monkeypatch.setattr(existing_documents, "PAGE_SIZE", 2)
    assert await read_all(desk) == whole


@EVERY_VERSION
async def test_a_draft_is_told_as_one_and_an_entry_without_a_customer_is_nothing(desk: Desk) -> None:
    ada = await desk.plain.create("res.partner", name="Ada Birk")
    told = {"move_type": "out_invoice", "partner_id": ada, "invoice_date": DAY.isoformat(), "company_id": desk.company_id}
    draft = await desk.plain.create("account.move", desk.company_id, **told)
    fee = desk.wishes.entry(EntryLine(FEES, Money(300, "EUR")), EntryLine(CLEARING, Money(-300, "EUR")))
    (booked,) = await desk.done(fee)
    found = await read_all(desk)
    assert found[f"account.move/{draft}"].is_draft
    assert booked.external_id not in found


async def test_a_document_named_by_our_key_is_never_posted_again(desk: Desk) -> None:
    ada = await desk.plain.create("res.partner", name="Ada Birk")
    customer = desk.wishes.customer("Ada Birk")
    there = f"account.move/{await by_hand(desk, ada, 100, ref='INV-007')}"
    invoice = desk.wishes.invoice(customer, line(10000), total=10000)
    assert await part().adopt(desk.ctx, {customer.external_key: f"res.partner/{ada}", invoice.external_key: there}) == {
        customer.external_key: f"res.partner/{ada}",
        invoice.external_key: there,
    }
    await desk.done(customer)
    await desk.send(invoice)
    moves = await desk.plain.find("account.move", [["partner_id", "=", ada]], ["id"], desk.company_id)
    assert [f"account.move/{row['id']}" for row in moves] == [there]
