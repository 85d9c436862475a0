"""Stories of how money moves: failures and recoveries, partial and out-of-band payments, credit, refunds, credit notes, disputes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta

from .stage import DISPUTED_CARD, FAILING_CARD, GOOD_CARD, INQUIRY_CARD, REFUND_FAILING_CARD, Stage, days, hours

Steps = AsyncGenerator[timedelta, None]


async def recovers(stage: Stage) -> Steps:
    """A card that is declined twice, replaced, and then charged."""
    customer = await stage.customer(card=FAILING_CARD)
    invoice = await stage.one_off(customer, stage.chance.randint(9000, 60000), is_charged=True)
    await stage.pay(invoice["id"])
    yield days(2)
    await stage.pay(invoice["id"])
    yield days(2)
    await stage.change_card(customer, GOOD_CARD)
    await stage.pay(invoice["id"])


async def renewal_recovers(stage: Stage) -> Steps:
    """A renewal whose card is declined by the clock; the customer replaces it and pays."""
    customer = await stage.customer()
    subscription = await stage.subscribe(customer, "weekly", 4)
    yield days(5)
    await stage.change_card(customer, FAILING_CARD)
    yield days(3)
    await stage.change_card(customer, GOOD_CARD)
    async for invoice in stage.api.every("/v1/invoices", subscription=subscription["id"], status="open"):
        await stage.pay(invoice["id"])


async def in_parts(stage: Stage) -> Steps:
    """One invoice paid in three parts by separate payments."""
    customer = await stage.customer()
    invoice = await stage.one_off(customer, 60000)
    rest = invoice["amount_remaining"]
    for part in (rest // 3, rest // 4, rest - rest // 3 - rest // 4):
        yield days(2)
        intent = await stage.api.post(
            "/v1/payment_intents",
            amount=part,
            currency=stage.currency.lower(),
            customer=customer,
            payment_method=await _method(stage, customer),
            confirm=True,
            off_session=True,
        )
        await stage.api.post(f"/v1/invoices/{invoice['id']}/attach_payment", payment_intent=intent["id"])


async def part_paid(stage: Stage) -> Steps:
    """An invoice of which only a part has been paid by the end of the month."""
    customer = await stage.customer()
    invoice = await stage.one_off(customer, 48000)
    yield days(3)
    intent = await stage.api.post(
        "/v1/payment_intents",
        amount=stage.amount(20000),
        currency=stage.currency.lower(),
        customer=customer,
        payment_method=await _method(stage, customer),
        confirm=True,
        off_session=True,
    )
    await stage.api.post(f"/v1/invoices/{invoice['id']}/attach_payment", payment_intent=intent["id"])


async def _method(stage: Stage, customer: str) -> str:
    found = await stage.api.get(f"/v1/customers/{customer}")
    return str(found["invoice_settings"]["default_payment_method"])


async def out_of_band(stage: Stage) -> Steps:
    """An invoice paid by bank transfer and marked by hand: the money never touches the processor."""
    customer = await stage.customer(card="")
    invoice = await stage.one_off(customer, stage.chance.randint(20000, 150000))
    yield days(stage.chance.randint(2, 9))
    await stage.pay(invoice["id"], paid_out_of_band=True)


async def granted_credit(stage: Stage) -> Steps:
    """Credit granted by hand: it settles one invoice wholly and the next in part."""
    customer = await stage.customer()
    await stage.api.post(
        f"/v1/customers/{customer}/balance_transactions",
        amount=-stage.amount(30000),
        currency=stage.currency.lower(),
        description="Goodwill",
    )
    yield hours(3)
    await stage.one_off(customer, 12000, is_charged=True)
    yield days(5)
    invoice = await stage.one_off(customer, 40000, is_charged=True)
    await stage.pay(invoice["id"])


async def negative_invoice(stage: Stage) -> Steps:
    """An invoice whose lines come to less than nothing; what it credits pays for a part of the next one."""
    customer = await stage.customer()
    await stage.item(customer, "Onboarding workshop", stage.amount(10000))
    await stage.item(customer, "Canceled workshop", -stage.amount(35000))
    await stage.bill(customer, is_charged=True)
    yield days(6)
    invoice = await stage.one_off(customer, 30000, is_charged=True)
    await stage.pay(invoice["id"])


async def refunded(stage: Stage) -> Steps:
    """A payment given back in full without any credit note."""
    customer = await stage.customer()
    invoice = await stage.one_off(customer, stage.chance.randint(4000, 40000), is_charged=True)
    await stage.pay(invoice["id"])
    yield days(stage.chance.randint(1, 8))
    await stage.api.post("/v1/refunds", payment_intent=await stage.payment_of(invoice["id"]))


async def refunded_in_steps(stage: Stage) -> Steps:
    """A payment given back in three steps that do not add up to the whole."""
    customer = await stage.customer()
    invoice = await stage.one_off(customer, 50000, is_charged=True)
    await stage.pay(invoice["id"])
    intent = await stage.payment_of(invoice["id"])
    for share in (7, 5, 3):
        yield days(2)
        await stage.api.post("/v1/refunds", payment_intent=intent, amount=invoice["amount_due"] // share)


async def credited_while_open(stage: Stage) -> Steps:
    """An open invoice reduced by a credit note, then paid for the rest."""
    customer = await stage.customer()
    invoice = await stage.one_off(customer, 45000)
    line = (await stage.lines_of(invoice["id"]))[0]
    yield days(2)
    await stage.credit(invoice["id"], [(line, line["amount"] // 3)], reason="order_change")
    yield days(2)
    await stage.pay(invoice["id"])


async def credited_and_refunded(stage: Stage) -> Steps:
    """A paid invoice of which a part is credited and the money sent back."""
    customer = await stage.customer()
    invoice = await stage.one_off(customer, 64000, is_charged=True)
    await stage.pay(invoice["id"])
    yield days(4)
    await stage.give_back(invoice["id"], 16000, "refund_amount", reason="order_change")


async def credited_to_balance(stage: Stage) -> Steps:
    """A paid invoice credited to the customer's balance, which then pays for a part of another."""
    customer = await stage.customer()
    invoice = await stage.one_off(customer, 52000, is_charged=True)
    await stage.pay(invoice["id"])
    yield days(3)
    await stage.give_back(invoice["id"], 9900, "credit_amount", reason="product_unsatisfactory")
    yield days(3)
    again = await stage.one_off(customer, 21000, is_charged=True)
    await stage.pay(again["id"])


