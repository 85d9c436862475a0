"""Invoices and payments that were entered by hand before the hub came: planned with money, bound to the cent, and never booked again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.integration.path.house import House, house
from tests.integration.path.test_adopting import applied, audit_of, closed, opened, partner, plan_of, told

from counterfoil.app.adopting import Adopted
from counterfoil.app.adoption_plan import AdoptionPlan, PlanRow
from counterfoil.app.proving.run import chosen, period_of, prove
from counterfoil.core.language.money import Money
from counterfoil.core.proving.totals import TotalKind
from counterfoil.kit.errors import SetupError


@pytest_asyncio.fixture
async def made(database: str, tmp_path: Path) -> AsyncIterator[House]:
    """Yield a hub that reads its sources and leaves the books alone until six hours have passed."""
    async with house(database, Path(tmp_path / "home"), change=closed) as made:
        yield made


@dataclass
class Before:
    """An invoice at the source whose customer is in the books."""

    made: House
    story: Any
    customer: str
    partner: int
    invoice: dict[str, Any]

    @property
    def key(self) -> str:
        return f"invoice_stripe.{self.invoice['id']}"

    @property
    def day(self) -> str:
        return datetime.fromtimestamp(self.invoice["status_transitions"]["finalized_at"], UTC).date().isoformat()

    async def match(self, *moves: int) -> None:
        """Match what entries and documents have on receivables with each other, as a person does."""
        env = self.made.odoo.env()
        lines = [env.row("account.move.line", id) for move in moves for id in env.find("account.move.line", "move_id", move)]
        owed = [
            line["id"]
            for line in lines
            if line["account_id"] and env.row("account.account", line["account_id"])["account_type"] == "asset_receivable"
        ]
        own = {"allowed_company_ids": [self.made.provisioned.companies["US"].company_id]}
        await self.made.plain.call("account.move.line", "reconcile", ids=owed, context=own)

    async def enter(self, amount: float, *, ref: str = "", day: str = "", currency: str = "", move_type: str = "out_invoice") -> int:
        """Enter the invoice in the books as a person does, and post it."""
        company = self.made.provisioned.companies["US"].company_id
        lines = [[0, 0, {"name": "By hand", "quantity": 1, "price_unit": amount, "tax_ids": [[6, 0, []]]}]]
        values: dict[str, Any] = {"move_type": move_type, "partner_id": self.partner, "invoice_date": day or self.day}
        values |= {"ref": ref or self.invoice["number"], "invoice_line_ids": lines, "company_id": company}
        if currency:
            (row,) = await self.made.plain.rows("res.currency", [["name", "=", currency]], ["id"], archived=True)
            values["currency_id"] = row["id"]
        id = await self.made.plain.create("account.move", values, company)
        await self.made.plain.call("account.move", "action_post", ids=[id], context={"allowed_company_ids": [company]})
        return int(id)

    async def receive(self, amount: float, text: str) -> int:
        """Enter money of the customer in the books, by an entry."""
        company = self.made.provisioned.companies["US"].company_id
        own = {"allowed_company_ids": [company]}
        rows = await self.made.plain.rows(
            "account.account", [["account_type", "in", ["asset_receivable", "asset_cash"]]], ["account_type"], [company]
        )
        kinds = {row["account_type"]: row["id"] for row in reversed(rows)}
        (journal, *_) = await self.made.plain.rows(
            "account.journal", [["type", "=", "general"], ["company_id", "=", company]], ["id"], [company]
        )
        lines = [
            [0, 0, {"account_id": kinds["asset_cash"], "debit": amount, "name": text}],
            [0, 0, {"account_id": kinds["asset_receivable"], "credit": amount, "partner_id": self.partner, "name": text}],
        ]
        values = {"move_type": "entry", "journal_id": journal["id"], "date": self.day, "ref": text, "line_ids": lines}
        id = await self.made.plain.create("account.move", values, company)
        await self.made.plain.call("account.move", "action_post", ids=[id], context=own)
        return int(id)

    async def register(self, invoice: int) -> int:
        """Register the payment of an invoice in the books as a person does from its form."""
        company = self.made.provisioned.companies["US"].company_id
        own = {"allowed_company_ids": [company], "active_model": "account.move", "active_ids": [invoice]}
        wizard = await self.made.plain.call("account.payment.register", "create", vals_list=[{}], context=own)
        await self.made.plain.call("account.payment.register", "action_create_payments", ids=wizard, context=own)
        (payment,) = self.made.odoo.env().find("account.payment", "partner_id", self.partner)
        return int(payment)

    def documents(self) -> list[int]:
        """Return the customer's invoices in the books."""
        env = self.made.odoo.env()
        moves = (env.row("account.move", id) for id in env.find("account.move", "partner_id", self.partner))
        return sorted(row["id"] for row in moves if row["move_type"] == "out_invoice")


