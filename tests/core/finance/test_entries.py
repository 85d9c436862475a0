"""Journal entries of single movements, line by line: amounts, words, customers."""

from __future__ import annotations

import pytest
from tests.core.builders import NOON, usd

from counterfoil.core.commands.books import Account, AccountRole, EntryLine
from counterfoil.core.finance.entries import customer_balance_lines, fee_lines, movement_lines, transfer_lines
from counterfoil.core.finance.invariants import InvariantError
from counterfoil.core.language.settlement import Settlement

CLEARING, DISPUTED = Account(AccountRole.CLEARING, "stripe"), Account(AccountRole.DISPUTED_FUNDS)
FEES, FEE_TAX, WITHHELD = Account(AccountRole.FEES), Account(AccountRole.FEE_TAX), Account(AccountRole.WITHHELD_TAX)
CREDIT, RECEIVABLE, ADJUSTMENT = Account(AccountRole.CUSTOMER_CREDIT), Account(AccountRole.RECEIVABLE), Account(AccountRole.ADJUSTMENT)


def test_a_fee_is_split_into_the_fee_itself_its_input_tax_and_what_was_withheld() -> None:
    # 3.17 in all: 0.50 input tax, 0.20 withheld, so the fee itself is 2.47.
    charge = Settlement("stripe:txn_1", usd(9900), usd(317), usd(9583), NOON, fee_tax=usd(50), withheld_tax=usd(20))
    assert fee_lines(charge, CLEARING) == (
        EntryLine(FEES, usd(247), "fee"),
        EntryLine(FEE_TAX, usd(50), "tax on fee"),
        EntryLine(WITHHELD, usd(20), "tax withheld"),
        EntryLine(CLEARING, usd(-317), "stripe:txn_1"),
    )


def test_money_taken_by_a_dispute_leaves_clearing_by_net_and_its_fee_is_a_cost() -> None:
    # 99.00 disputed with a fee of 15.00, 2.85 of it input tax: 114.00 leave the balance.
    withdrawn = Settlement("stripe:txn_2", usd(-9900), usd(1500), usd(-11400), NOON, fee_tax=usd(285))
    assert movement_lines(withdrawn, CLEARING, DISPUTED) == (
        EntryLine(DISPUTED, usd(9900), "stripe:txn_2"),
        EntryLine(FEES, usd(1215), "fee"),
        EntryLine(FEE_TAX, usd(285), "tax on fee"),
        EntryLine(CLEARING, usd(-11400), "stripe:txn_2"),
    )


def test_a_movement_whose_net_is_not_gross_less_fee_says_what_differs() -> None:
    wrong = Settlement("stripe:txn_3", usd(1000), usd(30), usd(971), NOON)
    with pytest.raises(
        InvariantError, match=r"^balance transaction stripe:txn_3: gross 10\.00 USD less fee 0\.30 USD is not net 9\.71 USD$"
    ):
        movement_lines(wrong, CLEARING, DISPUTED)


def test_a_transfer_names_only_the_customers_it_is_told() -> None:
    assert transfer_lines(ADJUSTMENT, DISPUTED, usd(500)) == (EntryLine(ADJUSTMENT, usd(500)), EntryLine(DISPUTED, usd(-500)))
    assert transfer_lines(RECEIVABLE, DISPUTED, usd(500), debit_customer="a", credit_customer="b") == (
        EntryLine(RECEIVABLE, usd(500), customer_id="a"),
        EntryLine(DISPUTED, usd(-500), customer_id="b"),
    )


def test_customer_credit_names_the_customer_on_the_other_side_only_where_that_is_the_receivable() -> None:
    assert customer_balance_lines(usd(-500), "a", ADJUSTMENT) == (
        EntryLine(CREDIT, usd(-500), customer_id="a"),
        EntryLine(ADJUSTMENT, usd(500)),
    )
    assert customer_balance_lines(usd(300), "a", RECEIVABLE) == (
        EntryLine(CREDIT, usd(300), customer_id="a"),
        EntryLine(RECEIVABLE, usd(-300), customer_id="a"),
    )
