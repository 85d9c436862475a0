"""Laws that hold whatever happens: the balance, the arithmetic of invoices, credit, payouts, pages."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.connectors.stripe.sandbox.currencies import allocate
from counterfoil.connectors.stripe.sandbox.errors import StripeError

from .playing import Hands, play_everything

CARDS = ("visa", "createDispute", "createDisputeInquiry", "pendingRefund", "refundFail", "bypassPending", "chargeDeclined")
MOVES = ("charge", "refund", "dispute", "payout", "fail_payout", "advance", "fee", "bill", "credit", "void", "capture")
STEP = st.tuples(st.sampled_from(MOVES), st.integers(0, 10_000), st.sampled_from(CARDS), st.sampled_from(("usd", "eur", "jpy", "kwd")))


class Player:
    """Makes random moves; those Stripe refuses change nothing."""

    def __init__(self) -> None:
        self.hands = Hands(available_after_days=1)
        self.customer = self.hands.customer(email="a@example.com")
        self.rates = [self.hands.rate("19"), self.hands.rate("7.7", True), self.hands.rate("8.875")]

    def _one(self, kind: str, number: int) -> dict[str, Any] | None:
        rows = list(self.hands.account.rows(kind))
        return rows[number % len(rows)] if rows else None

    def play(self, move: str, number: int, card: str, currency: str) -> None:
        with suppress(StripeError):
            getattr(self, move)(number, card, currency)

    def charge(self, number: int, card: str, currency: str) -> None:
        self.hands.post("payment_intents", amount=(60 + number) * 10, currency=currency, payment_method=f"pm_card_{card}", confirm=True)

    def capture(self, number: int, card: str, currency: str) -> None:
        made = self.hands.post(
            "payment_intents",
            amount=(60 + number) * 10,
            currency=currency,
            payment_method="pm_card_visa",
            confirm=True,
            capture_method="manual",
        )
        self.hands.post(f"payment_intents/{made['id']}/capture", amount_to_capture=500)

    def refund(self, number: int, card: str, currency: str) -> None:
        charge = self._one("charge", number)
        if charge:
            self.hands.post("refunds", charge=charge["id"], amount=1 + charge["amount"] // (1 + number % 3))

    def dispute(self, number: int, card: str, currency: str) -> None:
        dispute = self._one("dispute", number)
        if dispute:
            evidence = "winning_evidence" if number % 2 else "losing_evidence"
            self.hands.post(f"disputes/{dispute['id']}", evidence={"uncategorized_text": evidence})

    def payout(self, number: int, card: str, currency: str) -> None:
        self.hands.post("payouts", amount=1 + number, currency="usd")

    def fail_payout(self, number: int, card: str, currency: str) -> None:
        payout = self._one("payout", number)
        if payout:
            self.hands.sandbox.fail_payout(payout["id"])

    def advance(self, number: int, card: str, currency: str) -> None:
        self.hands.advance((number % 50) / 10)

    def fee(self, number: int, card: str, currency: str) -> None:
        self.hands.sandbox.adjust("stripe_fee", -number, "usd", "Billing")

    def bill(self, number: int, card: str, currency: str) -> None:
        rates = [self.rates[number % 3]]
        amounts = (100 + number, -(number // 3) * (1 + number % 4), 333)
        invoice = self.hands.invoice(self.customer, *amounts, currency=currency, default_tax_rates=rates)
        self.hands.post(f"invoices/{invoice['id']}/finalize")
        if number % 3:
            self.hands.post(f"invoices/{invoice['id']}/pay", **({"paid_out_of_band": True} if number % 3 == 1 else {}))

    def credit(self, number: int, card: str, currency: str) -> None:
        invoice = self._one("invoice", number)
        if invoice:
            way = {} if invoice["status"] == "open" else {("credit_amount", "refund_amount", "out_of_band_amount")[number % 3]: 50}
            self.hands.post("credit_notes", invoice=invoice["id"], amount=50, **way)

    def void(self, number: int, card: str, currency: str) -> None:
        invoice = self._one("invoice", number)
        if invoice:
            self.hands.post(f"invoices/{invoice['id']}/void")


def check_balance(hands: Hands) -> None:
    """The nets of all balance transactions sum to available plus pending, per currency."""
    nets: Counter[str] = Counter()
    for transaction in hands.account.rows("balance_transaction"):
        assert transaction["net"] == transaction["amount"] - transaction["fee"]
        nets[transaction["currency"]] += transaction["net"]
    shown = hands.get("balance")
    for currency in nets:
        parts = [part["amount"] for name in ("available", "pending") for part in shown[name] if part["currency"] == currency]
        assert sum(parts) == nets[currency]


def check_invoices(hands: Hands) -> None:
    """Totals follow from the lines; what is due from the total, the customer's balance and credit notes."""
    for invoice in hands.account.rows("invoice"):
        lines = hands.account.lines[invoice["id"]]
        taxes = [tax for line in lines for tax in line["taxes"]]
        exclusive = sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "exclusive")
        discounts = sum(d["amount"] for line in lines for d in line["discount_amounts"])
        assert invoice["total"] == sum(line["amount"] for line in lines) - discounts + exclusive
        assert invoice["total_excluding_tax"] == invoice["total"] - sum(tax["amount"] for tax in taxes)
        assert sum(tax["amount"] for tax in invoice["total_taxes"]) == sum(tax["amount"] for tax in taxes)
        assert sum(d["amount"] for d in invoice["total_discount_amounts"]) == discounts
        assert invoice["amount_remaining"] == invoice["amount_due"] - invoice["amount_paid"] >= 0
        if invoice["ending_balance"] is not None:
            used = invoice["starting_balance"] - invoice["ending_balance"]
            assert invoice["amount_due"] == invoice["total"] + used - invoice["pre_payment_credit_notes_amount"]
        if invoice["status"] == "paid":
            assert invoice["amount_remaining"] == 0


