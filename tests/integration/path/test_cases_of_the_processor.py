"""Small inputs from use (``cases/``): what moves on the processor's balance, each with the values worked by hand."""

from __future__ import annotations

import pytest
from tests.integration.path.cases_player import play
from tests.integration.path.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_payout_that_was_reversed_leaves_nothing_on_its_way(home_of_all: House) -> None:
    # 50.00 paid out, and 50.00 back by a payout of the opposite sign.
    played = await play(home_of_all, "payout-reversed")
    assert (played.change(), await played.new_cases()) == ({}, [])
    assert {home_of_all.lines(played.key("payout", f"txn_RUN{number}"))["105601"] for number in (1, 2)} == {-5000, 5000}
