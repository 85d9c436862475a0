"""What is played so that the connector must amend what it wrote: taxes set to the cent, a rounding line, drafts removed and given another
number, a match undone.

The German company rounds taxes on the sum of the lines, the source on every line. And a person works in the books at the same time (see
``person.py``): what he changes, Odoo or the hub refuses to post. It has a case, until he leaves it alone and the cases are taken up again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.crash.stories import charge_of
from tests.integration.path.house import House

from counterfoil.app.demo.story import StoryContext

ENTITY = "DE"

TAXED = (11898, 1899)
"""3 x 33.33 = 99.99 net. At 19 % the source rounds each 6.3327 to 6.33, 18.99 in all: 118.98. Odoo rounds the sum of 18.9981 to 19.00."""

ROUNDED = (3000, 480)
"""3 x 10.00 with 19 % inside. 10.00 x 19 / 119 = 1.5966: 1.60 each, 4.80 in all. Odoo takes 30.00 x 19 / 119 = 4.79 out of the sum; with
the 4.80 set on its net of 25.21 the document comes to 30.01, and a rounding line takes 0.01 off."""

TAKEN, CREDITED, BY_HAND = 20000, 10000, 6000
"""An invoice of 200.00 and the credit note of 100.00 on it. A person matches 60.00 of them by hand just before all of the 100.00 is to be
matched: both matches together would take 160.00 of the 100.00."""


@dataclass(slots=True)
class Amended:
    """A story that was played.

    ``keys``: the external keys it must leave in the books in the end, by kind of command. ``refused``: those of them whose drafts a person
    changes. ``open``: what must be open on every document in the end, in minor units. ``totals``: total and tax of those whose taxes Odoo
    computes otherwise. ``taken`` and ``taking``: the invoice and the credit
    note that a person matches in part just before they are matched. ``numbered``: the invoice whose draft a person gives the number of
    another one.
    """

    keys: dict[str, tuple[str, ...]]
    refused: dict[str, tuple[str, ...]]
    open: dict[str, int]
    totals: dict[str, tuple[int, int]]
    taken: str
    taking: str
    numbered: str

    @property
    def ids(self) -> list[str]:
        """The source's ids in the external keys: they tell this story's commands from others."""
        return sorted({key.split(".")[-1] for keys in self.keys.values() for key in keys})


async def round_on_the_sum(house: House) -> None:
    """Have the company compute taxes otherwise than the source."""
    company = house.provisioned.companies[ENTITY].company_id
    await house.plain.write("res.company", [company], {"tax_calculation_rounding_method": "round_globally"}, company)


async def begin_amends(house: House) -> Amended:
    """Play it: everything happens at the source; nothing is delivered yet."""
    await round_on_the_sum(house)
    taxed = await _credited_in_full(house, "ust19", 3333)
    rounded = await _credited_in_full(house, "ust19_incl", 1000)
    story, abroad = house.story(ENTITY), house.story(ENTITY, currency="USD")
    customer, foreigner = await story.customer(), await abroad.customer()
    refused, numbered = await _billed(story, customer, TAKEN), await _billed(story, customer, TAKEN)
    (good, note), (taken, taking) = await _credited_in_part(story, customer), await _credited_in_part(story, customer)
    (sold, charge), (exported, foreign) = await _sold(story, customer), await _sold(abroad, foreigner)
    rest = {refused: TAKEN, numbered: TAKEN, good: TAKEN - CREDITED, taken: TAKEN - CREDITED}
    closed = (*taxed, *rounded, note, taking, sold, exported)
    notes, payments = (taxed[1], rounded[1], note, taking), (_payment(charge), _payment(foreign))
    return Amended(
        keys={
            "post_invoice": (taxed[0], rounded[0], refused, numbered, good, taken, sold, exported),
            "post_credit_note": notes,
            "post_payment": payments,
            "post_entry": (_fee(charge), _fee(foreign)),
        },
        refused={"post_invoice": (refused,), "post_credit_note": (note,), "post_payment": payments, "post_entry": (_fee(charge),)},
        open={**rest, **dict.fromkeys(closed, 0)},
        totals={**dict.fromkeys(taxed, TAXED), **dict.fromkeys(rounded, ROUNDED)},
        taken=taken,
        taking=taking,
        numbered=numbered,
    )


async def _billed(story: StoryContext, customer: str, *amounts: int) -> str:
    """Bill a customer and return the invoice's external key."""
    for amount in amounts:
        await story.item(customer, "Consulting", amount)
    return f"invoice_stripe.{(await story.bill(customer))['id']}"


async def _credited(story: StoryContext, invoice: str, amount: int) -> str:
    """Credit so much of every line of an open invoice and return the credit note's external key."""
    id = invoice.split(".")[-1]
    return f"credit_note_stripe.{(await story.credit(id, [(line, amount) for line in await story.lines_of(id)]))['id']}"


async def _credited_in_full(house: House, tax: str, amount: int) -> tuple[str, str]:
    """Bill a customer of his own three times the amount under a tax, and credit all of it: invoice and credit note."""
    story = house.story(ENTITY, tax=tax)
    invoice = await _billed(story, await story.customer(), amount, amount, amount)
    return invoice, await _credited(story, invoice, amount)


async def _credited_in_part(story: StoryContext, customer: str) -> tuple[str, str]:
    invoice = await _billed(story, customer, TAKEN)
    return invoice, await _credited(story, invoice, CREDITED)


async def _sold(story: StoryContext, customer: str) -> tuple[str, dict[str, Any]]:
    """Charge a customer at once: the invoice's external key and the charge."""
    await story.item(customer, "Consulting", TAKEN)
    invoice = await story.bill(customer, is_charged=True)
    return f"invoice_stripe.{invoice['id']}", await charge_of(story, invoice)


def _payment(charge: dict[str, Any]) -> str:
    return f"payment_stripe.{charge['id']}"


def _fee(charge: dict[str, Any]) -> str:
    return f"fee_stripe.{charge['balance_transaction']['id']}"