async def billed(made: House, amount: int = 10000, *, is_paid: bool = False) -> Before:
    story = made.story()
    customer = await story.customer()
    known = await made.apis["US"].get(f"/v1/customers/{customer}")
    there = await partner(made, known["name"], email=known["email"])
    await story.item(customer, "Consulting", amount)
    invoice = await story.bill(customer, is_charged=is_paid)
    assert not is_paid or await story.pay(invoice["id"])
    return Before(made, story, customer, there, await made.apis["US"].get(f"/v1/invoices/{invoice['id']}"))


def documents_of(plan: AdoptionPlan) -> list[PlanRow]:
    return [row for row in plan.rows if row.kind != "customer"]


async def test_an_open_invoice_entered_by_hand_is_bound_and_paid_and_never_booked_again(made: House) -> None:
    before = await billed(made)
    there = await before.enter(100.0)
    await told(made)
    plan = await plan_of(made)
    (row,) = documents_of(plan)
    assert (row.kind, row.verdict.value, row.external_id) == ("invoice", "certain", f"account.move/{there}")
    (total,) = plan.documents()
    assert (total.kind, total.entity, total.certain, total.at_source, total.in_books, total.difference) == (
        "invoice", "US", 1, Money(10000, "USD"), Money(10000, "USD"), Money(0, "USD"),
    )  # fmt: skip
    assert await applied(made, plan.rows) == Adopted(2, 0)
    assert await applied(made, plan.rows) == Adopted(0, 2)
    (line,) = await audit_of(made, row.key)
    assert (line[0], line[1], line[2]["record"]) == ("mira", "adopted", f"account.move/{there}")
    await opened(made)
    assert before.documents() == [there]
    assert await before.story.pay(before.invoice["id"])
    await made.tell()
    assert before.documents() == [there]
    assert made.odoo.env().row("account.move", there)["amount_residual"] == 0.0
    assert await made.cases() == []


async def test_an_invoice_and_its_payment_entered_by_hand_are_both_bound(made: House) -> None:
    before = await billed(made, is_paid=True)
    there = await before.enter(100.0)
    received = await before.receive(100.0, f"payment of {before.invoice['number']}")
    await told(made)
    plan = await plan_of(made)
    assert sorted((row.kind, row.verdict.value, row.external_id) for row in documents_of(plan)) == [
        ("invoice", "certain", f"account.move/{there}"),
        ("payment", "certain", f"account.move/{received}"),
    ]
    assert await applied(made, plan.rows) == Adopted(3, 0)
    await opened(made)
    env = made.odoo.env()
    assert before.documents() == [there]
    assert env.find("account.payment", "partner_id", before.partner) in ([], set())
    assert env.row("account.move", there)["amount_residual"] == 0.0  # the hub matched what was open
    assert await made.cases() == []


async def test_a_payment_registered_from_its_invoice_is_bound_by_what_the_books_call_that(made: House) -> None:
    before = await billed(made, is_paid=True)
    there = await before.enter(100.0)
    registered = await before.register(there)
    await told(made)
    plan = await plan_of(made)
    assert sorted((row.kind, row.verdict.value, row.external_id) for row in documents_of(plan)) == [
        ("invoice", "certain", f"account.move/{there}"),
        ("payment", "certain", f"account.payment/{registered}"),
    ]
    assert await applied(made, plan.rows) == Adopted(3, 0)
    await opened(made)
    assert made.odoo.env().find("account.payment", "partner_id", before.partner) == [registered]
    assert await made.cases() == []  # nothing was left to be matched


async def proven(made: House) -> dict[TotalKind, tuple[int, int]]:
    """Return what both sides of the American company's month say, where they differ, in cents."""
    (group,) = chosen(made.hub.settings, "US")
    await made.later(hours=1)
    proof = await prove(made.hub.settings, made.hub.pool, group, period_of(made.hub.settings, group, "2025-12"), made.clock.now())
    return {line.kind: (line.source_minor, line.books_minor) for line in proof.lines if line.difference_minor}


@pytest.mark.parametrize("is_registered", [True, False])
async def test_a_proof_finds_adopted_money_wherever_it_was_booked_and_what_the_clearing_account_lacks(
    made: House, is_registered: bool
) -> None:
    before = await billed(made, is_paid=True)
    there = await before.enter(100.0)
    await (before.register(there) if is_registered else before.receive(100.0, f"payment of {before.invoice['number']}"))
    await told(made)
    assert (await applied(made, (await plan_of(made)).rows)).bound == 3
    await opened(made)
    # a fee of 3.20 was posted, and the 100.00 are on the bank: the processor says 96.80, the clearing account -3.20
    assert await proven(made) == {TotalKind.CLEARING: (9680, -320)}


async def test_a_proof_finds_adopted_money_that_was_paid_past_the_processor(made: House) -> None:
    before = await billed(made)
    assert await before.story.pay(before.invoice["id"], paid_out_of_band=True)
    there = await before.enter(100.0)
    await before.register(there)
    await told(made)
    assert (await applied(made, (await plan_of(made)).rows)).bound == 3
    await opened(made)
    assert await proven(made) == {}


