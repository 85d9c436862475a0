"""What a story acts with: its entity's account, its own source of chance, and the few moves stories are made of."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from counterfoil.kit.forms import Nested

from .catalog import Catalog, price_in
from .control import StripeControl
from .entities import DemoEntity
from .sales import DOUBLED_EVERY, EVERY, SalesSystem
from .steward import DataSteward
from .stripe_plain import DECLINED, StripePlain, StripePlainError

GOOD_CARD = "pm_card_visa"
FAILING_CARD = "pm_card_chargeCustomerFail"
DISPUTED_CARD = "pm_card_createDispute"
INQUIRY_CARD = "pm_card_createDisputeInquiry"
REFUND_FAILING_CARD = "pm_card_refundFail"
"""Test payment methods: https://docs.stripe.com/testing (declines after attaching, disputes, refunds that fail)."""

Steps = AsyncGenerator[timedelta, None]
"""A story as it is played: each step says how long nothing happens."""

Story = Callable[["StoryContext"], Steps]
"""A customer's story: it acts, yields how long to wait on the company's clock, acts again, and ends."""

_FIRST = ("Amber", "Blue", "Cedar", "Delta", "East", "Fern", "Granite", "Harbor", "Iron", "Juniper", "Kestrel", "Lumen", "Maple", "North")
_SECOND = (
    "Analytics",
    "Bakery",
    "Clinic",
    "Dynamics",
    "Energy",
    "Foods",
    "Glassworks",
    "Hotels",
    "Instruments",
    "Journal",
    "Kitchens",
    "Labs",
)
_FORM = {"US": "Inc.", "DE": "GmbH", "JP": "K.K."}


