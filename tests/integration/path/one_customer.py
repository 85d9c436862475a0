"""One customer with a charge, a credit note and a refund, and how his books are judged afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.integration.path.house import House


@dataclass(frozen=True, slots=True)
class Told:
    """A story that was played: its customer, and the external keys it must leave in the books."""

    customer: str
    keys: tuple[str, ...]


@dataclass(slots=True)
class Verdict:
    """What became of a story: keys that are missing, documents that are there twice, wishes that are neither done nor canceled."""

    lost: list[str] = field(default_factory=list)
    doubled: int = 0
    stuck: int = 0

    @property
    def is_right(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.doubled or self.stuck)


async def play(house: House, amount: int = 20000) -> Told:
    """Bill a customer, charge his card, credit a part and send it back: customer, invoice, payment, fee, credit note, refund, matches."""
    stage = house.stage(tax="ca")
    customer = await stage.customer()
    await stage.item(customer, "Consulting", amount)
    invoice = await stage.bill(customer, is_charged=True)
    assert await stage.pay(invoice["id"])
    intent = await stage.api.get(
        f"/v1/payment_intents/{await stage.payment_of(invoice['id'])}", expand=["latest_charge.balance_transaction"]
    )
    part = [((await stage.lines_of(invoice["id"]))[0], amount // 4)]
    total = await stage.total_of_credit(invoice["id"], part)
    note = await stage.credit(invoice["id"], part, refund_amount=total)
    charge = intent["latest_charge"]
    keys = (
        f"customer_stripe.{customer}",
        f"invoice_stripe.{invoice['id']}",
        f"payment_stripe.{charge['id']}",
        f"fee_stripe.{charge['balance_transaction']['id']}",
        f"credit_note_stripe.{note['id']}",
        f"refund_stripe.{note['refunds'][0]['refund']}",
    )
    return Told(customer, keys)


async def judge(house: House, told: Told) -> Verdict:
    """Return what became of a story. Every document must be posted and matched to the cent."""
    verdict = Verdict([key for key in told.keys if not house.has(key)])
    if verdict.lost:
        return verdict
    moves = [row for row in house.books_of(told.customer) if row[0] != "line"]
    # Invoice, credit note, payment, refund: whatever more there is was booked twice.
    verdict.doubled = max(0, len(moves) - 4) + house.unnamed()
    wrong = [row for row in moves if row[0] in ("out_invoice", "out_refund") and (row[1] != "posted" or row[4] != 0.0)]
    verdict.stuck = len(wrong)
    async with house.hub.pool.connection() as conn:
        row = await (
            await conn.execute(
                "select count(*) from command where state not in ('done', 'canceled') and external_key = any(%s)", (list(told.keys),)
            )
        ).fetchone()
    verdict.stuck += 0 if row is None else int(row[0])
    return verdict
