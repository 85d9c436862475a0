"""The crash matrix of what is written to a system that tells of it: workers gone at every boundary of writing and of hearing.

What was written comes back before, between and after; it is never taken for that system's word, and nothing of before comes back with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.core.builders import ANN
from tests.integration.waiting.systems import Both
from tests.integration.waiting.test_echoes import both

from counterfoil.kit.stage import PLAIN
from counterfoil.store import outbox, written

__all__ = ["both"]
pytestmark = pytest.mark.crash

BOUNDARIES = ("claimed", "sent", "answered", "settling")
"""Of ``KIND_BOUNDARIES`` those between which something is noted of what is written, or comes back."""
WRITTEN = {"claimed": 0, "sent": 0, "answered": 1, "settling": 1}
"""How often the left was written to when its worker died."""


class KilledError(BaseException):
    """The worker is gone."""


def dying(plain: Callable[..., Any], *, is_before: bool = False) -> Callable[..., Any]:
    """Return what dies before or after it has done its work; what stands in the transaction goes with it."""

    async def die(*given: Any, **named: Any) -> Any:
        if not is_before:
            await plain(*given, **named)
        raise KilledError

    return die


async def kill(both: Both, boundary: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the worker that writes into the left die at a boundary, with all its hands: none of them looks what became of the write."""
    place: dict[str, tuple[Any, str, bool]] = {
        "claimed": (outbox, "mark_sent", False),
        "sent": (both.left, "send", True),
        "answered": (both.left, "send", False),
        "settling": (outbox, "settle", False),
    }
    owner, name, is_before = place[boundary]
    link = both.deliverer.targets["left"]
    [kind] = link.deliver
    plain = link.deliver[kind]
    with monkeypatch.context() as patch:
        dead = replace(plain, resolve=dying(plain.resolve, is_before=True))
        if owner is both.left:
            dead = replace(dead, send=dying(plain.send, is_before=is_before))
        else:
            patch.setattr(owner, name, dying(getattr(owner, name), is_before=is_before))
        patch.setitem(link.deliver, kind, dead)
        with pytest.raises(BaseExceptionGroup) as died:
            await both.deliverer.turn("left/all", PLAIN)
    assert died.value.subgroup(KilledError) is not None
    assert len(both.left.writes) == WRITTEN[boundary]


@pytest.mark.parametrize("change", ["nothing else", "a change elsewhere"])
@pytest.mark.parametrize("hears", ["before another goes on", "after another went on"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
async def test_what_a_killed_worker_wrote_comes_back_as_what_it_is_and_brings_nothing_back(
    both: Both, monkeypatch: pytest.MonkeyPatch, boundary: str, hears: str, change: str
) -> None:
    both.left.is_polled = both.right.is_polled = True
    await both.tell(ANN, "stripe")
    await kill(both, boundary, monkeypatch)
    newest = ANN.name
    if change == "a change elsewhere":
        newest = "Anna Ltd"
        await both.tell(replace(ANN, name=newest), "stripe")
    if hears == "before another goes on":
        await both.hear(both.left)
    both.office.later(minutes=30)  # whoever had it in hand is known to be gone, and a write without an answer is over
    await both.rest()
    assert both.left.held == both.right.held
    assert both.left.held is not None
    assert both.left.held.name == newest
    # Everything that was told by both is what was written there: neither has a word of its own.
    async with both.office.pool.connection() as conn:
        rows = await conn.execute("select distinct rule from receipt where connection in ('left', 'right')")
        assert await rows.fetchall() == [("own_content_comes_back",)]
        row = await (await conn.execute("select version, claimed from object where kind = 'customer'")).fetchone()
    assert row == (1 if newest == ANN.name else 2, 0)


async def test_a_worker_killed_while_it_notes_what_came_back_leaves_it_to_be_heard_again(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    await both.tell(ANN, "stripe")
    await both.write(both.left, both.right)
    both.left.edit(phone="12")  # comes with the name that was written: the telephone alone is news
    with monkeypatch.context() as patch:
        patch.setattr(written, "heard", dying(written.heard))
        for told in both.left.news:
            with pytest.raises(KilledError):
                await both.tell(told, "left")
    await both.tell(replace(ANN, name="Anna Ltd"), "stripe")
    await both.hear(both.left)  # its receipts were never through: they are read again
    await both.rest()
    assert both.left.held == both.right.held
    assert both.left.held is not None
    assert (both.left.held.name, both.left.held.phone) == ("Anna Ltd", "12")
