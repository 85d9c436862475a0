"""Stories of how money moves: failures and recoveries, partial and out-of-band payments, credit, refunds, credit notes, disputes."""

from __future__ import annotations

from .story import DISPUTED_CARD, FAILING_CARD, GOOD_CARD, INQUIRY_CARD, REFUND_FAILING_CARD, Steps, StoryContext, days, hours


async def recovers(story: StoryContext) -> Steps:
    """A card that is declined twice, replaced, and then charged."""
    customer = await story.customer(card=FAILING_CARD)
    invoice = await story.one_off(customer, story.chance.randint(9000, 60000), is_charged=True)
    await story.pay(invoice["id"])
    yield days(2)
    await story.pay(invoice["id"])
    yield days(2)
    await story.change_card(customer, GOOD_CARD)
    await story.pay(invoice["id"])


async def renewal_recovers(story: StoryContext) -> Steps:
    """A renewal whose card is declined by the clock; the customer replaces it and pays."""
    customer = await story.customer()
    subscription = await story.subscribe(customer, "weekly", 4)
    yield days(5)
    await story.change_card(customer, FAILING_CARD)
    yield days(3)
    await story.change_card(customer, GOOD_CARD)
    async for invoice in story.api.every("/v1/invoices", subscription=subscription["id"], status="open"):
        await story.pay(invoice["id"])


