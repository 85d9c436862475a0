"""Realistic Stripe deliveries in any number: one of each kind is made by the Stripe sandbox and fetched as the connector does, then copied
with other ids. Each customer is another company: where all bear one name and one address, whoever looks for duplicates finds nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from counterfoil.connectors.stripe import CONNECTOR
from counterfoil.connectors.stripe.sandbox import StripeSandbox
from counterfoil.kit.clock import SystemClock
from counterfoil.kit.connector import Delivery, Fetched, Source
from counterfoil.kit.context import Context

ACCOUNT = "acct_us"
KEY = "sk_test_stripe_us"
CONNECTION = "stripe_us"
SECRET = "whsec_benchmark"
PRICE_MINOR = 4900
KINDS = ("customer.created", "product.created", "price.created", "invoice.finalized", "charge.succeeded")
NAME, DOMAIN, STREET = "Acme Industries", "acme.example", "1 Market Street"
"""What the customer of the templates is called; copies say otherwise."""
_RENUMBERED = re.compile(
    rb"\b(evt|in|il|ii|inpay|ch|pi|py|txn|cus|re|pm|card|req|seti)_[A-Za-z0-9]+|@@NUMBER@@|" + "|".join((NAME, DOMAIN, STREET)).encode()
)
_SYLLABLES = ("bar", "den", "fol", "gri", "hes", "kon", "lum", "mar", "nev", "ost", "pel", "rin", "sta", "tor", "ulm", "vas")


@dataclass(frozen=True, slots=True)
class Page:
    """A text with places for ids: fixed parts, and between them (prefix, ordinal of the id within its prefix)."""

    parts: tuple[bytes, ...]
    places: tuple[tuple[str, int], ...]

    def fill(self, tag: str, number: int, customer: int) -> bytes:
        """Return the text with the ids of one copy."""
        filled = [self.parts[0]]
        for (prefix, ordinal), part in zip(self.places, self.parts[1:], strict=True):
            filled += (_id(prefix, ordinal, tag, number, customer), part)
        return b"".join(filled)


def _id(prefix: str, ordinal: int, tag: str, number: int, customer: int) -> bytes:
    if prefix == "cus":
        return customer_id(tag, customer).encode()
    if prefix in (NAME, DOMAIN, STREET):
        word = word_of(customer)
        return {NAME: f"{word.title()} Industries", DOMAIN: f"{word}.example", STREET: f"{customer + 1} {word.title()} Street"}[
            prefix
        ].encode()
    if not prefix:
        return f"{tag.upper()}-{number:07d}".encode()
    return f"{prefix}_{tag}{number:07d}x{ordinal}".encode()


def customer_id(tag: str, customer: int) -> str:
    """Return a customer's id at the source."""
    return f"cus_{tag}{customer:06d}"


def word_of(customer: int) -> str:
    """Return a word that is a customer's own, of 65,536: four syllables of its number, mixed so that neighbors have few in common."""
    mixed = customer * 40_503 + 9_973  # odd, so that no two are the same
    return "".join(_SYLLABLES[mixed >> 4 * place & 15] for place in range(4))


@dataclass(frozen=True, slots=True)
class Template:
    """One delivery with what is fetched for it."""

    kind: str
    event: Page
    fetched: tuple[tuple[Page, Page], ...]


@dataclass(frozen=True, slots=True)
class Copy:
    """One delivery ready to be appended: the event's body and the answers that are fetched for it."""

    body: bytes
    fetched: tuple[Fetched, ...]


def copy_of(template: Template, tag: str, number: int, customer: int, at: datetime) -> Copy:
    """Return the copy with a number, once per kind and run. ``tag`` tells runs apart."""
    answers = tuple(
        Fetched(ref.fill(tag, number, customer).decode(), body.fill(tag, number, customer), at) for ref, body in template.fetched
    )
    return Copy(template.event.fill(tag, number, customer), answers)


def stripe_settings(url: str) -> dict[str, Any]:
    """Return the connection's settings."""
    return {"api_key": KEY, "webhook_secrets": [SECRET], "account": ACCOUNT, "base_url": url, "requests_per_s": 500.0}


def new_sandbox() -> StripeSandbox:
    """Return an unstarted sandbox with the one account and nothing in it."""
    sandbox = StripeSandbox(7, start=datetime.now(UTC), with_default_account=False)
    sandbox.add_account(ACCOUNT, "US", "usd", KEY, name="Northwind US")
    return sandbox