async def credit_note_voided(stage: Stage) -> Steps:
    """A credit note on an open invoice that is taken back; the invoice is then paid in full."""
    customer = await stage.customer()
    invoice = await stage.one_off(customer, 33000)
    line = (await stage.lines_of(invoice["id"]))[0]
    yield days(1)
    note = await stage.credit(invoice["id"], [(line, line["amount"] // 2)])
    yield days(1)
    await stage.api.post(f"/v1/credit_notes/{note['id']}/void")
    yield days(1)
    await stage.pay(invoice["id"])


async def dispute_won(stage: Stage) -> Steps:
    """A charge that is disputed; the evidence convinces and the money comes back."""
    await _disputed(stage)
    yield days(5)
    await _answer(stage, "winning_evidence")


async def dispute_lost(stage: Stage) -> Steps:
    """A charge that is disputed and lost."""
    await _disputed(stage)
    yield days(7)
    await _answer(stage, "losing_evidence")


async def dispute_open(stage: Stage) -> Steps:
    """A dispute still open at the end of the month."""
    await _disputed(stage)
    yield hours(1)


async def _disputed(stage: Stage) -> None:
    customer = await stage.customer(card=DISPUTED_CARD)
    invoice = await stage.one_off(customer, 25000 + stage.number, is_charged=True)
    await stage.pay(invoice["id"])
    stage.notes["intent"] = await stage.payment_of(invoice["id"])


async def _answer(stage: Stage, evidence: str) -> None:
    """Submit evidence; these texts decide a test dispute: https://docs.stripe.com/testing#evidence."""
    disputes = await stage.api.get("/v1/disputes", payment_intent=stage.notes["intent"])
    await stage.api.post(f"/v1/disputes/{disputes['data'][0]['id']}", evidence={"uncategorized_text": evidence}, submit=True)


async def inquiry(stage: Stage) -> Steps:
    """An inquiry about a charge: a dispute that moves no money."""
    customer = await stage.customer(card=INQUIRY_CARD)
    invoice = await stage.one_off(customer, 15500, is_charged=True)
    await stage.pay(invoice["id"])
    yield hours(1)


async def refund_comes_back(stage: Stage) -> Steps:
    """A refund the customer's bank sends back."""
    customer = await stage.customer(card=REFUND_FAILING_CARD)
    invoice = await stage.one_off(customer, 17000, is_charged=True)
    await stage.pay(invoice["id"])
    yield days(2)
    await stage.api.post("/v1/refunds", payment_intent=await stage.payment_of(invoice["id"]), amount=stage.amount(5000))
    yield days(3)


async def credited_out_of_band(stage: Stage) -> Steps:
    """An invoice paid by transfer, of which a part is credited and transferred back."""
    customer = await stage.customer(card="")
    invoice = await stage.one_off(customer, 58000)
    await stage.pay(invoice["id"], paid_out_of_band=True)
    yield days(5)
    await stage.give_back(invoice["id"], 8000, "out_of_band_amount")
