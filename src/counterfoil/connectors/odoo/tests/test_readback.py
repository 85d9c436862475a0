"""How what Odoo has differs from what was wished, by kinds of difference; pure, apart from what a failure between two calls is called."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from counterfoil.connectors.odoo.batches import after_a_write
from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.client import OdooClient
from counterfoil.connectors.odoo.config import CompanyConfig
from counterfoil.connectors.odoo.deliver_payments import posted_payment_difference
from counterfoil.connectors.odoo.document_rows import DocumentPlan
from counterfoil.connectors.odoo.document_totals import rounding_needed
from counterfoil.connectors.odoo.load import LoadRow
from counterfoil.connectors.odoo.match_plan import OpenLines, PlannedMatch, Short, plan_match
from counterfoil.connectors.odoo.moves import is_edited, with_fate
from counterfoil.connectors.odoo.payment_rows import PaymentPlan
from counterfoil.connectors.odoo.readback import Expected, amount_difference
from counterfoil.connectors.odoo.tests.conftest import Desk, statuses
from counterfoil.connectors.odoo.tests.wishes import Wishes, line
from counterfoil.connectors.odoo.wire import Move, OpenLine, Payment
from counterfoil.core.language.commands import Command
from counterfoil.core.language.money import Money
from counterfoil.kit.errors import SetupError, TransientError

EUR, USD = 1, 2
DAY = date(2026, 3, 3)
WISHES = Wishes("readback")
CUSTOMER = WISHES.customer()
EXPECTED = Expected(Money(11900, "EUR"), Money(1900, "EUR"), EUR, DAY, is_document=True, is_taxed=True)


def move(total: str = "119.00", tax: str = "19.00", currency: int = EUR) -> Move:
    """Return a draft as Odoo has it."""
    return Move(7, "draft", "/", DAY.isoformat(), Decimal(total), Decimal(tax), Decimal(total), currency, 5, 2, 2)


def document(tolerance: int = 2, account: int = 9) -> DocumentPlan:
    """Return the plan of an invoice of 119.00 EUR with 19.00 tax."""
    command = WISHES.invoice(CUSTOMER, line(10000), total=11900, tax=1900)
    return DocumentPlan(command, LoadRow("k", ()), EXPECTED, {}, tolerance, account)


@pytest.mark.parametrize(
    ("found", "rounding"),
    [
        (move("118.99"), Money(1, "EUR")),
        (move("119.02"), Money(-2, "EUR")),
        (move("118.97"), None),  # beyond the tolerance of 0.02
        (move("118.99", "18.99"), None),  # it is the tax that is a cent short: a line without tax would hide that
        (move(), None),
    ],
)
def test_a_rounding_line_is_added_only_where_the_tax_is_right(found: Move, rounding: Money | None) -> None:
    assert rounding_needed(document(), found) == rounding


def test_the_same_amount_in_another_currency_is_a_difference() -> None:
    assert amount_difference(move(), EXPECTED) is None
    error = amount_difference(move(currency=USD), EXPECTED)
    assert error is not None
    assert "in currency 2 instead of 1" in str(error)


@pytest.mark.parametrize(("moved_to", "code"), [("2026-03-03", ""), ("2026-04-30", "odoo.date_moved")])
def test_a_payment_whose_entry_was_moved_to_another_day_is_seen(moved_to: str, code: str) -> None:
    command = WISHES.payment(CUSTOMER, 11900, on=DAY)
    plan = PaymentPlan(command, LoadRow("k", ()), Money(11900, "EUR"), EUR, 4, DAY, 5)
    payment = Payment(7, "in_process", "PSTR/1", DAY.isoformat(), Decimal("119.00"), EUR, 3, 5, 4, 2, 2)
    error = posted_payment_difference(payment, plan, moved_to)
    assert (error.code if error else "") == code


@pytest.mark.parametrize(("writer", "by_hand"), [(2, False), (7, True)])
def test_a_draft_that_another_user_wrote_last_was_edited_and_a_retry_is_enough(writer: int, by_hand: bool) -> None:
    draft = replace(move("120.00"), write_uid=writer)
    error = amount_difference(draft, EXPECTED)
    assert error is not None
    assert is_edited(draft, error) is by_hand
    told = with_fate(error, is_kept=False, by_hand=is_edited(draft, error))
    assert ("somebody edited the draft" in str(told) and "retry is enough" in str(told)) is by_hand
    assert told.code == ("odoo.draft_edited" if by_hand else "odoo.amount_mismatch")


def books() -> CompanyCatalog:
    """Return books in euros."""
    return CompanyCatalog(
        entity="DE",
        config=CompanyConfig(company="X"),
        id=1,
        name="X",
        currency="EUR",
        journals={},
        accounts={},
        taxes={},
        ambiguous_taxes=frozenset(),
        tax_accounts={},
        currencies={"EUR": EUR, "USD": USD},
        rates={},
        has_earliest_rate=True,
        receivable_id=4,
        read_at=datetime(2026, 3, 3, tzinfo=UTC),
    )


def matched(balance: str, amount: str, minor: int) -> PlannedMatch | Short:
    """Plan a match of part of a debit and a credit, each of the given balance in euros and amount in dollars."""
    lines = OpenLines(books(), {EUR: "EUR", USD: "USD"})
    for number, sign in ((1, 1), (2, -1)):
        euros, dollars = sign * Decimal(balance), sign * Decimal(amount)
        lines.add(OpenLine(number, number, False, 4, 5, USD, euros, dollars, euros, dollars))
    invoice, payment = WISHES.invoice(CUSTOMER, line(300), total=300), WISHES.payment(CUSTOMER, 300)
    command: Command = WISHES.allocation(invoice, payment, minor, "USD")
    return plan_match(command, lines, ("account.move", 1), ("account.move", 2))


@pytest.mark.parametrize(
    ("balance", "amount", "minor", "share"),
    [
        ("2.00", "3.00", 100, 67),  # 2.00 / 3 = 0.6667
        ("1.00", "3.00", 100, 33),  # 1.00 / 3 = 0.3333
        ("0.05", "1.00", 50, 3),  # 0.025: half a cent goes up
    ],
)
def test_a_part_of_a_foreign_line_is_its_share_of_the_balance_half_up(balance: str, amount: str, minor: int, share: int) -> None:
    match = matched(balance, amount, minor)
    assert isinstance(match, PlannedMatch)
    assert match.balance == Money(share, "EUR")


@pytest.mark.parametrize("error", [TransientError("locked", code="odoo.locked"), SetupError("forbidden", code="odoo.forbidden")])
def test_a_failure_after_something_was_written_is_never_without_effect(error: TransientError | SetupError) -> None:
    with pytest.raises(type(error)), after_a_write():
        raise error
    assert error.is_outcome_unknown


@pytest.mark.parametrize("kind", ["invoice", "payment"])
async def test_a_lock_that_is_not_had_after_loading_leaves_the_outcome_unknown(
    kind: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = desk.wishes.customer()
    await desk.done(customer)
    wish = desk.wishes.invoice(customer, line(1000), total=1000) if kind == "invoice" else desk.wishes.payment(customer, 1000)
    call = OdooClient.call

    async def refuse(client: OdooClient, model: str, method: str, *args: Any, **kwargs: Any) -> Any:
        if method == "action_post":
            raise TransientError("could not obtain lock", code="odoo.locked")
        return await call(client, model, method, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(OdooClient, "call", refuse)
        assert statuses(await desk.send(wish)) == ["unknown"]
    await desk.done(wish)
