"""Events made to happen by their name, in the sandbox and at the terminal."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from counterfoil.connectors.stripe.sandbox import StripeSandbox

from .playing import Hands

EVENTS = sorted(StripeSandbox().triggers())


@pytest.mark.parametrize("event", EVENTS)
def test_each_trigger_causes_the_event_it_is_named_for(event: str) -> None:
    hands = Hands()
    made = hands.sandbox.triggers()[event]()
    assert event in hands.types()
    assert made


async def test_the_control_interface_lists_and_plays_them_and_names_what_is_near() -> None:
    sandbox = StripeSandbox()
    url = await sandbox.start()

    async def ask(method: str, body: Any = None) -> tuple[int, Any]:
        async with session.request(method, f"{url}/_control/triggers", json=body) as answer:
            return answer.status, await answer.json()

    try:
        async with aiohttp.ClientSession() as session:
            assert (await ask("GET"))[1]["triggers"] == ["invoice.paid", *(name for name in EVENTS if name != "invoice.paid")]
            status, said = await ask("POST", {"event": "invoice.paid"})
            assert (status, said["event"], said["made"]["invoice"][:3]) == (200, "invoice.paid", "in_")
            assert "there is invoice.paid" in (await ask("POST", {"event": "invoice.payd"}))[1]["error"]
            assert (await ask("POST", ["invoice.paid"]))[0] == 400
    finally:
        await sandbox.stop()


async def test_a_running_clock_shows_the_time_of_day_and_keeps_what_it_was_moved_on() -> None:
    sandbox = StripeSandbox()
    begin = sandbox.now
    await sandbox.start()
    try:
        sandbox.run_clock()
        await asyncio.sleep(0)  # the clock's task begins with moving it
        assert sandbox.now > begin
        moved_to = sandbox.now + 86_400
        sandbox.advance(86_400)
        await asyncio.sleep(0)
        assert sandbox.now >= moved_to
    finally:
        await sandbox.stop()