async def templates() -> dict[str, Template]:
    """Return one template per event type: customer, product, price, an issued invoice, a paid charge with its invoice."""
    sandbox = new_sandbox()
    url = await sandbox.start()
    settings = CONNECTOR.config.model_validate(stripe_settings(url))
    source = CONNECTOR.reader
    if source is None or CONNECTOR.client is None:
        raise RuntimeError("the Stripe connector has no source")
    try:
        shop = Shop(sandbox)
        numbers = [shop.invoice(shop.customer(), is_paid=is_paid) for is_paid in (True, False)]  # the open one's events are the newest
        async with CONNECTOR.client(settings) as http:
            ctx = Context(CONNECTION, settings, http, SystemClock())
            events = shop.newest_events()
            return {kind: await _template(source, ctx, kind, events[kind], numbers) for kind in KINDS}
    finally:
        await sandbox.stop()


class Shop:
    """Hands in a sandbox: one product with its price and tax, and invoices for it."""

    def __init__(self, sandbox: StripeSandbox) -> None:
        self._sandbox = sandbox
        product = self._post("products", name="Team plan", metadata={"group": "subscriptions"})
        self._price = self._post("prices", product=product["id"], currency="usd", unit_amount=PRICE_MINOR)["id"]
        rate = {"display_name": "Sales tax", "percentage": "8.25", "inclusive": False, "country": "US", "jurisdiction": "US - CA"}
        self._rate = self._post("tax_rates", **rate)["id"]

    def _post(self, path: str, **params: Any) -> dict[str, Any]:
        return self._sandbox.request("POST", f"/v1/{path}", params)

    def customer(self) -> str:
        """Create a customer who pays by card and return its id."""
        address = {"line1": STREET, "city": "San Francisco", "state": "CA", "postal_code": "94105", "country": "US"}
        card = {"payment_method": "pm_card_visa", "invoice_settings": {"default_payment_method": "pm_card_visa"}}
        return str(self._post("customers", name=NAME, email=f"billing@{DOMAIN}", address=address, **card)["id"])

    def invoice(self, customer: str, *, is_paid: bool) -> str:
        """Issue an invoice of one taxed line, paid by card or left open, and return its number."""
        terms: dict[str, Any] = {} if is_paid else {"collection_method": "send_invoice", "days_until_due": 30}
        invoice = self._post("invoices", customer=customer, currency="usd", auto_advance=False, **terms)
        line = {"pricing": {"price": self._price}, "tax_rates": [self._rate]}
        self._post("invoiceitems", customer=customer, invoice=invoice["id"], **line)
        number = self._post(f"invoices/{invoice['id']}/finalize")["number"]
        if is_paid:
            self._post(f"invoices/{invoice['id']}/pay")
        return str(number)

    def newest_events(self) -> dict[str, dict[str, Any]]:
        """Return the newest event of each type, as delivered."""
        listed = self._sandbox.request("GET", "/v1/events", {"limit": 100})["data"]
        return {event["type"]: event for event in reversed(listed)}


async def _template(source: Source, ctx: Context, kind: str, event: Mapping[str, Any], numbers: Sequence[str]) -> Template:
    body = json.dumps(event).encode()
    answers = await source.fetch(ctx, source.needs(delivery_of(source, body, event)))
    names = {str(event["id"]).encode(): ("evt", KINDS.index(kind))}  # so that copies of two kinds with one number are two events
    fetched = tuple((_page(a.ref.encode(), names, numbers), _page(a.body, names, numbers)) for a in answers if a.body is not None)
    return Template(kind, _page(body, names, numbers), fetched)


def delivery_of(source: Source, body: bytes, event: Mapping[str, Any]) -> Delivery:
    """Return the delivery an event's body is."""
    customer = event["data"]["object"].get("customer") or event["data"]["object"]["id"]
    return Delivery(
        dedupe_key=f"{ACCOUNT}/{event['id']}",
        shard_key=customer,
        kind=event["type"],
        body=body,
        occurred_at=datetime.fromtimestamp(event["created"], UTC),
        account=ACCOUNT,
        api_version=event["api_version"],
    )


def _page(text: bytes, names: dict[bytes, tuple[str, int]], numbers: Sequence[str]) -> Page:
    """Take the ids out of a text; the same id has the same place in all texts of a template."""
    for number in numbers:
        text = text.replace(number.encode(), b"@@NUMBER@@")
    parts, places, end = [], [], 0
    for found in _RENUMBERED.finditer(text):
        text_of = found.group().decode()
        prefix = text_of if text_of in (NAME, DOMAIN, STREET) else (found.group(1) or b"").decode()
        names.setdefault(found.group(), (prefix, sum(1 for known, _ in names.values() if known == prefix)))
        parts.append(text[end : found.start()])
        places.append(names[found.group()])
        end = found.end()
    return Page((*parts, text[end:]), tuple(places))
