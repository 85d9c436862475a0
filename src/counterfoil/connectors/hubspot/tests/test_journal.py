"""The webhooks journal: what it tells, what becomes of what cannot be read, and what happens when its three days ran out."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from counterfoil.connectors.hubspot import CONNECTOR
from counterfoil.connectors.hubspot.pull import JOURNAL
from counterfoil.connectors.hubspot.sandbox import HubspotSandbox
from counterfoil.core.facts.merge import Current
from counterfoil.core.kinds.company import Company
from counterfoil.core.kinds.contact import Contact, ContactState
from counterfoil.kit.connector import Delivery, Ignored
from counterfoil.kit.context import Context
from counterfoil.kit.errors import RejectedError

from .sandboxed import SOURCE, facts_of, later, opened, polled, states, walk


def of_journal(deliveries: list[Delivery]) -> list[Delivery]:
    return [one for one in deliveries if "/journal/" in one.dedupe_key]


async def test_the_journal_tells_of_an_erased_contact() -> None:
    sandbox = HubspotSandbox()
    async with opened(sandbox, client_id=sandbox.client_id) as ctx:
        mira = sandbox.create("contacts", firstname="Mira", email="mira@blueharbor.example")
        current: dict[str, Current] = {}
        deliveries, cursor = await polled(ctx)
        states(await facts_of(ctx, deliveries), current)
        sandbox.erase(mira)
        later(sandbox, ctx)
        deliveries, cursor = await polled(ctx, cursor)
        found = states(await facts_of(ctx, deliveries), current)
        assert [one.kind for one in deliveries] == ["contact.privacyDeletion", "contact.deletion"]
        assert found[f"contact/hubspot:4711.{mira.id}"] == Contact(f"hubspot:4711.{mira.id}", "", ContactState.ERASED)


async def test_the_journal_is_read_from_its_newest_entry_on_with_one_token_as_long_as_that_lasts() -> None:
    sandbox = HubspotSandbox()
    async with opened(sandbox, client_id=sandbox.client_id) as ctx:
        for name in ("Blue Harbor", "Green Hill"):
            sandbox.create("companies", name=name)
            sandbox.journal.kept()  # whoever asks closes the entry
        deliveries, cursor = await polled(ctx)
        sandbox.create("companies", name="Red Dune")
        more, _ = await polled(ctx, cursor)
    told = [[one.shard_key for one in several if "/journal/" in one.dedupe_key] for several in (deliveries, more)]
    first, second, third = (record.id for record in sandbox.world.records.values())
    assert first != second
    assert told == [[second], [third]]
    assert len(sandbox.client_tokens) == 1


async def test_an_event_of_the_journal_that_cannot_be_read_is_kept_and_stops_no_other() -> None:
    sandbox = HubspotSandbox()
    async with opened(sandbox, client_id=sandbox.client_id) as ctx:
        sandbox.create("companies", name="Blue Harbor")
        sandbox.journal.entries[-1].events += [
            {"action": "CREATE"},
            {"action": "GDPR_DELETE", "portalId": 4711, "occurredAt": "2026-01-01T00:00:00Z", "objectId": 9},
            {"action": "ADDED_TO_LIST", "portalId": 4711, "occurredAt": "2026-01-01T00:00:00Z", "objectId": 9, "objectTypeId": "0-1"},
            {"action": "APP_INSTALL", "portalId": 4711, "occurredAt": "2026-01-01T00:00:00Z"},
            {"action": "CREATE", "portalId": 815, "occurredAt": "2026-01-01T00:00:00Z", "objectId": 9, "objectTypeId": "0-1"},
        ]
        deliveries = [one for one in (await polled(ctx))[0] if "/journal/" in one.dedupe_key]
    assert [(one.kind, bool(one.parked)) for one in deliveries] == [
        ("company.creation", False),
        ("journal.event", True),
        ("contact.privacyDeletion", False),
        ("contact.ADDED_TO_LIST", False),
        ("other.APP_INSTALL", False),
    ]
    rules = [SOURCE.normalize(ctx.settings, one, {}) for one in deliveries[3:]]
    assert rules == [Ignored("list_membership_is_not_kept"), Ignored("object_type_is_not_read")]


async def test_a_journal_that_ran_out_is_a_case_that_says_since_when_and_goes_on_at_its_oldest_entry() -> None:
    sandbox = HubspotSandbox()
    async with opened(sandbox, client_id=sandbox.client_id) as ctx:
        sandbox.create("companies", name="Blue Harbor")
        _, cursor = await polled(ctx)
        left_at = ctx.clock.now()
        sandbox.create("companies", name="Green Hill")  # what it tells of this is kept no more when the hub is back
        later(sandbox, ctx, 4 * 86_400)
        third = sandbox.create("companies", name="Red Dune")
        later(sandbox, ctx)
        deliveries, cursor = await polled(ctx, cursor)
        gap, *rest = of_journal(deliveries)
        assert (gap.kind, [one.shard_key for one in rest]) == ("journal.gap", [third.id])
        with pytest.raises(RejectedError, match=f"told since {left_at:%Y-%m-%d %H:%M} UTC is kept no more") as told:
            SOURCE.normalize(ctx.settings, gap, {})
        assert (told.value.code, told.value.remedy[-16:]) == ("hubspot.journal_gap", "waive this case.")
        assert SOURCE.needs(gap) == ()
        # What lay in the gap is told by the searches, in the same round.
        told_of = states(await facts_of(ctx, [one for one in deliveries if one is not gap]))
        assert {one.name for one in told_of.values() if isinstance(one, Company)} >= {"Green Hill", "Red Dune"}
        assert of_journal((await polled(ctx, cursor))[0]) == []


async def test_a_gap_after_which_nothing_has_happened_yet_is_one_case_however_often_it_is_found() -> None:
    sandbox = HubspotSandbox()
    async with opened(sandbox, client_id=sandbox.client_id) as ctx:
        sandbox.create("companies", name="Blue Harbor")
        _, cursor = await polled(ctx)
        later(sandbox, ctx, 4 * 86_400)
        first, cursor = await polled(ctx, cursor)
        later(sandbox, ctx, 60)
        second, _ = await polled(ctx, cursor)
    assert [(one.dedupe_key, one.body) for one in of_journal(first)] == [(one.dedupe_key, one.body) for one in of_journal(second)]


async def test_the_journal_tells_for_how_long_it_can_still_be_read_on() -> None:
    sandbox = HubspotSandbox()
    assert CONNECTOR.streams is not None
    async with opened(sandbox, client_id=sandbox.client_id) as ctx:
        journal = CONNECTOR.streams(ctx.settings)[JOURNAL]
        for number in range(3):
            sandbox.create("companies", name=f"Company {number}")
            sandbox.journal.kept()
        _, page = await walk(lambda at: journal.poll(ctx, at))
        at = ctx.clock.now()
        assert page.recoverable_since == at - timedelta(days=3)
        assert page.covers_until == _whole(at) - timedelta(seconds=300)
        sandbox.create("companies", name="Red Dune")
        page = await journal.poll(ctx, page.cursor)
        assert (page.covers_until, page.has_more) == (None, True)  # it is covered once its end is reached


def _whole(at: datetime) -> datetime:
    return at.replace(microsecond=0)


async def test_a_place_that_an_older_program_kept_goes_on() -> None:
    sandbox = HubspotSandbox()
    assert CONNECTOR.streams is not None
    async with opened(sandbox, client_id=sandbox.client_id) as ctx:
        sandbox.create("companies", name="Blue Harbor")
        sandbox.journal.kept()
        company = sandbox.create("companies", name="Red Dune")
        offset = sandbox.journal.entries[0].offset
        page = await _journal(ctx, f'{{"offset":"{offset}"}}')
        assert [one.shard_key for one in page] == [company.id]


async def _journal(ctx: Context, cursor: str) -> list[Delivery]:
    assert CONNECTOR.streams is not None
    return (await walk(lambda at: CONNECTOR.streams(ctx.settings)[JOURNAL].poll(ctx, at), cursor))[0]  # type: ignore[misc]
