"""Whose call goes next: the width, loading last, one poster per journal, and turns given back whatever happens."""

from __future__ import annotations

import asyncio

import pytest

from counterfoil.connectors.odoo.turns import Turns
from counterfoil.kit.limits import yielding


class Calls:
    """Calls that hold their turn until they are told to end; remembers in which order they began."""

    def __init__(self, width: int) -> None:
        self.spare = 1
        self.turns = Turns(width, lambda: self.spare)
        self.began: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Event] = {}

    async def ask(self, name: str, *, is_last: bool = False, alone_in: str = "") -> None:
        """Ask for a turn."""
        self._ends[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._call(name, is_last, alone_in))
        await asyncio.sleep(0)

    async def _call(self, name: str, is_last: bool, alone_in: str) -> None:
        async with self.turns.turn(is_last=is_last, alone_in=alone_in):
            self.began.append(name)
            await self._ends[name].wait()

    async def end(self, name: str) -> None:
        """End a call and let those that follow begin."""
        self._ends[name].set()
        await self.tasks[name]
        for _ in range(3):
            await asyncio.sleep(0)


async def test_no_more_calls_begin_than_the_width() -> None:
    calls = Calls(2)
    for name in ("a", "b", "c"):
        await calls.ask(name)
    assert calls.began == ["a", "b"]
    await calls.end("a")
    assert calls.began == ["a", "b", "c"]


async def test_a_read_that_came_later_goes_before_a_load_that_waits() -> None:
    calls = Calls(1)
    await calls.ask("first load", is_last=True)
    await calls.ask("second load", is_last=True)
    await calls.ask("read")
    await calls.end("first load")
    assert calls.began == ["first load", "read"]
    await calls.end("read")
    assert calls.began == ["first load", "read", "second load"]


async def test_calls_that_yield_leave_as_many_turns_as_the_budget_says() -> None:
    calls = Calls(2)
    with yielding():
        for name in ("bulk 1", "bulk 2", "bulk 3"):
            await calls.ask(name)
    assert calls.began == ["bulk 1"]
    calls.spare = 0
    await calls.end("bulk 1")
    assert calls.began == ["bulk 1", "bulk 2", "bulk 3"]
    with yielding():
        await calls.ask("bulk 4")
    await calls.ask("real time")
    await calls.end("bulk 2")
    assert calls.began[3:] == ["real time"], "it goes first although it came later"
    calls.spare = 1
    await calls.end("bulk 3")
    assert calls.began[4:] == ["bulk 4"], "one of two is theirs in any case"


async def test_a_second_post_in_a_journal_leaves_the_other_worker_to_a_load() -> None:
    calls = Calls(2)
    await calls.ask("post", alone_in="US/sales")
    await calls.ask("second post", alone_in="US/sales")
    await calls.ask("load", is_last=True)
    assert calls.began == ["post", "load"]
    await calls.end("post")
    assert calls.began == ["post", "load", "second post"]


async def test_posts_in_two_journals_go_at_once() -> None:
    calls = Calls(2)
    await calls.ask("sales", alone_in="US/sales")
    await calls.ask("bank", alone_in="US/journal/stripe_us")
    assert calls.began == ["sales", "bank"]


async def test_a_call_that_is_canceled_while_it_waits_takes_no_turn() -> None:
    calls = Calls(1)
    await calls.ask("a")
    await calls.ask("b", alone_in="US/sales")
    await calls.ask("c", alone_in="US/sales")
    calls.tasks["b"].cancel()
    with pytest.raises(asyncio.CancelledError):
        await calls.tasks["b"]
    await calls.end("a")
    assert calls.began == ["a", "c"]


async def test_a_call_that_is_canceled_just_as_its_turn_comes_gives_it_on() -> None:
    calls = Calls(1)
    await calls.ask("a")
    await calls.ask("b", alone_in="US/sales")
    await calls.ask("c", alone_in="US/sales")
    calls.tasks["a"].cancel()
    calls.tasks["b"].cancel()
    await asyncio.gather(calls.tasks["a"], calls.tasks["b"], return_exceptions=True)
    for _ in range(3):
        await asyncio.sleep(0)
    assert calls.began == ["a", "c"]