async def in_parts(story: StoryContext) -> Steps:
    """One invoice paid in three parts by separate payments."""
    customer = await story.customer()
    invoice = await story.one_off(customer, 60000)
    rest = invoice["amount_remaining"]
    for part in (rest // 3, rest // 4, rest - rest // 3 - rest // 4):
        yield days(2)
        intent = await story.api.post(
            "/v1/payment_intents",
            amount=part,
            currency=story.currency.lower(),
            customer=customer,
            payment_method=await _method(story, customer),
            confirm=True,
            off_session=True,
        )
        await story.api.post(f"/v1/invoices/{invoice['id']}/attach_payment", payment_intent=intent["id"])


async def part_paid(story: StoryContext) -> Steps:
    """An invoice of which only a part has been paid by the end of the month."""
    customer = await story.customer()
    invoice = await story.one_off(customer, 48000)
    yield days(3)
    intent = await story.api.post(
        "/v1/payment_intents",
        amount=story.amount(20000),
        currency=story.currency.lower(),
        customer=customer,
        payment_method=await _method(story, customer),
        confirm=True,
        off_session=True,
    )
    await story.api.post(f"/v1/invoices/{invoice['id']}/attach_payment", payment_intent=intent["id"])


async def _method(story: StoryContext, customer: str) -> str:
    found = await story.api.get(f"/v1/customers/{customer}")
    return str(found["invoice_settings"]["default_payment_method"])


async def out_of_band(story: StoryContext) -> Steps:
    """An invoice paid by bank transfer and marked by hand: the money never touches the processor."""
    customer = await story.customer(card="")
    invoice = await story.one_off(customer, story.chance.randint(20000, 150000))
    yield days(story.chance.randint(2, 9))
    await story.pay(invoice["id"], paid_out_of_band=True)


async def granted_credit(story: StoryContext) -> Steps:
    """Credit granted by hand: it settles one invoice wholly and the next in part."""
    customer = await story.customer()
    await story.api.post(
        f"/v1/customers/{customer}/balance_transactions",
        amount=-story.amount(30000),
        currency=story.currency.lower(),
        description="Goodwill",
    )
    yield hours(3)
    await story.one_off(customer, 12000, is_charged=True)
    yield days(5)
    invoice = await story.one_off(customer, 40000, is_charged=True)
    await story.pay(invoice["id"])


async def negative_invoice(story: StoryContext) -> Steps:
    """An invoice whose lines come to less than nothing; what it credits pays for a part of the next one."""
    customer = await story.customer()
    await story.item(customer, "Onboarding workshop", story.amount(10000))
    await story.item(customer, "Canceled workshop", -story.amount(35000))
    await story.bill(customer, is_charged=True)
    yield days(6)
    invoice = await story.one_off(customer, 30000, is_charged=True)
    await story.pay(invoice["id"])


async def refunded(story: StoryContext) -> Steps:
    """A payment given back in full without any credit note."""
    customer = await story.customer()
    invoice = await story.one_off(customer, story.chance.randint(4000, 40000), is_charged=True)
    await story.pay(invoice["id"])
    yield days(story.chance.randint(1, 8))
    await story.api.post("/v1/refunds", payment_intent=await story.payment_of(invoice["id"]))


async def refunded_in_steps(story: StoryContext) -> Steps:
    """A payment given back in three steps that do not add up to the whole."""
    customer = await story.customer()
    invoice = await story.one_off(customer, 50000, is_charged=True)
    await story.pay(invoice["id"])
    intent = await story.payment_of(invoice["id"])
    for share in (7, 5, 3):
        yield days(2)
        await story.api.post("/v1/refunds", payment_intent=intent, amount=invoice["amount_due"] // share)


async def credited_while_open(story: StoryContext) -> Steps:
    """An open invoice reduced by a credit note, then paid for the rest."""
    customer = await story.customer()
    invoice = await story.one_off(customer, 45000)
    line = (await story.lines_of(invoice["id"]))[0]
    yield days(2)
    await story.credit(invoice["id"], [(line, line["amount"] // 3)], reason="order_change")
    yield days(2)
    await story.pay(invoice["id"])


async def credited_and_refunded(story: StoryContext) -> Steps:
    """A paid invoice of which a part is credited and the money sent back."""
    customer = await story.customer()
    invoice = await story.one_off(customer, 64000, is_charged=True)
    await story.pay(invoice["id"])
    yield days(4)
    await story.give_back(invoice["id"], 16000, "refund_amount", reason="order_change")


async def credited_to_balance(story: StoryContext) -> Steps:
    """A paid invoice credited to the customer's balance, which then pays for a part of another."""
    customer = await story.customer()
    invoice = await story.one_off(customer, 52000, is_charged=True)
    await story.pay(invoice["id"])
    yield days(3)
    await story.give_back(invoice["id"], 9900, "credit_amount", reason="product_unsatisfactory")
    yield days(3)
    again = await story.one_off(customer, 21000, is_charged=True)
    await story.pay(again["id"])


async def credit_note_voided(story: StoryContext) -> Steps:
    """A credit note on an open invoice that is taken back; the invoice is then paid in full."""
    customer = await story.customer()
    invoice = await story.one_off(customer, 33000)
    line = (await story.lines_of(invoice["id"]))[0]
    yield days(1)
    note = await story.credit(invoice["id"], [(line, line["amount"] // 2)])
    yield days(1)
    await story.api.post(f"/v1/credit_notes/{note['id']}/void")
    yield days(1)
    await story.pay(invoice["id"])


async def dispute_won(story: StoryContext) -> Steps:
    """A charge that is disputed; the evidence convinces and the money comes back."""
    await _disputed(story)
    yield days(5)
    await _answer(story, "winning_evidence")


async def dispute_lost(story: StoryContext) -> Steps:
    """A charge that is disputed and lost."""
    await _disputed(story)
    yield days(7)
    await _answer(story, "losing_evidence")


async def dispute_open(story: StoryContext) -> Steps:
    """A dispute still open at the end of the month."""
    await _disputed(story)
    yield hours(1)


async def _disputed(story: StoryContext) -> None:
    customer = await story.customer(card=DISPUTED_CARD)
    invoice = await story.one_off(customer, 25000 + story.number, is_charged=True)
    await story.pay(invoice["id"])
    story.notes["intent"] = await story.payment_of(invoice["id"])


async def _answer(story: StoryContext, evidence: str) -> None:
    """Submit evidence; these texts decide a test dispute: https://docs.stripe.com/testing#evidence."""
    disputes = await story.api.get("/v1/disputes", payment_intent=story.notes["intent"])
    await story.api.post(f"/v1/disputes/{disputes['data'][0]['id']}", evidence={"uncategorized_text": evidence}, submit=True)


async def inquiry(story: StoryContext) -> Steps:
    """An inquiry about a charge: a dispute that moves no money."""
    customer = await story.customer(card=INQUIRY_CARD)
    invoice = await story.one_off(customer, 15500, is_charged=True)
    await story.pay(invoice["id"])
    yield hours(1)


async def refund_comes_back(story: StoryContext) -> Steps:
    """A refund the customer's bank sends back."""
    customer = await story.customer(card=REFUND_FAILING_CARD)
    invoice = await story.one_off(customer, 17000, is_charged=True)
    await story.pay(invoice["id"])
    yield days(2)
    await story.api.post("/v1/refunds", payment_intent=await story.payment_of(invoice["id"]), amount=story.amount(5000))
    yield days(3)


async def credited_out_of_band(story: StoryContext) -> Steps:
    """An invoice paid by transfer, of which a part is credited and transferred back."""
    customer = await story.customer(card="")
    invoice = await story.one_off(customer, 58000)
    await story.pay(invoice["id"], paid_out_of_band=True)
    yield days(5)
    await story.give_back(invoice["id"], 8000, "out_of_band_amount")