@dataclass(slots=True)
class StoryContext:
    """One story's means.

    ``account`` is the processor account's id. ``number`` is the story's own within the company; ``chance`` depends on the seed and the
    number only. ``sales``: the entity's sales system, where some customers have a company. ``customers``: how many it made: no two of them
    are to be taken for one. ``steward``: who decides in the hub which customers are one; None: nobody does.
    """

    entity: DemoEntity
    account: str
    api: StripePlain
    control: StripeControl
    catalog: Catalog
    number: int
    chance: random.Random
    currency: str
    tax_key: str
    notes: dict[str, str] = field(default_factory=dict)
    sales: SalesSystem | None = None
    customers: int = 0
    steward: DataSteward | None = None

    @property
    def tax_rates(self) -> list[str]:
        """The tax rates on this customer's documents; none for a foreign customer."""
        return [self.catalog.tax_rates[self.tax_key]] if self.tax_key else []

    def amount(self, cents: int) -> int:
        """Return a list price of so many US cents in minor units of the customer's currency."""
        return price_in(self.currency, cents)

    async def customer(self, card: str = GOOD_CARD) -> str:
        """Create the story's customer and return its id; ``card`` empty: pays by transfer."""
        number = f"{self.number + 10_000 * self.customers:04d}"
        self.customers += 1
        form = _FORM[self.entity.country] if self.currency == self.entity.currency else "Ltd"
        fields: dict[str, Nested] = {
            "name": f"{self.chance.choice(_FIRST)} {self.chance.choice(_SECOND)} {number} {form}",
            "email": f"billing@customer-{number}.example",
            "address": {"country": self.entity.country if self.tax_key else "GB", "line1": f"{number.lstrip('0')} Main Street"},
        }
        if card:
            fields |= {"payment_method": card, "invoice_settings": {"default_payment_method": card}}
        made = str((await self.api.post("/v1/customers", **fields))["id"])
        if self.sales is not None and self.number % EVERY == 0:
            await self.sales.sign(str(fields["name"]), made, self.account, is_twice=self.number % DOUBLED_EVERY == 0)
        return made

    async def change_card(self, customer: str, card: str) -> None:
        """Make another card the one that is charged."""
        method = await self.api.post(f"/v1/payment_methods/{card}/attach", customer=customer)
        await self.api.post(f"/v1/customers/{customer}", invoice_settings={"default_payment_method": method["id"]})

    async def subscribe(self, customer: str, plan: str, quantity: int = 1, **fields: Nested) -> dict[str, Any]:
        """Start a subscription to a plan."""
        return await self.api.post(
            "/v1/subscriptions",
            customer=customer,
            items=[{"price": self.catalog.prices[plan, self.currency], "quantity": quantity}],
            default_tax_rates=self.tax_rates,
            **fields,
        )

    async def amend(self, subscription: dict[str, Any], **item: Nested) -> dict[str, Any]:
        """Change a subscription's item now and bill the prorated difference at once."""
        changed: dict[str, Nested] = {"id": subscription["items"]["data"][0]["id"], **item}
        return await self.api.post(
            f"/v1/subscriptions/{subscription['id']}",
            items=[changed],
            proration_behavior="always_invoice",
            default_tax_rates=self.tax_rates,
        )

    async def item(self, customer: str, description: str, amount: int, **fields: Nested) -> None:
        """Put an amount (negative: a reduction) on the customer's next invoice."""
        taxes: dict[str, Nested] = {"tax_rates": self.tax_rates} if self.tax_rates and "tax_rates" not in fields else {}
        await self.api.post(
            "/v1/invoiceitems", customer=customer, currency=self.currency.lower(), description=description, amount=amount, **taxes, **fields
        )

    async def overage(self, customer: str, units: int) -> None:
        """Put metered usage on the customer's next invoice, priced in fractions of a minor unit."""
        await self.api.post(
            "/v1/invoiceitems",
            customer=customer,
            currency=self.currency.lower(),
            description=f"Usage overage, {units} calls",
            quantity=units,
            unit_amount_decimal=Decimal("1.37") if self.currency != "JPY" else Decimal("0.21"),
        )

    async def bill(self, customer: str, *, is_charged: bool = False, **fields: Nested) -> dict[str, Any]:
        """Make an invoice of the customer's waiting items and finalize it; ``is_charged``: the card on file will be charged."""
        collection: dict[str, Nested] = (
            {"collection_method": "charge_automatically"} if is_charged else {"collection_method": "send_invoice", "days_until_due": 14}
        )
        draft = await self.api.post(
            "/v1/invoices", customer=customer, pending_invoice_items_behavior="include", auto_advance=False, **collection, **fields
        )
        return await self.api.post(f"/v1/invoices/{draft['id']}/finalize", auto_advance=False)

    async def one_off(
        self, customer: str, cents: int, description: str = "Onboarding workshop", *, is_charged: bool = False
    ) -> dict[str, Any]:
        """Bill one amount (in US cents of the price list)."""
        await self.item(customer, description, self.amount(cents))
        return await self.bill(customer, is_charged=is_charged)

    async def pay(self, invoice: str, **fields: Nested) -> bool:
        """Pay an invoice, by the card on file unless the fields say otherwise; False: declined."""
        try:
            await self.api.post(f"/v1/invoices/{invoice}/pay", **fields)
        except StripePlainError as error:
            if error.status != DECLINED:
                raise
            return False
        return True

    async def payment_of(self, invoice: str) -> str:
        """Return the payment intent that paid an invoice."""
        answer = await self.api.get("/v1/invoice_payments", invoice=invoice, status="paid")
        return str(answer["data"][0]["payment"]["payment_intent"])

    async def lines_of(self, invoice: str) -> list[dict[str, Any]]:
        """Return the invoice's lines."""
        return [line async for line in self.api.every(f"/v1/invoices/{invoice}/lines")]

    async def credit(self, invoice: str, lines: Sequence[tuple[dict[str, Any], int]], **fields: Nested) -> dict[str, Any]:
        """Issue a credit note over (line, amount) pairs of an invoice; amounts as the line is priced."""
        given: list[Nested] = [{"type": "invoice_line_item", "invoice_line_item": line["id"], "amount": amount} for line, amount in lines]
        return await self.api.post("/v1/credit_notes", invoice=invoice, lines=given, **fields)

    async def total_of_credit(self, invoice: str, lines: Sequence[tuple[dict[str, Any], int]]) -> int:
        """Return what a credit note over these lines would come to, with taxes."""
        given: list[Nested] = [{"type": "invoice_line_item", "invoice_line_item": line["id"], "amount": amount} for line, amount in lines]
        return int((await self.api.get("/v1/credit_notes/preview", invoice=invoice, lines=given))["total"])

    async def give_back(self, invoice: str, cents: int, way: str, **fields: Nested) -> None:
        """Credit a part of a paid invoice's first line (in US cents of the price list) and give the money back with its taxes.

        ``way``: the field of the credit note that says how: ``refund_amount``, ``credit_amount`` (to the balance), ``out_of_band_amount``.
        """
        part = [((await self.lines_of(invoice))[0], self.amount(cents))]
        await self.credit(invoice, part, **{way: await self.total_of_credit(invoice, part)}, **fields)


def hours(count: float) -> timedelta:
    """Return so many hours."""
    return timedelta(hours=count)


def days(count: float) -> timedelta:
    """Return so many days."""
    return timedelta(days=count)
