"""Small inputs from use (``cases/``): what moves on the processor's balance, each with the values worked by hand."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.integration.path.cases_player import play
from tests.integration.path.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")


def dated(house: House, key: str) -> date:
    """Return the accounting date of an entry."""
    return date.fromisoformat(str(house.document(key)["date"]))


async def test_a_payout_that_was_reversed_leaves_nothing_on_its_way(home_of_all: House) -> None:
    # 50.00 paid out, and 50.00 back by a payout of the opposite sign.
    played = await play(home_of_all, "payout-reversed")
    assert (played.change(), await played.new_cases()) == ({}, [])
    assert {home_of_all.lines(played.key("payout", f"txn_RUN{number}"))["105601"] for number in (1, 2)} == {-5000, 5000}


async def test_a_lost_dispute_that_is_won_after_all_leaves_no_loss(home_of_all: House) -> None:
    # 100.00 charged (fee 3.20), withdrawn (fee 15.00) and lost; a day later all of it is back: 81.80 stay, and only the fees are gone.
    played = await play(home_of_all, "dispute-lost-then-won")
    assert await played.new_cases() == []
    assert played.change() == {"receivable": -10000, "clearing": 8180, "fees": 1820}
    lost, back = played.key("dispute_loss", "dp_RUN"), played.key("dispute_loss_change", "txn_RUNb")
    assert home_of_all.lines(lost) == {"620300": 10000, "105603": -10000}
    assert home_of_all.lines(back) == {"620300": -10000, "105603": 10000}
    assert dated(home_of_all, back) - dated(home_of_all, lost) == timedelta(days=1)


async def test_of_a_lost_dispute_that_is_partly_returned_the_rest_is_bad_debt(home_of_all: House) -> None:
    # Lost over 100.00, 40.00 back a day later: 60.00 stay lost. Clearing: 100.00 - 3.20 - 115.00 + 40.00.
    played = await play(home_of_all, "dispute-lost-partly-returned")
    assert await played.new_cases() == []
    assert played.change() == {"receivable": -10000, "clearing": 2180, "fees": 1820, "bad_debt": 6000}


async def test_the_loss_of_a_dispute_is_of_the_day_it_was_closed(home_of_all: House) -> None:
    # Opened 50 days before it was closed.
    played = await play(home_of_all, "dispute-loss-dated-at-opening")
    today = datetime.fromtimestamp(home_of_all.stripe.now, ZoneInfo("America/Los_Angeles")).date()
    assert dated(home_of_all, played.key("dispute_loss", "dp_RUN")) == today
    assert dated(home_of_all, played.key("dispute", "txn_RUNw")) == today - timedelta(days=50)


async def test_one_refund_pays_out_two_credit_notes(home_of_all: House) -> None:
    # 100.00 paid and refunded, then notes of 60.00 and 40.00: nothing is open, nothing stays on the refunds account. Fee 3.20.
    played = await play(home_of_all, "one-refund-two-credit-notes")
    assert await played.new_cases() == []
    assert played.change() == {"clearing": -320, "fees": 320}
    for note in ("cn_RUN1", "cn_RUN2"):
        assert home_of_all.document(played.key("credit_note", note))["amount_residual"] == 0.0


async def test_the_part_of_an_authorization_that_was_never_taken_is_no_refund(home_of_all: House) -> None:
    # 100.00 authorized, 60.00 captured (fee 2.04), 40.00 let go: 57.96 on the balance.
    played = await play(home_of_all, "partial-capture-refund-waits")
    assert await played.new_cases() == []
    assert played.change() == {"receivable": -6000, "clearing": 5796, "fees": 204}
    async with home_of_all.hub.pool.connection() as conn:
        found = await conn.execute("select count(*) from wait where subject_id = %s", (f"stripe:{played.id('re_RUN')}",))
        assert await found.fetchone() == (0,)


async def test_a_tax_withheld_in_a_fee_has_an_account_of_its_own(home_of_all: House) -> None:
    # 100.00 charged; the fee of 11.20 is 3.20 for Stripe and 8.00 of tax withheld.
    played = await play(home_of_all, "withheld-tax-in-fee")
    assert await played.new_cases() == []
    assert played.change() == {"receivable": -10000, "clearing": 8880, "fees": 320, "withheld_tax": 800}


async def test_a_refund_without_a_credit_note_is_on_the_refunds_account_where_that_is_the_rule(home_of_all: House) -> None:
    # 100.00 paid (fee 3.20) and refunded: the customer owes nothing.
    played = await play(home_of_all, "refund-without-credit-note")
    assert await played.new_cases() == []
    assert played.change() == {"clearing": -320, "fees": 320, "revenue": -10000, "refunds": 10000}


async def test_a_bank_debit_under_way_is_not_booked_and_the_proof_shows_it_apart(home_of_all: House) -> None:
    # 100.00 less a fee of 0.80 is on its way: 99.20 of the balance.
    before = next(row for row in (await home_of_all.prove()).clearing if row.entity == "US")
    played = await play(home_of_all, "pending-bank-debit")
    row = next(row for row in (await home_of_all.prove()).clearing if row.entity == "US")
    assert (played.change(), await played.new_cases()) == ({}, [])
    assert (row.unsettled_minor - before.unsettled_minor, row.processor_minor - before.processor_minor) == (9920, 9920)
    assert row.difference_minor == before.difference_minor


async def test_a_refund_of_nobody_is_a_case_with_its_money(home_of_all: House) -> None:
    # 20.00 left the balance for nobody we know.
    played = await play(home_of_all, "refund-without-charge")
    (case,) = await played.new_cases()
    assert (case.code, case.money_minor, case.currency) == ("decide.customer_missing", 2000, "USD")
    assert "collecting_customer" in case.next_step
    assert played.change() == {}
