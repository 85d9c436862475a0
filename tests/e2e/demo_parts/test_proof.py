"""The proof notices one cent and one document, on either side, whoever entered it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count

import pytest

from counterfoil.app.demo.casting import MONTH_START
from counterfoil.app.demo.company import StripeAccount, open_accounts
from counterfoil.app.demo.control import StripeControl
from counterfoil.app.demo.entities import US
from counterfoil.app.demo.erp_totals import to_minor
from counterfoil.app.demo.odoo_plain import OdooPlain
from counterfoil.app.demo.proof import TotalsProof, baseline, prove
from counterfoil.app.demo.provision import Provisioned, provision
from counterfoil.app.demo.source_stocks import read_stocks
from counterfoil.app.demo.stripe_plain import StripePlain
from counterfoil.app.demo.totals import TotalKind
from counterfoil.connectors.stripe.sandbox import StripeSandbox
from counterfoil.core.commands.books import AccountRole

from .bookkeeper import Bookkeeper
from .conftest import REAL_URL

SEEDS = count(int(time.time()) if REAL_URL else 100)
"""Every scene has ids of its own, so that scenes may follow one another in one database."""


@dataclass
class Scene:
    """One account with one paid invoice of 250.00 USD and its fee of 7.55, and the company that is to keep its books."""

    account: StripeAccount
    odoo: OdooPlain
    provisioned: Provisioned
    keeper: Bookkeeper
    before: int
    ids: dict[str, str]

    async def prove(self) -> TotalsProof:
        return await prove([self.account], self.odoo, self.provisioned, self.before)

    async def differences(self) -> dict[str, tuple[int, int]]:
        """Return (difference of amounts, difference of counts) of every total that differs."""
        proof = await self.prove()
        found = {row.kind.value: (row.difference_minor, row.count_erp - row.count_source) for row in proof.totals if not row.is_equal}
        (clearing,) = proof.clearing
        return found | ({"clearing": (clearing.difference_minor, 0)} if clearing.difference_minor else {})

    async def standing(self) -> dict[str, tuple[int, int, int]]:
        """Return what must stand on each account, what does, and how many customers differ."""
        return {row.stock.value: (row.source_minor, row.erp_minor, row.apart) for row in (await self.prove()).stocks}

    async def keep_books(self) -> None:
        """Enter everything rightly: 2.9 % of 250.00 and 0.30 are 7.55."""
        invoice = await self.keeper.invoice(f"counterfoil.invoice_stripe.{self.ids['in']}", "250.00")
        payment = await self.keeper.payment(f"counterfoil.payment_stripe.{self.ids['ch']}", "250.00")
        await self.keeper.match(invoice, payment)
        await self.keeper.entry(f"counterfoil.fee_stripe.{self.ids['txn']}", AccountRole.FEES, AccountRole.CLEARING, "7.55")


async def billed(api: StripePlain, amount: int) -> str:
    """Bill a new customer, who does not pay."""
    customer = await api.post("/v1/customers", name="Beryl Labs")
    await api.post("/v1/invoiceitems", customer=customer["id"], amount=amount, currency="usd", description="Work")
    draft = await api.post(
        "/v1/invoices",
        customer=customer["id"],
        collection_method="send_invoice",
        days_until_due=30,
        pending_invoice_items_behavior="include",
        auto_advance=False,
    )
    await api.post(f"/v1/invoices/{draft['id']}/finalize")
    return str(draft["id"])


async def paid_ahead(api: StripePlain, amount: int) -> str:
    """Take money of a new customer that is of no invoice; return the payment intent."""
    customer = await api.post("/v1/customers", name="Coral Labs")
    method = "pm_card_visa"
    intent = await api.post(
        "/v1/payment_intents", amount=amount, currency="usd", customer=customer["id"], payment_method=method, confirm=True, off_session=True
    )
    return str(intent["id"])


async def sell(api: StripePlain, card: str = "pm_card_visa") -> dict[str, str]:
    customer = await api.post("/v1/customers", name="Amber Labs", payment_method=card, invoice_settings={"default_payment_method": card})
    await api.post("/v1/invoiceitems", customer=customer["id"], amount=25000, currency="usd", description="Work")
    draft = await api.post("/v1/invoices", customer=customer["id"], pending_invoice_items_behavior="include", auto_advance=False)
    await api.post(f"/v1/invoices/{draft['id']}/pay")
    charge = (await api.get("/v1/charges"))["data"][0]
    return {"in": draft["id"], "ch": charge["id"], "txn": charge["balance_transaction"]}


@pytest.fixture
async def scene(odoo: OdooPlain) -> AsyncIterator[Scene]:
    sandbox = StripeSandbox(next(SEEDS), start=MONTH_START, with_default_account=False)
    async with StripeControl(await sandbox.start()) as control:
        (account,) = await open_accounts(control, [US])
        async with StripePlain(account.url, account.key) as api:
            ids = await sell(api)
    provisioned = await provision(odoo, [US])
    company = provisioned.companies["US"]
    customer = await odoo.create("res.partner", {"name": "Amber Labs"}, company.company_id)
    yield Scene(account, odoo, provisioned, Bookkeeper(odoo, company, customer), await baseline(odoo), ids)
    await sandbox.stop()


async def test_right_books_are_proven_right(scene: Scene) -> None:
    await scene.keep_books()
    proof = await scene.prove()
    assert await scene.differences() == {}
    assert proof.is_proven
    amounts = {row.kind: (row.source_minor, row.erp_minor, row.count_source, row.count_erp) for row in proof.totals}
    assert amounts[TotalKind.INVOICE] == (25000, 25000, 1, 1)
    assert amounts[TotalKind.PAYMENT] == (25000, 25000, 1, 1)
    assert amounts[TotalKind.FEE] == (755, 755, 1, 1)
    assert [(row.processor_minor, row.erp_minor) for row in proof.clearing] == [(24245, 24245)]


async def test_empty_books_are_not_right(scene: Scene) -> None:
    assert await scene.differences() == {"invoice": (-25000, -1), "payment": (-25000, -1), "fee": (-755, -1), "clearing": (-24245, 0)}


async def test_a_fee_of_one_cent_too_much_is_caught_twice(scene: Scene) -> None:
    invoice = await scene.keeper.invoice(f"counterfoil.invoice_stripe.{scene.ids['in']}", "250.00")
    payment = await scene.keeper.payment(f"counterfoil.payment_stripe.{scene.ids['ch']}", "250.00")
    await scene.keeper.match(invoice, payment)
    await scene.keeper.entry(f"counterfoil.fee_stripe.{scene.ids['txn']}", AccountRole.FEES, AccountRole.CLEARING, "7.56")
    assert await scene.differences() == {"fee": (1, 0), "clearing": (-1, 0)}


async def test_an_invoice_of_one_cent_too_little_is_caught_although_it_is_settled(scene: Scene) -> None:
    invoice = await scene.keeper.invoice(f"counterfoil.invoice_stripe.{scene.ids['in']}", "249.99")
    payment = await scene.keeper.payment(f"counterfoil.payment_stripe.{scene.ids['ch']}", "250.00")
    await scene.keeper.match(invoice, payment)
    await scene.keeper.entry(f"counterfoil.fee_stripe.{scene.ids['txn']}", AccountRole.FEES, AccountRole.CLEARING, "7.55")
    assert await scene.differences() == {"invoice": (-1, 0)}


async def test_a_doubled_invoice_is_caught_whatever_its_external_id(scene: Scene) -> None:
    await scene.keep_books()
    await scene.keeper.invoice(f"counterfoil.by_hand_{scene.ids['in']}", "250.00")
    assert await scene.differences() == {"invoice": (25000, 1), "open_invoice": (25000, 1)}


async def test_a_doubled_payment_is_caught_by_its_amount_and_by_the_clearing_account(scene: Scene) -> None:
    await scene.keep_books()
    await scene.keeper.payment(f"counterfoil.payment_again_stripe.{scene.ids['ch']}", "250.00")
    assert await scene.differences() == {"payment": (25000, 1), "clearing": (25000, 0)}


async def test_a_document_split_in_two_is_caught_by_its_number(scene: Scene) -> None:
    invoice = await scene.keeper.invoice(f"counterfoil.invoice_stripe.{scene.ids['in']}", "250.00")
    for key, part in (("a", "100.00"), ("b", "150.00")):
        payment = await scene.keeper.payment(f"counterfoil.payment_stripe.{scene.ids['ch']}-{key}", part)
        await scene.keeper.match(invoice, payment)
    await scene.keeper.entry(f"counterfoil.fee_stripe.{scene.ids['txn']}", AccountRole.FEES, AccountRole.CLEARING, "7.55")
    assert await scene.differences() == {"payment": (0, 1)}


async def test_a_payment_that_is_not_matched_leaves_its_invoice_open(scene: Scene) -> None:
    await scene.keeper.invoice(f"counterfoil.invoice_stripe.{scene.ids['in']}", "250.00")
    await scene.keeper.payment(f"counterfoil.payment_stripe.{scene.ids['ch']}", "250.00")
    await scene.keeper.entry(f"counterfoil.fee_stripe.{scene.ids['txn']}", AccountRole.FEES, AccountRole.CLEARING, "7.55")
    assert await scene.differences() == {"open_invoice": (25000, 1)}


async def test_a_payment_that_no_invoice_took_must_be_open_on_the_receivable(scene: Scene) -> None:
    # 100.00 paid ahead, 30.00 given back: 70.00 are the customer's own. The books have neither.
    await scene.keep_books()
    async with StripePlain(scene.account.url, scene.account.key) as api:
        intent = await paid_ahead(api, 10000)
        await api.post("/v1/refunds", payment_intent=intent, amount=3000)
    assert (await scene.standing())["receivable"] == (-7000, 0, 0)
    assert not (await scene.prove()).is_proven


async def test_credit_of_one_customer_that_stands_on_another_is_caught(scene: Scene) -> None:
    # 50.00 granted; the books have 50.00 of nobody: the sum agrees, two customers do not.
    await scene.keep_books()
    async with StripePlain(scene.account.url, scene.account.key) as api:
        customer = (await api.get("/v1/customers"))["data"][0]["id"]
        await api.post(f"/v1/customers/{customer}/balance_transactions", amount=-5000, currency="usd")
    key = f"counterfoil.customer_credit_stripe.cbtxn_{scene.ids['in'][3:]}"
    await scene.keeper.entry(key, AccountRole.ADJUSTMENT, AccountRole.CUSTOMER_CREDIT, "50.00")
    assert await scene.differences() == {}
    assert (await scene.standing())["customer_credit"] == (5000, 5000, 2)
    assert not (await scene.prove()).is_proven


async def test_what_must_stand_is_read_from_the_source_alone() -> None:
    # Open 60.00; uncollectible 40.00; disputed 250.00; 100.00 paid ahead, of which 30.00, 30.00 and 40.00 went back: nothing is left.
    sandbox = StripeSandbox(next(SEEDS), start=MONTH_START, with_default_account=False)
    async with StripeControl(await sandbox.start()) as control:
        (account,) = await open_accounts(control, [US])
        async with StripePlain(account.url, account.key) as api:
            await sell(api, "pm_card_createDispute")
            await billed(api, 6000)
            await api.post(f"/v1/invoices/{await billed(api, 4000)}/mark_uncollectible")
            intent = await paid_ahead(api, 10000)
            for amount in (3000, 3000, 4000):
                await api.post("/v1/refunds", payment_intent=intent, amount=amount)
            found = await read_stocks(api)
    await sandbox.stop()
    assert {stock.value: sum(parts.values()) for stock, parts in found.items()} == {
        "receivable": 6000,
        "customer_credit": 0,
        "disputed_funds": 25000,
        "bad_debt": 4000,
    }


async def test_what_an_earlier_run_left_in_the_same_database_does_not_count(scene: Scene) -> None:
    former = scene.ids["in"][-8:] + "Former"
    await scene.keeper.invoice(f"counterfoil.invoice_stripe.in_1{former}", "99.00")
    await scene.keeper.payment(f"counterfoil.payment_stripe.ch_1{former}", "99.00")
    scene.before = await baseline(scene.odoo)
    await scene.keep_books()
    assert await scene.differences() == {}


async def test_what_this_run_booked_counts_also_if_it_stood_there_before(scene: Scene) -> None:
    await scene.keep_books()
    scene.before = await baseline(scene.odoo)
    assert await scene.differences() == {}


def test_amounts_of_odoo_are_whole_minor_units_or_an_error() -> None:
    assert to_minor("1234.5", "USD") == 123450
    assert to_minor("0.30000000000000004", "USD") == 30
    assert to_minor("-700", "JPY") == -700
    with pytest.raises(ValueError, match="not a whole number of minor units of JPY"):
        to_minor("0.5", "JPY")