def check_customers(hands: Hands) -> None:
    """A customer's balance in a currency is the sum of its balance transactions in it."""
    for customer in hands.account.rows("customer"):
        if customer.get("deleted"):
            continue
        rows = [t for t in hands.account.rows("customer_balance_transaction") if t["customer"] == customer["id"]]
        assert customer["balance"] == sum(t["amount"] for t in rows if t["currency"] == customer["currency"])


def check_payouts(hands: Hands) -> None:
    """What an automatic payout lists sums to zero with its own entry in it, and without it to its amount."""
    for payout in hands.account.rows("payout"):
        if payout["automatic"]:
            rows = [t for t in hands.account.rows("balance_transaction") if t["_payout"] == payout["id"]]
            assert sum(t["net"] for t in rows) == 0
            assert sum(t["net"] for t in rows if t["source"] != payout["id"]) == payout["amount"]


@settings(max_examples=30, deadline=None)
@given(st.lists(STEP, min_size=3, max_size=25))
def test_the_laws_hold_after_every_move(steps: list[tuple[str, int, str, str]]) -> None:
    player = Player()
    for step in steps:
        player.play(*step)
        check_balance(player.hands)
    check_invoices(player.hands)
    check_customers(player.hands)
    check_payouts(player.hands)


def test_the_laws_hold_after_a_month_of_everything() -> None:
    hands = Hands()
    play_everything(hands)
    for check in (check_balance, check_invoices, check_customers, check_payouts):
        check(hands)


def test_the_same_seed_plays_the_same_month() -> None:
    first, second = Hands(5), Hands(5)
    play_everything(first)
    play_everything(second)
    shown = [[(e.id, e.type, e.data) for e in h.sandbox.world.journal.events[h.account.id]] for h in (first, second)]
    assert shown[0] == shown[1]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 37), st.integers(1, 12))
def test_pages_put_together_are_the_whole_list(count: int, limit: int) -> None:
    hands = Hands()
    made = [hands.post("customers", name=str(i))["id"] for i in range(count)]
    forward: list[str] = []
    page = hands.get("customers", limit=limit)
    while True:
        forward += [c["id"] for c in page["data"]]
        if not page["has_more"]:
            break
        page = hands.get("customers", limit=limit, starting_after=forward[-1])
    assert forward == made[::-1]
    if made:
        backward: list[str] = []
        page = hands.get("customers", limit=limit, ending_before=made[0])
        while page["data"]:
            backward = [c["id"] for c in page["data"]] + backward
            page = hands.get("customers", limit=limit, ending_before=backward[0])
        assert backward == made[:0:-1]


@settings(max_examples=50)
@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=9).filter(any))
def test_an_allocation_sums_to_the_whole(total: int, weights: list[int]) -> None:
    parts = allocate(total, weights)
    assert sum(parts) == total
    assert all(abs(part * sum(weights) - total * weight) < sum(weights) for part, weight in zip(parts, weights, strict=True))


def test_a_cursor_that_no_longer_matches_the_filter_is_still_a_place() -> None:
    hands = Hands()
    customer = hands.customer()
    ids = [hands.invoice(customer, 1000 + i)["id"] for i in range(4)]
    page = hands.get("invoices", status="draft", limit=2)
    cursor = page["data"][-1]["id"]
    hands.post(f"invoices/{cursor}/finalize")
    rest = hands.get("invoices", status="draft", limit=10, starting_after=cursor)
    assert [i["id"] for i in rest["data"]] == [ids[1], ids[0]]
