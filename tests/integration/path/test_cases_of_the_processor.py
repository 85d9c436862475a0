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
