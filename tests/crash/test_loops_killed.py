"""The crash matrix of a loop that is held: whoever dies while it is written, found or answered leaves it as if nobody had been killed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.crash.test_echoes_killed import BOUNDARIES, KilledError, dying, kill
from tests.integration.waiting.systems import Both
from tests.integration.waiting.test_echoes import both
from tests.integration.waiting.test_loops import PHONED, QUARREL, loops, quarrel, retry, settle, state_of, written

from counterfoil.store import agenda, case_closing, case_subjects, cases

__all__ = ["both"]
pytestmark = pytest.mark.crash

DECIDING = {
    "the answers are read": (case_closing, "answers"),
    "the case is opened": (cases, "open_or_count"),
    "other cases let go": (case_subjects, "stay_in"),
    "the subject is finished": (agenda, "finish"),
}
TELLER, PHONE = QUARREL[3]


async def go_round(both: Both) -> None:
    """Have a number go round as often as it may: the next decision holds it."""
    await quarrel(both, 2)
    await quarrel(both, 1, QUARREL[:3])
    assert (await loops(both), written(both)) == ([], 12)


@pytest.mark.parametrize("boundary", DECIDING)
async def test_a_worker_killed_while_it_holds_a_field_leaves_it_to_be_held_by_the_next(
    both: Both, monkeypatch: pytest.MonkeyPatch, boundary: str
) -> None:
    await go_round(both)
    owner, name = DECIDING[boundary]
    both.office.told += 10_000_000
    await both.office._write(replace(PHONED, phone=PHONE), TELLER)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, dying(getattr(owner, name)))
        with pytest.raises(KilledError):
            await both.office.decide()
    assert await loops(both) == []
    await both.office.decide()
    [case] = await loops(both)
    assert (await settle(both), case.count) == (0, 1)


@pytest.mark.parametrize("boundary", DECIDING)
async def test_a_worker_killed_while_a_retry_is_carried_out_leaves_it_to_be_written_once_more(
    both: Both, monkeypatch: pytest.MonkeyPatch, boundary: str
) -> None:
    await quarrel(both)
    [case] = await loops(both)
    await both.tell(replace(PHONED, phone="+1 646 5550199"), "stripe")
    owner, name = DECIDING[boundary]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, dying(getattr(owner, name)))
        try:
            await retry(both, case)
        except KilledError:
            assert await state_of(both, case) == "open"
    await both.office.decide()
    assert (await settle(both), await both.office.cases(), await state_of(both, case)) == (2, [], "resolved")


@pytest.mark.parametrize("boundary", BOUNDARIES)
async def test_what_a_killed_worker_wrote_counts_as_written_once(both: Both, monkeypatch: pytest.MonkeyPatch, boundary: str) -> None:
    await both.tell(replace(PHONED, phone=QUARREL[2][1]), "stripe")
    await kill(both, boundary, monkeypatch)
    both.office.later(minutes=30)  # whoever had it in hand is known to be gone
    await settle(both)
    both.left.writes.clear()
    await quarrel(both)
    assert len(both.left.writes) == 5  # with the one that was in hand, as many as ever
    assert len(await loops(both)) == 1
