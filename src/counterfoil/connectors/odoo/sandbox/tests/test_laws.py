"""Laws of the books: whatever is done, entries balance, residuals are totals less matches, and errors leave no trace."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from counterfoil.connectors.odoo.sandbox.books import taxes
from counterfoil.connectors.odoo.sandbox.orm.errors import OdooError
from counterfoil.connectors.odoo.sandbox.orm.rounding import round_half_up
from counterfoil.connectors.odoo.sandbox.tests.desk import Books, made

CENTS = st.integers(min_value=1, max_value=500_00)


class Bookkeeping(RuleBasedStateMachine):
    """Random bookkeeping in two currencies; refusals are part of life."""

    def __init__(self) -> None:
        super().__init__()
        self.books: Books = made(19)

    @initialize(version=st.sampled_from([17, 18, 19]))
    def open(self, version: int) -> None:
        self.books = made(version)
        self.books.rate("EUR", "2026-01-01", 1.07)
        self.partner = self.books.partner()
        self.tax = self.books.tax("VAT", 19)
        self.inclusive = self.books.tax("VAT included", 7, included=True)
        self.euro = self.books.ref("base.EUR")
        self.moves: list[int] = []
        self.payments: list[int] = []

    @rule(
        prices=st.lists(CENTS, min_size=1, max_size=3),
        euro=st.booleans(),
        kind=st.sampled_from(["none", "tax", "inclusive", "both"]),
        refund=st.booleans(),
        post=st.booleans(),
    )
    def bill(self, prices: list[int], euro: bool, kind: str, refund: bool, post: bool) -> None:
        chosen: dict[str, tuple[int, ...]] = {
            "none": (),
            "tax": (self.tax,),
            "inclusive": (self.inclusive,),
            "both": (self.inclusive, self.tax),
        }
        more: dict[str, Any] = {"currency_id": self.euro} if euro else {}
        if refund:
            more["move_type"] = "out_refund"
        self.moves.append(self.books.invoice(self.partner, *(p / 100 for p in prices), taxes=chosen[kind], post=post, **more))

    @rule(amount=CENTS, euro=st.booleans(), outbound=st.booleans(), late=st.booleans())
    def pay(self, amount: int, euro: bool, outbound: bool, late: bool) -> None:
        more: dict[str, Any] = {"currency_id": self.euro} if euro else {}
        if outbound:
            more["payment_type"] = "outbound"
        if late:
            more["date"] = "2026-07-01"
        self.payments.append(self.books.payment(self.partner, amount / 100, **more))

    @rule(inverse=st.sampled_from([0.95, 1.1, 1.2345]))
    def change_the_rate(self, inverse: float) -> None:
        self._try(lambda: self.books.rate("EUR", "2026-06-01", inverse))

    @rule(pick=st.integers(min_value=0, max_value=99), with_payment=st.integers(min_value=0, max_value=99))
    def match(self, pick: int, with_payment: int) -> None:
        if self.moves and self.payments:
            move, payment = self.moves[pick % len(self.moves)], self.payments[with_payment % len(self.payments)]
            linked = self.books.read("account.payment", payment, "move_id")
            if linked:
                self._try(lambda: self.books.match(move, linked[0]))

    @rule(pick=st.integers(min_value=0, max_value=99), action=st.sampled_from(["button_draft", "action_post", "button_cancel"]))
    def change_state(self, pick: int, action: str) -> None:
        if self.moves:
            self._try(lambda: self.books.call("account.move", action, [self.moves[pick % len(self.moves)]]))

    @rule(pick=st.integers(min_value=0, max_value=99))
    def unmatch(self, pick: int) -> None:
        if self.moves:
            move = self.moves[pick % len(self.moves)]
            self._try(lambda: self.books.call("account.move.line", "remove_move_reconcile", self.books.receivable(move)))

    @rule(pick=st.integers(min_value=0, max_value=99), action=st.sampled_from(["action_draft", "action_cancel", "action_post"]))
    def change_payment(self, pick: int, action: str) -> None:
        if self.payments:
            self._try(lambda: self.books.call("account.payment", action, [self.payments[pick % len(self.payments)]]))

    @staticmethod
    def _try(action: Any) -> None:
        try:
            action()
        except OdooError:
            return

    @invariant()
    def every_move_balances(self) -> None:
        env = self.books.sandbox.env()
        rows = env.rows("account.move.line")
        for move in env.rows("account.move").values():
            lines = [rows[i] for i in env.find("account.move.line", "move_id", move["id"])]
            assert round(sum(ln["balance"] for ln in lines), 2) == 0.0
            assert all(ln["balance"] == round(ln["debit"] - ln["credit"], 2) for ln in lines)
            if move["move_type"] != "entry" and lines:
                assert move["amount_total"] == round(move["amount_untaxed"] + move["amount_tax"], 2)

    @invariant()
    def residuals_are_balances_less_matches(self) -> None:
        env = self.books.sandbox.env()
        partials = env.rows("account.partial.reconcile").values()
        for line in env.rows("account.move.line").values():
            account = env.rows("account.account")[line["account_id"]]
            if not account["reconcile"]:
                assert line["amount_residual"] == 0.0
                continue
            debit = sum(p["amount"] for p in partials if p["debit_move_id"] == line["id"])
            credit = sum(p["amount"] for p in partials if p["credit_move_id"] == line["id"])
            assert line["amount_residual"] == round(line["balance"] - debit + credit, 2)

    @invariant()
    def the_trial_balance_is_zero_and_numbers_are_unique(self) -> None:
        company = next(c for c in self.books.sandbox.books()["companies"] if c["name"] == "Northwind US")
        assert sum(a["balance_minor"] for a in company["trial_balance"]) == 0
        posted = [m for m in self.books.sandbox.env().rows("account.move").values() if m["state"] == "posted"]
        names = [(m["journal_id"], m["name"]) for m in posted]
        assert len(names) == len(set(names))


Bookkeeping.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestBookkeeping = Bookkeeping.TestCase


@settings(max_examples=150, deadline=None)
@given(
    prices=st.lists(st.integers(min_value=-100_00, max_value=100_00), min_size=1, max_size=6),
    rate=st.sampled_from([5.0, 7.0, 8.875, 19.0, 21.0]),
    included=st.booleans(),
    globally=st.booleans(),
)
def test_the_parts_of_an_inclusive_price_sum_to_the_price(prices: list[int], rate: float, included: bool, globally: bool) -> None:
    env = BOOKS.sandbox.env()
    tax = INCLUDED[rate] if included else EXCLUDED[rate]
    money = taxes.Money(2, 2, 1.0, globally)
    lines = [taxes.TaxedLine(n, p / 100, 1.0) for n, p in enumerate(prices)]
    for line in lines:
        taxes.compute(env, line, (tax,), money)
    taxes.settle(lines, money)
    base = round(sum(ln.untaxed + ln.delta for ln in lines), 2)
    tax_total = round(sum(s.amount for ln in lines for s in ln.taxes), 2)
    if included:
        assert round(base + tax_total, 2) == round(sum(prices) / 100, 2)
    else:
        assert base == round(sum(prices) / 100, 2)
        exact = sum(prices) / 100 * rate / 100
        assert abs(tax_total - exact) <= (0.005 if globally else 0.005 * len(prices)) + 1e-9


BOOKS = made(19)
EXCLUDED = {r: BOOKS.tax(f"{r} out", r) for r in (5.0, 7.0, 8.875, 19.0, 21.0)}
INCLUDED = {r: BOOKS.tax(f"{r} in", r, included=True) for r in (5.0, 7.0, 8.875, 19.0, 21.0)}


@given(gap=st.integers(min_value=-50, max_value=50), weights=st.lists(st.floats(min_value=-100, max_value=100), min_size=1, max_size=8))
def test_a_spread_sums_to_its_gap(gap: int, weights: list[float]) -> None:
    assert round(sum(taxes.spread(gap / 100, weights, 2)), 2) == round(gap / 100, 2)


@pytest.mark.parametrize(
    ("value", "digits", "rounded"),
    [(1.005, 2, 1.01), (-1.005, 2, -1.01), (2.675, 2, 2.68), (0.5, 0, 1.0), (1e-9, 2, 0.0), (114.985, 2, 114.99)],
)
def test_halves_round_away_from_zero(value: float, digits: int, rounded: float) -> None:
    assert round_half_up(value, digits) == rounded


@settings(max_examples=20, deadline=None)
@given(rows=st.lists(st.sampled_from(["good", "bad"]), min_size=1, max_size=6))
def test_a_load_leaves_all_its_records_or_none(rows: list[str]) -> None:
    books = made(19)
    data = [[f"cf.{n}", "Name" if kind == "good" else ""] for n, kind in enumerate(rows)]
    loaded = books.load("res.partner", ["id", "name"], *data)
    found = len(books.find("res.partner", [["name", "=", "Name"]], "id"))
    assert found == (0 if "bad" in rows else len(rows))
    assert (loaded["ids"] is False) == ("bad" in rows)
