"""How streams end, and what is done then: sessions, topics and servers that are gone, listeners that leave."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from counterfoil.connectors.salesforce import CONNECTOR
from counterfoil.connectors.salesforce.sandbox import SalesforceSandbox
from counterfoil.kit.errors import SetupError, TransientError
from counterfoil.kit.sandbox import Fault

from .sandboxed import SOURCE, heard, listening, opened


async def test_a_session_that_ends_is_renewed_and_no_event_is_lost() -> None:
    sandbox = SalesforceSandbox()
    async with opened(sandbox) as plain:
        ctx = listening(plain, sandbox)
        _, stands = await heard(ctx, count=0)
        sandbox.sessions.end_all()
        account = sandbox.create("Account", Name="Blue Harbor")
        found, _ = await heard(ctx, stands.cursor)
        assert ([one.shard_key for one in found], sandbox.sessions.issued) == ([account.id], 2)
        sandbox.sessions.end_all()
        sandbox.sessions.is_blocked = True
        with pytest.raises(SetupError) as refused:
            await heard(ctx, stands.cursor)
        assert refused.value.code == "salesforce.login_refused"


async def test_a_stream_whose_session_ends_time_and_again_goes_on_as_long_as_it_tells_something_between() -> None:
    sandbox = SalesforceSandbox()
    made: list[str] = []
    seen: list[str] = []
    async with opened(sandbox) as plain:
        ctx = listening(plain, sandbox)
        _, stands = await heard(ctx, count=0)
        async with asyncio.timeout(20), aclosing(SOURCE.listen(ctx, stands.cursor)) as stream:
            async for page in stream:
                seen += [one.shard_key for one in page.deliveries]
                if len(seen) == 3:
                    break
                if len(seen) == len(made):
                    sandbox.sessions.end_all()
                    made.append(sandbox.create("Account", Name=f"Company {len(made)}").id)
        assert seen == made


async def test_a_session_that_ends_at_once_again_is_the_owners_to_mend_and_asks_no_third_time() -> None:
    sandbox = SalesforceSandbox()
    sandbox.sessions.life_s = 0.0
    async with opened(sandbox) as plain:
        with pytest.raises(SetupError) as ended:
            await heard(listening(plain, sandbox))
        assert (ended.value.code, sandbox.sessions.issued) == ("salesforce.session_ended", 2)


async def test_a_topic_that_is_not_there_is_told_with_what_to_do() -> None:
    sandbox = SalesforceSandbox()
    async with opened(sandbox) as plain:
        ctx = listening(plain, sandbox, change_topic="/data/Nothing__chn")
        with pytest.raises(SetupError, match="Change Data Capture") as refused:
            await heard(ctx)
        assert refused.value.code == "salesforce.topic_refused"


async def test_a_server_that_is_away_is_tried_again_by_whoever_listens() -> None:
    sandbox = SalesforceSandbox()
    async with opened(sandbox) as plain:
        ctx = listening(plain, sandbox)
        sandbox.switch.faults.append(Fault("status", path="^GRPC .*/Subscribe"))
        with pytest.raises(TransientError) as away:
            await heard(ctx)
        assert away.value.is_unavailable
        await heard(ctx, count=0)


async def test_a_listener_that_is_left_leaves_no_stream_open() -> None:
    sandbox = SalesforceSandbox()
    async with opened(sandbox) as plain:
        ctx = listening(plain, sandbox)
        await heard(ctx, count=0)
        assert sandbox.pubsub is not None
        for _ in range(50):
            if not sandbox.pubsub.open:
                break
            await asyncio.sleep(0.05)
        assert sandbox.pubsub.open == 0


async def test_a_connection_without_an_address_is_not_listened_to() -> None:
    async with opened(SalesforceSandbox()) as ctx:
        assert not CONNECTOR.is_streamed(ctx.settings)
        assert CONNECTOR.is_streamed(ctx.settings.model_copy(update={"pubsub_address": "api.pubsub.salesforce.com:7443"}))