async def test_an_invoice_billed_to_a_contact_that_is_the_customer_is_bound(made: House) -> None:
    before = await billed(made)
    company = await partner(made, "Big Holding", is_company=True)
    await made.plain.write("res.partner", [before.partner], {"parent_id": company, "type": "contact", "is_company": False})
    there = await before.enter(100.0)
    await told(made)
    (customer, *_) = (await plan_of(made)).rows
    assert await applied(made, (replace(customer, answer="yes"),)) == Adopted(1, 0)
    (row,) = documents_of(await plan_of(made))
    assert (row.verdict.value, row.external_id) == ("certain", f"account.move/{there}")
    assert await applied(made, (row,)) == Adopted(1, 0)
    await opened(made)
    assert before.documents() == [there]
    assert await before.story.pay(before.invoice["id"])
    await made.tell()
    assert made.odoo.env().row("account.move", there)["amount_residual"] == 0.0
    assert await made.cases() == []


async def test_a_credit_note_that_is_matched_in_the_books_already_is_bound_and_stays_as_it_is(made: House) -> None:
    before = await billed(made)
    (line, *_) = await before.story.lines_of(before.invoice["id"])
    note = await before.story.credit(before.invoice["id"], [(line, 4000)])
    there = await before.enter(100.0)
    credited = await before.enter(40.0, ref=note["number"], move_type="out_refund")
    await before.match(there, credited)
    await told(made)
    plan = await plan_of(made)
    assert {(row.kind, row.verdict.value, row.external_id) for row in plan.rows} == {
        ("customer", "certain", f"res.partner/{before.partner}"),
        ("credit_note", "certain", f"account.move/{credited}"),
        ("invoice", "certain", f"account.move/{there}"),
    }
    assert (plan.rows[0].at_source, plan.rows[0].in_books) == ((Money(6000, "USD"),), (Money(6000, "USD"),))  # 100.00 less 40.00
    assert (await applied(made, plan.rows)).bound == 3
    await opened(made)
    env = made.odoo.env()
    assert (env.row("account.move", there)["amount_residual"], env.row("account.move", credited)["amount_residual"]) == (60.0, 0.0)
    assert await made.cases() == []


async def test_money_given_back_is_no_part_of_a_plan(made: House) -> None:
    before = await billed(made, is_paid=True)
    await before.story.give_back(before.invoice["id"], 3000, "refund_amount")
    await told(made)
    assert {row.kind for row in (await plan_of(made)).rows} == {"customer", "invoice", "payment", "credit_note"}


async def test_of_another_amount_currency_or_day_it_is_for_people_and_says_so(made: House) -> None:
    before = await billed(made)
    await told(made)
    wrong = await before.enter(100.01)
    (row,) = documents_of(await plan_of(made))
    assert (row.verdict.value, row.reasons[0]) == ("doubtful", "the amounts differ: 100.00 USD at the source, 100.01 USD in the books")
    with pytest.raises(SetupError, match=rf"is not account.move/{wrong}: the amounts differ") as caught:
        await applied(made, tuple(replace(one, answer="yes") if one.kind == "invoice" else one for one in (await plan_of(made)).rows))
    assert caught.value.code == "adopt.barred"
    await made.plain.call("account.move", "button_draft", ids=[wrong])
    late = await before.enter(100.0, day="2025-11-20")
    plan = await plan_of(made)
    (row,) = documents_of(plan)
    assert (row.verdict.value, row.external_id) == ("doubtful", f"account.move/{late}")
    assert row.reasons[0].startswith("the days differ")
    assert await applied(made, tuple(replace(one, answer="yes") if one.kind == "invoice" else one for one in plan.rows)) == Adopted(2, 0)
    await opened(made)
    assert before.documents() == sorted((wrong, late))


async def test_in_another_currency_it_is_never_bound(made: House) -> None:
    before = await billed(made)
    await before.enter(100.0, currency="EUR")
    await told(made)
    (row,) = documents_of(await plan_of(made))
    assert (row.verdict.value, row.reasons[0]) == ("doubtful", "the currencies differ: 100.00 USD at the source, 100.00 EUR in the books")


async def test_a_document_of_a_customer_who_is_not_bound_waits_for_that(made: House) -> None:
    before = await billed(made)
    await before.enter(100.0)
    await told(made)
    plan = await plan_of(made)
    with pytest.raises(SetupError, match="its customer is bound to no record"):
        await applied(made, tuple(replace(one, answer="no") if one.kind == "customer" else one for one in plan.rows))


async def test_what_changed_in_the_books_or_was_posted_since_the_plan_is_refused(made: House) -> None:
    before = await billed(made)
    there = await before.enter(100.0)
    await told(made)
    plan = await plan_of(made)
    await made.plain.call("account.move", "button_draft", ids=[there])
    with pytest.raises(SetupError, match=rf"account.move/{there}: changed, posted or gone"):
        await applied(made, plan.rows)
    await opened(made)
    assert made.has(before.key)  # nobody applied it: the hub made a partner and a document of its own
    own = made.odoo.env().ref(f"counterfoil.{before.key}")
    done = await applied(made, plan.rows)
    assert (done.bound, done.already) == (0, 0)
    assert (f"invoice/stripe:{before.invoice['id']}", f"account.move/{own}") in done.others
