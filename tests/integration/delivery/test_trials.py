"""A target that was away is tried with one batch, and what that shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from tests.integration.delivery.answers import Answers, outcome, standing_of
from tests.integration.delivery.scripted import Desk

from counterfoil.core.language.commands import Command
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError, TransientError
from counterfoil.kit.stage import Turn
from counterfoil.kit.writing import Outcome, OutcomeStatus
from counterfoil.store import standing
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool


@pytest.fixture
def desk(pool: Pool, cipher: Cipher) -> Desk:
    return Desk(pool, cipher)


async def fallen(desk: Desk) -> None:
    """Have sending find the target away, and let the time pass until it is looked at."""
    desk.books.failing = lambda _call, _commands: TransientError("away", code="http.away", is_unavailable=True)
    turn = await desk.turn()
    assert turn == Turn(has_more=False, wake_in_s=0.5)
    desk.books.failing = lambda _call, _commands: None
    desk.later(0.5)


async def test_a_target_that_was_away_is_tried_with_one_batch(desk: Desk) -> None:
    desk.batch_size_max, desk.width = 2, 3
    await desk.wish(*range(1, 8))
    await fallen(desk)
    assert await desk.turn() == Turn(has_more=True)
    assert desk.books.calls == [("probe", 0), ("send", 2)]
    assert not (await standing_of(desk)).is_down


@pytest.mark.parametrize(
    ("said", "is_down"),
    [(OutcomeStatus.UNKNOWN, True), (OutcomeStatus.RETRY, False), (OutcomeStatus.REFUSED, False), (OutcomeStatus.DONE, False)],
)
async def test_any_answer_to_a_trial_shows_that_the_target_is_there(desk: Desk, said: OutcomeStatus, is_down: bool) -> None:
    await desk.wish(1)
    await fallen(desk)
    Answers(desk, k1=outcome(said, "x", "words"))
    await desk.turn()
    assert (await standing_of(desk)).is_down is is_down


async def test_a_trial_that_fails_is_another_look_at_a_target_that_is_down(desk: Desk) -> None:
    await desk.wish(1)
    await fallen(desk)
    desk.books.failing = lambda call, _commands: None if call == "probe" else SetupError("may not post", code="odoo.forbidden")
    assert await desk.turn() == Turn(has_more=False, wake_in_s=1.0)
    found = await standing_of(desk)
    assert (found.tries, found.code, found.is_refused, found.is_by_sending) == (2, "odoo.forbidden", True, True)


async def test_one_batch_that_went_well_does_not_hide_that_another_found_the_target_away(desk: Desk) -> None:
    patient = desk.books.send

    async def fallen_meanwhile(ctx: Context, commands: Sequence[Command], bound: Mapping[str, str]) -> tuple[Outcome, ...]:
        await desk.rest.went_down("books", standing.ConnectionTrouble("http.away", "away"), is_trial=False)
        return await patient(ctx, commands, bound)

    desk.books.send = fallen_meanwhile  # type: ignore[method-assign]
    await desk.wish(1)
    await desk.turn()
    assert (await desk.states(1), (await standing_of(desk)).is_down) == (["done"], True)
