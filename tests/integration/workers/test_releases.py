"""Workers decide by the release in force, whatever their files say; all of them take up another one before any decides by it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from counterfoil.app import releasing, ruling
from counterfoil.app.hub import Hub, open_hub, wait_until
from counterfoil.app.releasing import ReleaseRequest
from counterfoil.app.rules import body_of, declared_rules
from counterfoil.app.ruling import Ruling
from counterfoil.app.settings import parse
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.policies.rules import MappingKey, MappingKind
from counterfoil.engine import membership
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.errors import SetupError
from counterfoil.store import dump, mappings, modes, outbox, releases, workers
from counterfoil.store.errors import StoreError
from counterfoil.store.pool import Conn, Pool, connect
from counterfoil.store.releases import ReleaseOrigin

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
SEVEN = MappingKey(MappingKind.TAX, "de", "7|exclusive")
FILE = """
[hub]
home = "HOME"
database_url = "DATABASE"
[rules]
approval = "APPROVAL"
[entities.de]
target = "books"
currency = "EUR"
time_zone = "Europe/Berlin"
[connections.books]
connector = "files"
inbox = "HOME/inbox"
outbox = "HOME/outbox"
namespace = "files"
[[routes]]
entity = "de"
[mappings.tax.de]
"7|exclusive" = "VAT 7"
"""


class Site:
    """Hubs on one database, each with a file of its own."""

    def __init__(self, stack: AsyncExitStack, home: Path, database: str) -> None:
        self.stack, self.home, self.database = stack, home, database
        self.clock = SettableClock(NOW)

    def file(self, *changes: tuple[str, str], approval: str = "self") -> str:
        """Return the configuration file with parts of it replaced."""
        text = FILE.replace("HOME", str(self.home)).replace("DATABASE", self.database).replace("APPROVAL", approval)
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        return text

    async def open(self, text: str) -> Hub:
        """Open a hub with a file, not at work yet."""
        return await self.stack.enter_async_context(open_hub(parse(text), self.clock))

    async def start(self, text: str, name: str = "web1") -> Hub:
        """Return a hub at work with a file."""
        hub = await self.open(text)
        await hub.start_work(name)
        return hub

    def ask(self, actor: str = "ann", **more: object) -> ReleaseRequest:
        """Return what a person asks for now."""
        return replace(ReleaseRequest(actor, self.clock.now()), **more)  # type: ignore[arg-type]


NEW = ('"VAT 7"', '"VAT 7 %"')
NEWER = ('"VAT 7"', '"USt 7"')


@pytest.fixture
async def site(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(membership, "BEAT_EVERY_S", 0.1)
    monkeypatch.setattr(membership, "WAITING_BEAT_EVERY_S", 0.1)
    async with AsyncExitStack() as stack:
        yield Site(stack, tmp_path, database)


async def says(hub: Hub) -> tuple[int, str]:
    """Return the release a hub decides by, and what its rules make of 7 %."""
    async with hub.pool.connection() as conn:
        return hub.rules.release, (await hub.rules.current(conn)).mappings[SEVEN]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    assert await wait_until(condition, timeout_s=20.0, every_s=0.05), "it never came to pass"


async def takes_up(version: int, *hubs: Hub) -> None:
    """Wait until hubs decide, by a version."""

    async def all_do() -> bool:
        return all(hub.rules.release == version and hub.member is not None and hub.member.is_agreed for hub in hubs)

    await until(all_do)


async def test_the_first_start_of_a_hub_makes_its_file_the_first_release(site: Site) -> None:
    hub = await site.start(site.file())
    known, held = await releasing.listed(hub, site.clock.now())
    assert held is not None
    assert [(one.version, one.origin, one.approved_by) for one in known] == [(1, ReleaseOrigin.START, "configuration")]
    assert json.loads(held.body)["mappings"] == {"tax": {"de": {"7|exclusive": "VAT 7"}}}
    assert (await says(hub), hub.rules_notice) == ((1, "VAT 7"), "")


async def test_two_workers_with_an_old_and_a_new_file_both_decide_by_the_release_and_take_up_the_next_one(site: Site) -> None:
    old = await site.start(site.file(), "web1")
    new = await site.start(site.file(NEW), "web2")
    await takes_up(1, old, new)
    assert [await says(old), await says(new)] == [(1, "VAT 7"), (1, "VAT 7")]
    assert "differs from rules release 1, by which everything is decided: mappings.tax.de.7|exclusive" in new.rules_notice
    made = await releasing.release_body(old, body_of(new.file), site.ask())
    assert (made.version, made.proposed_by, made.released_by) == (2, "ann", "ann")
    await takes_up(2, old, new)
    assert [await says(old), await says(new)] == [(2, "VAT 7 %"), (2, "VAT 7 %")]


async def test_where_no_approval_is_asked_for_a_start_with_a_changed_file_releases_it(site: Site) -> None:
    await (await site.start(site.file(approval="none"))).stop_work()
    changed = await site.start(site.file(NEW, approval="none"))
    assert await says(changed) == (2, "VAT 7 %")
    await changed.stop_work()
    back = await site.start(site.file(approval="none"))  # alone: the file of before holds again
    assert await says(back) == (3, "VAT 7")


async def test_a_start_with_a_file_of_before_undoes_nothing_while_others_work(site: Site) -> None:
    first = site.file(approval="none")
    await (await site.start(first)).stop_work()
    await site.start(site.file(NEW, approval="none"))
    late = await site.start(first, "web2")
    assert await says(late) == (2, "VAT 7 %")
    assert "differs from rules release 2" in late.rules_notice


async def test_a_start_undoes_no_rollback(site: Site) -> None:
    await (await site.start(site.file(approval="none"))).stop_work()
    changed = await site.start(site.file(NEW, approval="none"))
    await releasing.roll_back(changed, None, site.ask())
    await changed.stop_work()
    again = await site.start(site.file(NEW, approval="none"))
    assert await says(again) == (3, "VAT 7")
    assert "differs from rules release 3" in again.rules_notice


async def test_a_file_changed_again_undoes_no_rollback_while_it_still_says_what_was_rolled_back(site: Site) -> None:
    await (await site.start(site.file(approval="none"))).stop_work()
    changed = await site.start(site.file(NEW, approval="none"))
    await releasing.roll_back(changed, None, site.ask())
    await changed.stop_work()
    more = ('entity = "de"', 'entity = "de"\ncountry = "DE"')
    again = await site.start(site.file(NEW, more, approval="none"))
    assert await says(again) == (3, "VAT 7")
    assert "a start of a worker with it" not in again.rules_notice
    await again.stop_work()
    assert await says(await site.start(site.file(NEWER, more, approval="none"))) == (4, "USt 7")


async def test_a_start_after_the_only_worker_was_killed_finds_nobody_at_work(site: Site, database: str) -> None:
    await (await site.start(site.file(approval="none"))).stop_work()
    await (await site.start(site.file(NEW, approval="none"))).stop_work()
    async with await connect(database) as conn:
        killed = await workers.join(conn, "web1", "here", "1", "")  # its row stays, and nobody holds its name
        assert killed.waits_since is None
    assert await says(await site.start(site.file(approval="none"))) == (3, "VAT 7")


async def test_a_worker_cut_off_while_it_takes_up_a_release_takes_it_up_with_its_next_beat(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut, other = await site.start(site.file(), "web1"), await site.start(site.file(), "web2")
    failed: list[str] = []
    original = workers.change_rules

    async def change_rules(conn: Conn, id: str, rules: str) -> None:
        if cut.member is not None and id == cut.member.id and not failed:
            failed.append(id)
            raise OSError("the connection was lost")
        await original(conn, id, rules)

    monkeypatch.setattr(workers, "change_rules", change_rules)
    await releasing.release_body(cut, body_of(parse(site.file(NEW))), site.ask())
    await takes_up(2, cut, other)
    assert failed
    async with cut.pool.connection() as conn:
        assert await (await conn.execute("select count(distinct rules) from worker")).fetchone() == (1,)


async def test_a_worker_that_decides_by_a_former_release_leaves_what_follows_to_another_and_looks_again_at_once(site: Site) -> None:
    hub = await site.open(site.file())
    await hub.start_work("web1")
    former = hub.rules.release
    await hub.stop_work()
    async with hub.pool.connection() as conn:
        await conn.execute("update rules_release set applied_at = null")
    await releasing.release_body(hub, body_of(parse(site.file(NEW))), site.ask())
    turn = await Ruling(hub).turn("all")
    assert (hub.rules.release, turn.has_more, turn.wake_in_s) == (former, False, 1.0)
    async with hub.pool.connection() as conn:
        assert await (await conn.execute("select count(*) from rules_release where applied_at is not null")).fetchone() == (0,)


async def test_a_database_in_which_a_hub_was_merely_started_holds_nothing(site: Site, pool: Pool) -> None:
    await (await site.start(site.file())).stop_work()
    async with pool.connection() as conn:
        assert await dump.is_empty(conn)


async def test_how_the_next_release_comes_about_is_said_by_the_one_in_force_and_not_by_the_file(site: Site) -> None:
    await (await site.start(site.file(approval="required"))).stop_work()
    lax = await site.start(site.file(NEW, approval="none"))
    assert await says(lax) == (1, "VAT 7")
    assert "rules.approval, mappings" in lax.rules_notice or "mappings.tax.de.7|exclusive, rules.approval" in lax.rules_notice
    with pytest.raises(SetupError) as refused:
        await releasing.release_body(lax, body_of(lax.file), site.ask())
    assert refused.value.code == "rules.not_approved"


async def test_where_approval_is_required_another_person_gives_it(site: Site) -> None:
    hub = await site.start(site.file(approval="required"))
    body = body_of(parse(site.file(NEW, approval="required")))
    made = await releasing.propose(hub, body, site.ask("ann"))
    for act, actor, code in (
        (releasing.release, "ben", "rules.not_approved"),
        (releasing.approve, "ann", "rules.own_approval"),
    ):
        with pytest.raises(SetupError) as refused:
            await act(hub, made.version, site.ask(actor))
        assert refused.value.code == code
    await releasing.approve(hub, made.version, site.ask("ben"))
    await releasing.release(hub, made.version, site.ask("ann"))
    await takes_up(2, hub)
    lines = await _audit(site.database)
    assert [(actor, action, subject) for actor, action, subject in lines] == [
        ("configuration", "rules released", "rules/1"),
        ("ann", "rules proposed", "rules/2"),
        ("ben", "rules approved", "rules/2"),
        ("ann", "rules released", "rules/2"),
    ]


async def _audit(database: str) -> list[tuple[str, str, str]]:
    async with await connect(database) as conn:
        cursor = await conn.execute("select actor, action, subject from audit where subject like 'rules/%' order by at, id")
        return list(await cursor.fetchall())


async def test_one_proposal_at_a_time_and_none_that_another_release_has_overtaken(site: Site) -> None:
    hub = await site.start(site.file())
    made = await releasing.propose(hub, body_of(parse(site.file(NEW))), site.ask("ann"))
    with pytest.raises(SetupError, match="Proposal 2 of the rules, by ann, waits for approval") as refused:
        await releasing.propose(hub, body_of(parse(site.file(NEWER))), site.ask("ben"))
    assert refused.value.code == "rules.proposal_waits"
    await releasing.withdraw(hub, made.version, site.ask("ann"))
    with pytest.raises(SetupError) as refused:
        await releasing.release(hub, made.version, site.ask("ann"))
    assert refused.value.code == "rules.unknown"
    with pytest.raises(SetupError) as refused:
        await releasing.propose(hub, body_of(hub.file), site.ask())
    assert refused.value.code == "rules.nothing_changed"
    known, _ = await releasing.listed(hub, site.clock.now())
    assert len(known) == 2


async def test_a_release_for_later_takes_effect_at_its_instant_and_nothing_is_released_beside_it(site: Site) -> None:
    hub = await site.start(site.file())
    later = NOW + timedelta(days=3)
    await releasing.release_body(hub, body_of(parse(site.file(NEW))), site.ask(effective_from=later))
    with pytest.raises(SetupError) as refused:
        await releasing.release_body(hub, body_of(parse(site.file(NEWER))), site.ask())
    assert refused.value.code == "rules.proposal_waits"
    site.clock.advance_to(later - timedelta(seconds=1))
    async with hub.pool.connection() as conn:
        assert await hub.rules.is_in_force(conn, site.clock.now())
        assert not await hub.rules.is_in_force(conn, later)  # from that instant on nothing is decided by the former
    assert hub.rules.release == 1
    site.clock.advance_to(later)
    await takes_up(2, hub)


async def test_a_release_is_not_for_an_instant_that_has_passed(site: Site) -> None:
    hub = await site.start(site.file())
    with pytest.raises(SetupError) as refused:
        await releasing.release_body(hub, body_of(parse(site.file(NEW))), site.ask(effective_from=NOW - timedelta(seconds=1)))
    assert refused.value.code == "rules.past_instant"
    known, _ = await releasing.listed(hub, site.clock.now())
    assert [one.version for one in known] == [1]  # the proposal went with it


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
    assert ("shop" in hub.polled, hub._knows("poll", "shop"), hub._knows("normalize", "shop")) == (False, False, False)
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
