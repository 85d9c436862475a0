"""Checks on a source's calls: poll, backfill and fetch against the sandbox, with and without faults."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from counterfoil.kit.conformance.check import Check, CheckedPart, ConformanceError, can_backfill, can_fetch, can_poll, require
from counterfoil.kit.conformance.harness import Harness, opened
from counterfoil.kit.conformance.normalizing import source_of
from counterfoil.kit.conformance.together import Together
from counterfoil.kit.connector import Backfills, Delivery, Page, Polls
from counterfoil.kit.errors import TransientError
from counterfoil.kit.sandbox import Fault

PAGES_MAX = 200
NAME_MAX = 100
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def polls_of(harness: Harness) -> Polls:
    """Return what lists the connector's changes: all its lists as one."""
    if not harness.connector.is_polled:
        raise ConformanceError("the connector lists no changes")
    return Together(harness.connector)


def backfills_of(harness: Harness) -> Backfills:
    """Return what lists the connector's history."""
    backfills = harness.connector.backfills
    if backfills is None:
        raise ConformanceError("the connector lists no history")
    return backfills


async def polling_sees_changes(kind: type[Harness]) -> None:
    """Pages are bounded, the cursor advances, a change is seen, and polling from the end brings nothing new."""
    async with opened(kind) as (harness, ctx):
        polls = polls_of(harness)
        before, cursor = await _walk(harness, lambda c: polls.poll(ctx, c))
        await harness.change(ctx)
        after, end = await _walk(harness, lambda c: polls.poll(ctx, c), cursor)
        known = {d.dedupe_key for d in before}
        require({d.dedupe_key for d in after} - known, "a change in the sandbox was not seen by the next poll")
        again, _ = await _walk(harness, lambda c: polls.poll(ctx, c), cursor)
        require(_keys(again) == _keys(after), "polling again from the same cursor gives other dedupe keys")
        rest, _ = await _walk(harness, lambda c: polls.poll(ctx, c), end)
        new = _keys(rest) - _keys(after) - known
        require(not new, f"nothing changed, but polling from the end brought {sorted(new)[:3]}")


async def every_list_goes_by_itself(kind: type[Harness]) -> None:
    """Lists have names that fit and are the same each time, and each is read to its end from its own cursor alone."""
    async with opened(kind) as (harness, ctx):
        lists = harness.connector.lists_of_changes(ctx.settings)
        require(lists, "a connector that polls names no list of changes")
        require([*lists] == [*harness.connector.lists_of_changes(ctx.settings)], "the lists of changes are others each time")
        wrong = [name for name in lists if len(name) > NAME_MAX or (harness.connector.streams is not None and not name.strip())]
        require(not wrong, f"a list of changes needs a name of at most {NAME_MAX} characters: {wrong}")
        await harness.change(ctx)
        for polls in lists.values():
            _, end = await _walk(harness, lambda c, polls=polls: polls.poll(ctx, c))  # type: ignore[misc]
            await _walk(harness, lambda c, polls=polls: polls.poll(ctx, c), end)  # type: ignore[misc]


async def polled_deliveries_normalize(kind: type[Harness]) -> None:
    """What a poll brings normalizes with what it needs, fetched from the sandbox."""
    async with opened(kind) as (harness, ctx):
        source, polls = source_of(harness), polls_of(harness)
        await harness.change(ctx)
        deliveries, _ = await _walk(harness, lambda c: polls.poll(ctx, c))
        for delivery in deliveries:
            if not delivery.parked:
                fetched = {f.ref: f for f in await source.fetch(ctx, source.needs(delivery))}
                source.normalize(ctx.settings, delivery, fetched)


async def backfill_ends(kind: type[Harness]) -> None:
    """Every kind is listed to its end in bounded pages, the same way twice."""
    async with opened(kind) as (harness, ctx):
        backfills = backfills_of(harness)
        await harness.change(ctx)
        kinds = backfills.backfill_kinds()
        require(len(set(kinds)) == len(kinds), f"backfill kinds repeat: {kinds}")
        for name in kinds:

            def fetch(cursor: str, name: str = name) -> Awaitable[Page]:
                return backfills.backfill(ctx, name, EPOCH, cursor)

            first, _ = await _walk(harness, fetch)
            again, _ = await _walk(harness, fetch)
            require(_keys(first) == _keys(again), f"{name}: listing it twice gives other dedupe keys")


