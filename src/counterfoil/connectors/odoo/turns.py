"""Whose call goes next: never more at once than the server has workers for us, what is begun before what is new, one poster per journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from counterfoil.kit.limits import is_yielding


@dataclass(slots=True, eq=False)
class _Waiting:
    is_last: bool
    is_modest: bool
    alone_in: str
    future: asyncio.Future[None]


class Turns:
    """At most ``width`` calls at a time. Of those that wait, in order of arrival, loading goes last and posting never meets itself.

    Calls that yield (bulk work while there is real-time work) go after all others and leave ``spare`` turns of several to them, as the
    budget says for its slots: a turn held by a call that waits for its slot would keep others out.
    What is loaded is read and posted at once, instead of behind all that is still to be loaded: posting, serialized by Odoo in each
    journal, is what a backlog waits for, so it must not wait for a worker, nor hold one while another call posts in the same journal.
    """

    def __init__(self, width: int, spare: Callable[[], int]) -> None:
        self._width = width
        self._spare = spare
        self._free = width
        self._modest = 0
        self._alone: set[str] = set()
        self._waiting: list[_Waiting] = []

    @asynccontextmanager
    async def turn(self, *, is_last: bool = False, alone_in: str = "") -> AsyncIterator[None]:
        """Wait for a turn and hold it. ``is_last``: after all others. ``alone_in``: not while another turn of this name is held."""
        mine = _Waiting(is_last, is_yielding(), alone_in, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        self._pass_on()
        try:
            await mine.future
        except asyncio.CancelledError:
            if mine in self._waiting:
                self._waiting.remove(mine)
            else:
                self._give_back(mine)
            raise
        try:
            yield
        finally:
            self._give_back(mine)

    def _give_back(self, held: _Waiting) -> None:
        self._free += 1
        self._modest -= held.is_modest
        self._alone.discard(held.alone_in)
        self._pass_on()

    def _pass_on(self) -> None:
        while self._free and (following := self._following()) is not None:
            self._waiting.remove(following)
            self._free -= 1
            self._modest += following.is_modest
            if following.alone_in:
                self._alone.add(following.alone_in)
            following.future.set_result(None)

    def _following(self) -> _Waiting | None:
        has_room = self._modest < max(1, self._width - self._spare())
        able = [
            waiting
            for waiting in self._waiting
            if waiting.alone_in not in self._alone and not waiting.future.done() and (has_room or not waiting.is_modest)
        ]
        return min(able, key=lambda waiting: (waiting.is_modest, waiting.is_last), default=None)
