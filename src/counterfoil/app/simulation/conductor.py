"""Virtual time: it moves from instant to instant, and what is due on the way happens in order; the hub is given time to keep up."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import count

from counterfoil.app.demo.world import World
from counterfoil.app.hub import wait_until
from counterfoil.kit.errors import SetupError

from .clock import WrittenClock
from .people import SimulatedPeople
from .period import SimulatedPeriod
from .processes import FIRST
from .schedule import ScheduledFault
from .trouble import FaultInjector

Act = Callable[[], Awaitable[None]]

BEHIND_MAX = 60
"""Things left to do that the hub may carry over midnight."""
KEEP_UP_S = 6.0
KEEP_UP_IN_TROUBLE_S = 0.5
"""Real seconds it is waited for at midnight; less while it cannot get on."""
READY_S = 60.0
SETTLE_S = 240.0
STILL_S = 8.0
"""Idle and without any change for so long: nothing more comes of waiting."""
FUTILE_MAX = 3
"""Rounds that may end so before the end is what it is."""
PROOF_S = 60.0
"""Real seconds a proof the hub makes by itself is waited for."""
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Conductor:
    """Moves the clocks of source, books and hub together, and lets the schedule happen."""

    def __init__(
        self,
        world: World,
        clock: WrittenClock,
        trouble: FaultInjector,
        people: SimulatedPeople,
        schedule: Sequence[ScheduledFault],
        period: SimulatedPeriod,
    ) -> None:
        self.world = world
        self.clock = clock
        self.trouble = trouble
        self.people = people
        self.view = people.view
        self._books_at = period.start
        self._turn = count()
        self._due: list[tuple[datetime, int, Act]] = []
        for midnight in period.midnights:
            self._at(midnight, self._midnight)
        for entry in schedule:
            self._at(entry.at, self._begin(entry))
            if entry.until is not None:
                self._at(min(entry.until, period.end), self._end(entry))

    def _at(self, instant: datetime, act: Act) -> None:
        heapq.heappush(self._due, (instant, next(self._turn), act))

    def _begin(self, entry: ScheduledFault) -> Act:
        async def act() -> None:
            await self.trouble.begin(entry)

        return act

    def _end(self, entry: ScheduledFault) -> Act:
        async def act() -> None:
            await self.trouble.end(entry)
            await self.view.nudge()

        return act

    async def ready(self) -> None:
        """Wait until every source was polled once: what happens afterwards is after the cursor, and no lost delivery stays lost.

        Raises:
            SetupError: they could not be polled.
        """

        async def is_polled() -> bool:
            return set(await self.view.covered()) >= set(self.view.sources)

        if not await wait_until(is_polled, timeout_s=READY_S):
            raise SetupError("the sources could not be polled", code="simulate.poll")

    async def before(self, to: datetime) -> None:
        """Let everything happen that is due until an instant, each at its own, then move the hub's clock there."""
        while self._due and self._due[0][0] <= to:
            instant, _, act = heapq.heappop(self._due)
            await self.world.stripe.advance(instant)
            self.clock.follow(instant)
            await act()
        self.clock.follow(to)

    async def _midnight(self) -> None:
        """Turn the books' date over, let people see to their cases, wake what waits by the machine's clock, let the hub keep up."""
        await self._turn_over()
        await self.people.look()
        await self.view.nudge()
        deadline = time.monotonic() + (KEEP_UP_IN_TROUBLE_S if self._is_held_up else KEEP_UP_S)
        while time.monotonic() < deadline:
            left = await self.view.left()
            if left is not None and left.open <= BEHIND_MAX:
                return
            await asyncio.sleep(0.1)

    @property
    def _is_held_up(self) -> bool:
        return self.trouble.outages > 0 or FIRST not in self.trouble.processes.running

    async def _turn_over(self) -> None:
        """Move the books' clock along with ours; it never goes back, whatever the machine's does."""
        ahead = (self.clock.now() - self._books_at).total_seconds()
        if ahead > 0:
            await self.trouble.books.call("POST", "/clock", seconds=ahead)
            self._books_at += timedelta(seconds=ahead)

    async def finish(self) -> None:
        """Let time run on until all is settled: every source polled to its end, twice, with everything booked in between.

        Bounded: what is stuck must show, not hang.
        """
        await self.trouble.calm()
        await self.world.stripe.drain(60.0)
        deadline = time.monotonic() + SETTLE_S
        calm_rounds = futile_rounds = 0
        while calm_rounds < 2 and futile_rounds < FUTILE_MAX and time.monotonic() < deadline:
            before = await self.view.covered()
            self.clock.follow(self.clock.now() + HOUR)
            await self._turn_over()
            await self.view.nudge()
            await wait_until(partial(self._is_polled, before), timeout_s=_left_of(deadline, 30.0))
            is_done = await self.comes_to_rest(_left_of(deadline, 90.0))
            is_decided = await self.people.look()
            calm_rounds = calm_rounds + 1 if is_done and not is_decided else 0
            futile_rounds = 0 if is_done or is_decided else futile_rounds + 1

    async def is_proven(self) -> bool:
        """Let days pass until the hub has proven by itself that source and books agree, twice if it has doubts; tell whether it came to it.

        What it says then in cases is its last word: what differed for a moment is right again, and what differs still is told.
        """
        for _ in range(2):
            self.clock.follow(self.clock.now() + DAY + HOUR)
            await self._turn_over()
            instant = self.clock.now()
            await self.view.nudge()
            if not await wait_until(partial(self.view.proven_since, instant), timeout_s=PROOF_S, every_s=0.25):
                return False
        return True

    async def _is_polled(self, before: dict[str, datetime]) -> bool:
        now = await self.view.covered()
        return all(name in now and now[name] > before.get(name, now[name] - HOUR) for name in self.view.sources)

    async def comes_to_rest(self, timeout_s: float) -> bool:
        """Wait until nothing is left to do, or nothing changes any more; return whether all is done."""
        deadline = time.monotonic() + timeout_s
        seen, since = None, time.monotonic()
        while time.monotonic() < deadline:
            left = await self.view.left()
            if left is not None and left.open == 0:
                return True
            if left != seen:
                seen, since = left, time.monotonic()
            elif left is not None and not left.is_busy and time.monotonic() - since > STILL_S:
                return False
            await asyncio.sleep(0.25)
        return False


def _left_of(deadline: float, most: float) -> float:
    return max(1.0, min(most, deadline - time.monotonic()))