async def fetch_answers_every_reference(kind: type[Harness]) -> None:
    """One answer per reference; an object that does not exist is answered with an empty body, not an error."""
    async with opened(kind) as (harness, ctx):
        source, polls = source_of(harness), polls_of(harness)
        await harness.change(ctx)
        deliveries, _ = await _walk(harness, lambda c: polls.poll(ctx, c))
        refs = sorted({ref for d in deliveries if not d.parked for ref in source.needs(d)})[:50]
        if harness.missing_ref:
            refs.append(harness.missing_ref)
        answers = await source.fetch(ctx, refs)
        require(sorted(a.ref for a in answers) == sorted(refs), f"asked for {sorted(refs)}, got {sorted(a.ref for a in answers)}")
        require(all(a.fetched_at.tzinfo for a in answers), "fetched_at must be an aware instant")
        for answer in answers:
            if answer.ref == harness.missing_ref:
                require(answer.body is None, f"{answer.ref} does not exist, but has a body")
        require(not await source.fetch(ctx, ()), "asked for nothing, got something")


async def faults_lose_nothing(kind: type[Harness]) -> None:
    """Polling through dropped, cut and refused answers raises TransientError at most, and brings the same once they end."""
    async with opened(kind) as (harness, ctx):
        polls, switch = polls_of(harness), harness.switch()
        if switch is None:
            return
        await harness.change(ctx)
        calm, _ = await _walk(harness, lambda c: polls.poll(ctx, c))
        for fault in ("drop_before", "drop_after", "truncate_after", "status"):
            switch.faults.append(Fault(fault, path=harness.read_path, times=1))
            rough = await _walk_through(harness, lambda c: polls.poll(ctx, c))
            switch.faults.clear()
            require(_keys(rough) >= _keys(calm), f"after {fault} some deliveries never came: {sorted(_keys(calm) - _keys(rough))[:3]}")


async def _walk(harness: Harness, fetch: Callable[[str], Awaitable[Page]], cursor: str = "") -> tuple[list[Delivery], str]:
    """Return all deliveries from the cursor on, and the last cursor; keys are unique over the walk."""
    found: list[Delivery] = []
    for _ in range(PAGES_MAX):
        page = await fetch(cursor)
        require(len(page.deliveries) <= harness.page_size_max, f"a page holds {len(page.deliveries)}, allowed are {harness.page_size_max}")
        require(not page.has_more or page.cursor != cursor, "the cursor does not advance though there is more")
        found.extend(page.deliveries)
        cursor = page.cursor
        if not page.has_more:
            keys = [d.dedupe_key for d in found]
            require(len(set(keys)) == len(keys), "a dedupe key repeats within one walk: two deliveries would become one")
            return found, cursor
    require(condition=False, words=f"the list does not end after {PAGES_MAX} pages")
    return found, cursor


async def _walk_through(harness: Harness, fetch: Callable[[str], Awaitable[Page]]) -> list[Delivery]:
    """Walk as a worker would: after a TransientError try the same cursor again."""

    async def patient(cursor: str) -> Page:
        for _ in range(10):
            try:
                return await fetch(cursor)
            except TransientError:
                continue
        return await fetch(cursor)

    found, _ = await _walk(harness, patient)
    return found


def _keys(deliveries: list[Delivery]) -> set[str]:
    return {d.dedupe_key for d in deliveries}


def can_fail(harness: Harness) -> bool:
    """Whether the sandbox can be made to fail."""
    return can_poll(harness) and harness.switch() is not None


CHECKS = (
    Check("every_list_of_changes_goes_by_itself", CheckedPart.READS, every_list_goes_by_itself, can_poll),
    Check("polling_sees_changes_in_bounded_pages", CheckedPart.READS, polling_sees_changes, can_poll),
    Check("polled_deliveries_normalize_with_what_they_need", CheckedPart.READS, polled_deliveries_normalize, can_poll),
    Check("backfill_lists_every_kind_to_its_end", CheckedPart.READS, backfill_ends, can_backfill),
    Check("fetch_answers_every_reference_once", CheckedPart.READS, fetch_answers_every_reference, can_fetch),
    Check("faults_while_reading_lose_nothing", CheckedPart.PROVEN, faults_lose_nothing, can_fail),
)
