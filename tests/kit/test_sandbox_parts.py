"""What sandboxes share: a courier that loses, doubles and repeats, a window of calls that rolls on, a clock in milliseconds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from aiohttp import web

from counterfoil.kit.sandbox.clock import MillisecondClock
from counterfoil.kit.sandbox.courier import Courier, DeliveryPolicy, Obj, Parcel
from counterfoil.kit.sandbox.rates import RollingWindow


@dataclass(slots=True, kw_only=True)
class Word(Parcel):
    """One word on its way."""

    text: str


class Postman(Courier[DeliveryPolicy, Word]):
    """Posts words to one address, two at a time at most together."""

    def __init__(self, url: str, **policy: object) -> None:
        super().__init__(DeliveryPolicy(), 7)
        self.set_policy(**policy)
        self.url = url
        self.waiting: list[str] = []
        self.noted: list[str] = []

    @property
    def has_more(self) -> bool:
        return bool(self.waiting)

    def gather(self) -> None:
        words, self.waiting = self.waiting[:2], self.waiting[2:]
        if words:
            self.hand_in(Word(id=next(self.ids), text="+".join(words)))

    def note(self, delivery: Word) -> None:
        self.noted.append(f"{delivery.text} {delivery.status}")

    async def post_one(self, delivery: Word) -> Obj:
        return await self.post(self.url, delivery.text.encode(), {"x-word": "1"})


@dataclass
class Receiver:
    """Takes words; answers with these statuses first, then with 200."""

    url: str
    got: list[str]
    statuses: list[int]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver("", [], [])

    async def take(request: web.Request) -> web.Response:
        found.got.append((await request.read()).decode())
        return web.Response(status=found.statuses.pop(0) if found.statuses else 200)

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield found
    await runner.cleanup()


async def test_what_nobody_takes_is_tried_again_and_given_up_in_the_end(receiver: Receiver) -> None:
    postman = Postman(receiver.url, retry_delays_s=[60.0, 60.0], concurrency=1)
    await postman.start()
    receiver.statuses = [503, 200, 500, 500, 500]
    for text in ("one", "two"):
        postman.hand_in(Word(id=next(postman.ids), text=text))
        await postman.drain()
    await postman.stop()
    assert receiver.got == ["one", "one", "two", "two", "two"]
    assert postman.noted == ["one pending", "one delivered", "two pending", "two pending", "two failed"]
    assert postman.summary() == {"pending": 0, "delivered": 1, "failed": 1, "lost": 0, "canceled": 0}
    assert await postman.post(receiver.url, b"", {}) == {"status": None, "error": "the courier is not started"}


async def test_what_happens_while_one_is_on_its_way_goes_out_together_and_what_is_held_waits(receiver: Receiver) -> None:
    postman = Postman(receiver.url, is_held=True, concurrency=1)
    await postman.start()
    postman.waiting = ["a", "b", "c"]
    assert (await postman.drain())["delivered"] == 0
    assert not postman.is_idle
    postman.set_policy(is_held=False)
    assert (await postman.drain())["delivered"] == 2
    assert receiver.got == ["a+b", "c"]
    assert postman.is_idle
    await postman.stop()


async def test_a_first_try_that_never_leaves_is_followed_by_one_that_does_and_a_lost_one_can_be_sent_again(receiver: Receiver) -> None:
    postman = Postman(receiver.url, drop=1.0, retry_delays_s=[0.0])
    await postman.start()
    postman.hand_in(Word(id=next(postman.ids), text="late"))
    postman.lose(lost := Word(id=next(postman.ids), text="lost"))
    await postman.drain()
    assert (receiver.got, lost.status) == (["late"], "lost")
    assert postman.deliveries[0].attempts[0] == {"status": None, "error": "dropped by policy"}
    assert postman.resend([lost]) == 1
    await postman.drain()
    await postman.stop()
    assert receiver.got == ["late", "lost"]


def test_a_setting_no_policy_has_or_of_another_type_is_refused() -> None:
    for wrong in ({"colour": 1}, {"concurrency": "many"}):
        with pytest.raises(ValueError, match=r"colour|int"):
            Postman("", **wrong)


def test_a_window_counts_the_calls_of_the_last_seconds_alone() -> None:
    now = [100.0]
    window = RollingWindow(10.0, lambda: now[0])
    assert [window.take(2) for _ in range(3)] == [True, True, False]
    now[0] = 109.9
    assert (window.count, window.take(2)) == (2, False)
    now[0] = 110.0
    assert (window.count, window.take(2)) == (0, True)
    assert not window.take(0.5), "half a call is none"


def test_what_happens_is_a_millisecond_apart_and_time_passes_by_command() -> None:
    clock = MillisecondClock(1_000)
    assert [clock.tick(), clock.tick()] == [1_001, 1_002]
    clock.advance(2.5)
    assert clock.tick() == 3_503
    clock.show(datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC))
    assert clock.tick() == 2_001
    clock.run()
    first = clock.tick()
    assert first > 1_700_000_000_000
    assert clock.tick() > first
