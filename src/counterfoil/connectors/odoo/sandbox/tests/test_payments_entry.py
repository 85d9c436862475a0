"""A payment whose entry people edit: 17 keeps both in step or refuses, 18 and 19 let the entry change alone. As on real servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from counterfoil.connectors.odoo.sandbox.orm.errors import OdooError
from counterfoil.connectors.odoo.sandbox.tests.desk import Books, made

NOT_VALID = r"^Journal Entry PBNK1/2026/00001 is not valid\. In order to proceed, the journal items must "
ONE_WALLET = f"{NOT_VALID}include one and only one outstanding payments/receipts account\\.$"
ONE_PARTNER = f"{NOT_VALID}share the same partner\\.$"
MONEY, OWED = 0, 1  # the lines of a payment's entry, in order


class Paid:
    """A posted payment of 40 by A, whose lines may be edited; B is somebody else."""

    def __init__(self, version: int) -> None:
        self.books: Books = made(version)
        self.names = {self.books.partner(name): name for name in "AB"}
        self.a, self.b = self.names
        self.payment = self.books.payment(self.a, 40)
        self.move = self.books.payment_move(self.payment)
        self.lines = [line["id"] for line in self.books.lines(self.move)]

    def edit(self, which: Sequence[int], **vals: Any) -> None:
        self.books.call("account.move.line", "write", [self.lines[i] for i in which], vals=vals)

    def partners(self) -> list[str]:
        """Whose they are: the payment, its entry, the entry's lines."""
        shown = [self.books.read("account.payment", self.payment, "partner_id"), self.books.read("account.move", self.move, "partner_id")]
        return [self.names[one[0]] for one in (*shown, *(line["partner_id"] for line in self.books.lines(self.move)))]


@pytest.mark.parametrize("which", [[MONEY], [OWED]])
def test_on_17_no_line_of_a_payments_entry_alone_gets_another_partner(which: list[int]) -> None:
    paid = Paid(17)
    with pytest.raises(OdooError, match=ONE_PARTNER):
        paid.edit(which, partner_id=paid.b)
    with pytest.raises(OdooError, match=ONE_PARTNER):
        paid.books.call("account.move", "write", [paid.move], vals={"line_ids": [[1, paid.lines[which[0]], {"partner_id": paid.b}]]})
    assert paid.partners() == ["A", "A", "A", "A"]


def test_on_17_all_lines_together_take_the_payment_along() -> None:
    paid = Paid(17)
    paid.edit([MONEY, OWED], partner_id=paid.b)
    assert paid.partners() == ["B", "B", "B", "B"]
    commands = [[1, line, {"partner_id": paid.a}] for line in paid.lines]
    paid.books.call("account.move", "write", [paid.move], vals={"line_ids": commands})
    assert paid.partners() == ["A", "A", "A", "A"]


def test_another_partner_on_the_entry_itself_changes_no_line_on_17() -> None:
    paid = Paid(17)
    paid.books.call("account.move", "write", [paid.move], vals={"partner_id": paid.b})
    assert paid.partners() == ["A", "B", "A", "A"]


@pytest.mark.parametrize("version", [18, 19])
def test_since_18_a_line_alone_may_get_another_partner_and_the_payment_stays(version: int) -> None:
    paid = Paid(version)
    paid.edit([OWED], partner_id=paid.b)
    assert paid.partners() == ["A", "A", "A", "B"]


@pytest.mark.parametrize(("which", "code"), [([OWED], "101403"), ([MONEY], "121000"), ([MONEY, OWED], "400000")])
def test_on_17_an_entry_keeps_one_line_of_the_money_and_one_of_what_is_owed(which: list[int], code: str) -> None:
    paid = Paid(17)
    with pytest.raises(OdooError, match=ONE_WALLET):
        paid.edit(which, account_id=paid.books.account(code))
    assert paid.books.shape(paid.move) == [("101403", 40.0), ("121000", -40.0)]


@pytest.mark.parametrize("code", ["211000", "400000"])  # payable; income, which stands in for what is owed
def test_on_17_another_account_owed_on_makes_it_a_payment_of_a_supplier(code: str) -> None:
    paid = Paid(17)
    paid.edit([OWED], account_id=paid.books.account(code))
    kind, destination = paid.books.read("account.payment", paid.payment, "partner_type", "destination_account_id")
    assert (kind, destination[0]) == ("supplier", paid.books.account(code))


def test_on_17_the_moneys_line_may_go_to_any_account_that_is_nobodys() -> None:
    paid = Paid(17)
    paid.edit([MONEY], account_id=paid.books.account("400000"))
    assert paid.books.shape(paid.move) == [("400000", 40.0), ("121000", -40.0)]
    kind, amount = paid.books.read("account.payment", paid.payment, "partner_type", "amount")
    assert (kind, amount) == ("customer", 40.0)
