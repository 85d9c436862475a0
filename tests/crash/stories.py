"""What is played while things break: customers with one write of every kind, in two chapters; the second undoes a match of the first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.integration.path.house import House

from counterfoil.app.demo.story import StoryContext


@dataclass(slots=True)
class PlayedStory:
    """A story that was played.

    ``home`` and ``foreign`` are its customers, ``product`` its product; ``names``: what the books call them. ``keys``: the external keys
    it must leave in the books, by kind of command. ``notes``: ids that chapter two needs.
    """

    home: str
    foreign: str
    product: str
    names: dict[str, str] = field(default_factory=dict)
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    has_ended: bool = False

    @property
    def every_key(self) -> tuple[str, ...]:
        """All external keys it must leave, its customers' first."""
        return tuple(key for keys in self.keys.values() for key in keys)

    @property
    def ids(self) -> list[str]:
        """The source's ids in the external keys: they tell this story's commands from others."""
        return sorted({key.split(".")[-1] for key in self.every_key})


async def begin(house: House, amount: int = 20000) -> PlayedStory:
    """Chapter one: a product, an invoice charged, a part of it credited and sent back, an open invoice with a credit note on it.

    And abroad an invoice charged in a currency that is not the books' own, whose match Odoo must make itself.
    """
    story, abroad = house.story(tax="ca"), house.story("DE", currency="USD")
    product = await story.api.post("/v1/products", name=f"Gadget {story.number:04d}")
    told = PlayedStory(await story.customer(), await abroad.customer(), product["id"], {"product": str(product["name"])})
    for name, one in (("home", story), ("foreign", abroad)):
        told.names[name] = str((await one.api.get(f"/v1/customers/{told.home if name == 'home' else told.foreign}"))["name"])
    await story.item(told.home, "Consulting", amount)
    invoice = await story.bill(told.home, is_charged=True)
    charge = await charge_of(story, invoice)
    part = [((await story.lines_of(invoice["id"]))[0], amount // 4)]
    note = await story.credit(invoice["id"], part, refund_amount=await story.total_of_credit(invoice["id"], part))
    await story.item(told.home, "Subscription", amount)
    other = await story.bill(told.home)
    voided = await story.credit(other["id"], [((await story.lines_of(other["id"]))[0], amount // 2)])
    await abroad.item(told.foreign, "Consulting", amount)
    sold = await abroad.bill(told.foreign, is_charged=True)
    charged = await charge_of(abroad, sold)
    told.notes = {"voided": voided["id"]}
    told.keys = {
        "upsert_customer": (f"customer_stripe.{told.home}", f"customer_stripe.{told.foreign}"),
        "upsert_product": (f"product_stripe.{told.product}",),
        "post_invoice": tuple(f"invoice_stripe.{one['id']}" for one in (invoice, other, sold)),
        "post_payment": (
            f"payment_stripe.{charge['id']}",
            f"payment_stripe.{charged['id']}",
            f"refund_stripe.{note['refunds'][0]['refund']}",
        ),
        "post_entry": tuple(f"fee_stripe.{one['balance_transaction']['id']}" for one in (charge, charged)),
        "post_credit_note": (f"credit_note_stripe.{note['id']}", f"credit_note_stripe.{voided['id']}"),
    }
    return told


async def end(house: House, told: PlayedStory) -> None:
    """Chapter two: the credit note on the open invoice is voided, and so its match undone; the product is called otherwise."""
    voided = told.notes["voided"]
    told.names["renamed"] = f"{told.names['product']} II"
    await house.story().api.post(f"/v1/products/{told.product}", name=told.names["renamed"])
    await house.story().api.post(f"/v1/credit_notes/{voided}/void")
    told.keys["post_invoice"] += (f"credit_note_void_stripe.{voided}",)
    told.has_ended = True


async def charge_of(story: StoryContext, invoice: dict[str, Any]) -> dict[str, Any]:
    """Charge an invoice and return the charge."""
    assert await story.pay(invoice["id"])
    intent = await story.payment_of(invoice["id"])
    found = await story.api.get(f"/v1/payment_intents/{intent}", expand=["latest_charge.balance_transaction"])
    return dict(found["latest_charge"])
