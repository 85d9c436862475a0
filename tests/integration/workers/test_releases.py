"""Workers decide by the release in force, whatever their files say; all of them take up another one before any decides by it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from tests.integration.workers.release_site import NEW, NEWER, NOW, Site, says, site, takes_up

from counterfoil.app import releasing
from counterfoil.app.rules import body_of
from counterfoil.app.ruling import Ruling
from counterfoil.app.settings import parse
from counterfoil.kit.errors import SetupError
from counterfoil.store import dump, workers
from counterfoil.store.pool import Conn, Pool, connect
from counterfoil.store.releases import ReleaseOrigin

__all__ = ["site"]


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
