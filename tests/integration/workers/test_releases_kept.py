"""What a release keeps out and keeps: contradictions, connections still written to, rollbacks, files that lack what it needs."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from tests.integration.workers.release_site import NEW, NEWER, NOW, Site, says, site, takes_up, until

from counterfoil.app import releasing, ruling
from counterfoil.app.rules import body_of, declared_rules
from counterfoil.app.settings import parse
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.engine import membership
from counterfoil.kit.errors import SetupError
from counterfoil.store import mappings, modes, outbox, releases
from counterfoil.store.errors import StoreError
from counterfoil.store.pool import Pool
from counterfoil.store.releases import ReleaseOrigin

__all__ = ["site"]

MORE = ('[[routes]]\nentity = "de"', '[connections.other]\nconnector = "files"\ninbox = "HOME/i"\noutbox = "HOME/o"\nnamespace = "o"\n'
        '[entities.fr]\ntarget = "other"\ncurrency = "EUR"\ntime_zone = "Europe/Paris"\n[[routes]]\nentity = "de"')  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ((), "rules.contradict"),
        ((MORE, ('Europe/Paris"', 'Europe/Paris"\nposting = "summary"')), "settings.posting_changed"),
        ((MORE, ('currency = "EUR"\ntime_zone = "Europe/Paris"', 'currency = "CHF"\ntime_zone = "Europe/Paris"')), "rules.contradict"),
    ],
    ids=["gone", "mode", "currency"],
)
async def test_for_later_nothing_is_released_that_what_is_booked_until_then_could_contradict(
    site: Site, changes: tuple[tuple[str, str], ...], code: str
) -> None:
    hub = await site.start(site.file(MORE))
    body = body_of(parse(site.file(*changes)))
    with pytest.raises(SetupError) as refused:
        await releasing.release_body(hub, body, site.ask(effective_from=NOW + timedelta(days=3)))
    assert refused.value.code == code
    assert (await releasing.release_body(hub, body, site.ask())).version == 2  # at once: nothing is booked


async def test_a_connection_that_something_is_still_to_be_written_to_stays_declared(site: Site) -> None:
    hub = await site.start(site.file(MORE))
    await hub.stop_work()
    wish = outbox.NewCommand(f"{1:032x}", "post_invoice", "other", "fr", "fr", INVOICE.ref("shop:1"), "invoice_shop.1", b"{}")
    async with hub.pool.connection() as conn, conn.transaction():
        await outbox.wish(conn, hub.cipher, [wish], NOW)
    with pytest.raises(SetupError, match=r"connections\.other: .*invoice_shop\.1 is still to be written there") as refused:
        await releasing.release_body(hub, body_of(parse(site.file())), site.ask())
    assert refused.value.code == "rules.contradict"


async def test_a_rollback_is_a_release_of_its_own_with_the_body_of_before(site: Site) -> None:
    hub = await site.start(site.file())
    await releasing.release_body(hub, body_of(parse(site.file(NEW))), site.ask())
    made = await releasing.roll_back(hub, None, site.ask(note="wrong rate"))
    await takes_up(3, hub)
    known, _ = await releasing.listed(hub, site.clock.now())
    assert (made.origin, made.note, made.body) == (ReleaseOrigin.ROLLBACK, "wrong rate", known[0].body)
    assert await says(hub) == (3, "VAT 7")
    with pytest.raises(SetupError) as refused:
        await releasing.roll_back(hub, 7, site.ask())
    assert refused.value.code == "rules.unknown"


async def test_a_version_determines_the_release_and_the_mappings_people_had_set_by_then(site: Site) -> None:
    hub = await site.start(site.file())

    async def version() -> int:
        async with hub.pool.connection() as conn:
            return (await hub.rules.current(conn)).version

    async def shaped(number: int) -> tuple[int, dict[tuple[str, str, str], str]]:
        async with hub.pool.connection() as conn:
            found = await releases.shaped_by(conn, number)
            assert found is not None
            return found.release, found.mappings

    first = await version()
    async with hub.pool.connection() as conn, conn.transaction():
        await mappings.set_mappings(conn, [mappings.Mapping("tax", "de", "19|exclusive", "VAT 19")], "ben", NOW)
    second = await version()
    async with hub.pool.connection() as conn, conn.transaction():
        await mappings.set_mappings(conn, [mappings.Mapping("tax", "de", "19|exclusive", "USt 19")], "ben", NOW)
    third = await version()
    await releasing.release_body(hub, body_of(parse(site.file(NEW))), site.ask())
    await takes_up(2, hub)
    fourth = await version()
    assert first < second < third < fourth
    key = ("tax", "de", "19|exclusive")
    assert [await shaped(one) for one in (first, second, third, fourth)] == [
        (1, {}),
        (1, {key: "VAT 19"}),
        (1, {key: "USt 19"}),
        (2, {key: "USt 19"}),
    ]


async def test_a_version_that_was_undone_with_what_was_read_beside_it_is_not_carried_by_what_is_decided_next(site: Site) -> None:
    hub = await site.open(site.file())
    await (await site.start(site.file())).stop_work()
    await ruling.follow(hub)
    async with hub.pool.connection() as conn:
        await hub.rules.current(conn)
        await conn.rollback()
    async with hub.pool.connection() as conn:
        rules = await hub.rules.current(conn)
        assert await releases.shaped_by(conn, rules.version) is not None
    async with hub.pool.connection() as conn:
        assert (await hub.rules.current(conn)).version == rules.version


async def test_a_released_version_is_not_changed_and_a_body_that_is_not_its_digest_is_decided_by_by_nobody(site: Site, pool: Pool) -> None:
    hub = await site.start(site.file())
    await hub.stop_work()
    async with pool.connection() as conn:
        for statement in ("update rules_release set body = '{}'", "update rules_release set note = 'x'", "delete from rules_release"):
            with pytest.raises(psycopg.errors.RestrictViolation):
                await conn.execute(statement)
            await conn.rollback()
        await conn.execute("alter table rules_release disable trigger rules_release_stays")
        await conn.execute("""update rules_release set body = replace(body, 'VAT 7', 'VAT 0')""")
    with pytest.raises(StoreError) as refused:
        await hub.start_work("web1")
    assert refused.value.code == "store.release_differs"


async def test_a_worker_whose_file_lacks_what_the_release_writes_to_does_not_decide(site: Site) -> None:
    hub = await site.start(site.file())
    more = ('[[routes]]\nentity = "de"', '[connections.other]\nconnector = "files"\ninbox = "HOME/i"\noutbox = "HOME/o"\nnamespace = "o"\n'
            '[entities.fr]\ntarget = "other"\ncurrency = "EUR"\ntime_zone = "Europe/Paris"\n[[routes]]\nentity = "de"')  # fmt: skip
    await releasing.release_body(hub, body_of(parse(site.file(more))), site.ask())

    async def waits() -> bool:
        return hub.member is not None and not hub.member.is_agreed

    await until(waits)
    assert hub.rules.release == 1
    with pytest.raises(SetupError, match="rules release 2 writes to other") as refused:
        await site.start(site.file(), "web2")
    assert refused.value.code == "rules.connection_missing"
    whole = await site.start(site.file(more), "web3")
    await takes_up(2, whole)
    await releasing.roll_back(whole, None, site.ask())
    await takes_up(3, hub, whole)


async def test_a_start_with_a_file_that_contradicts_what_is_booked_releases_nothing(site: Site, pool: Pool) -> None:
    await (await site.start(site.file(approval="none"))).stop_work()
    async with pool.connection() as conn:
        await modes.remember(conn, [("de", "detailed")], NOW)
    with pytest.raises(SetupError) as refused:
        await site.start(site.file(('currency = "EUR"', 'currency = "EUR"\nposting = "summary"'), approval="none"))
    assert refused.value.code == "settings.posting_changed"
    again = await site.start(site.file(approval="none"), "web2")
    known, _ = await releasing.listed(again, site.clock.now())
    assert [one.version for one in known] == [1]


async def test_a_program_of_before_that_declares_its_file_gives_way_to_a_release_and_works_beside_one_that_says_the_same(
    site: Site, database: str
) -> None:
    hub = await site.start(site.file())
    same = await membership.join(database, "same", declared=declared_rules(parse(site.file())))
    other = await membership.join(database, "other", declared=declared_rules(parse(site.file(NEW))))
    assert (same.is_agreed, other.is_agreed) == (True, False)
    await releasing.release_body(hub, body_of(parse(site.file(NEWER))), site.ask())
    for _ in range(200):
        for member in (same, other):
            await member.beat()
        if hub.rules.release == 2 and hub.member is not None and hub.member.is_agreed:
            break
        await asyncio.sleep(0.05)
    assert (hub.rules.release, same.is_agreed, other.is_agreed) == (2, False, False)
    for member in (same, other):
        await member.leave()


async def test_a_connection_is_read_once_it_is_released(site: Site) -> None:
    await (await site.start(site.file())).stop_work()
    more = ('[[routes]]\nentity = "de"', '[connections.shop]\nconnector = "files"\ninbox = "HOME/i"\noutbox = "HOME/o"\nnamespace = "s"\n'
            '[[routes]]\nentity = "de"')  # fmt: skip
    text = site.file(more).replace("HOME", str(site.home))
    hub = await site.start(text)
    assert ("shop" in hub.polled, hub.knows("poll", "shop"), hub.knows("normalize", "shop")) == (False, False, False)
    await releasing.release_body(hub, body_of(parse(text)), site.ask())
    await takes_up(2, hub)
    assert "shop" in hub.polled

    async def is_looked_at() -> bool:
        async with hub.pool.connection() as conn:
            return await (await conn.execute("select 1 from work where stage = 'poll' and key = 'shop'")).fetchone() is not None

    await until(is_looked_at)


async def test_what_a_release_does_not_shape_stays_the_files(site: Site) -> None:
    await (await site.start(site.file())).stop_work()
    hub = await site.start(site.file((f"{site.home}/inbox", f"{site.home}/elsewhere"), ('namespace = "files"', 'namespace = "other"')))
    settings = hub.contexts["books"].settings
    assert (Path(settings.inbox).name, settings.namespace) == ("elsewhere", "files")
    assert "connections.books.namespace" in hub.rules_notice
