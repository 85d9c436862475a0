"""Rules and workers of older programs: what they do not know is not released beside them, and none joins once it is."""

from __future__ import annotations

import json
import re

import psycopg
import pytest
from tests.integration.workers.release_site import NEW, Site, site, takes_up, until

from counterfoil.app import releasing
from counterfoil.app.older_programs import refuse_beside_older
from counterfoil.app.rules import body_of, settled
from counterfoil.app.settings import parse
from counterfoil.kit.errors import SetupError
from counterfoil.store import releases, workers
from counterfoil.store.pool import connect
from counterfoil.store.releases import ReleaseOrigin

__all__ = ["site"]

DUNNED = """
[[dunning]]
stage = "reminded"
days_after_due = 3
"""
JOINS_AS_BEFORE = """
insert into worker (id, name, incarnation, host, version, started_at, beat_at, rules, waits_since)
values ('old#7', 'old', 7, 'host', '1', clock_timestamp(), clock_timestamp(), '', null)
"""
"""As a program of before schema 47 joins."""


async def test_rules_that_an_older_program_at_work_does_not_know_are_not_released_and_none_joins_once_they_are(
    site: Site, database: str
) -> None:
    hub = await site.start(site.file())
    conn = await connect(database)
    async with conn:
        assert await workers.hold_name(conn, "old")
        await conn.execute(JOINS_AS_BEFORE)
        await conn.commit()
        dunned = body_of(parse(site.file() + DUNNED))
        with pytest.raises(SetupError, match=r"old#7 of an older program does not know \[\[dunning\]\]") as refused:
            await releasing.release_body(hub, dunned, site.ask())
        assert refused.value.code == "rules.older_worker"
        known, _ = await releasing.listed(hub, site.clock.now())
        assert len(known) == 1  # nor proposed
        await releasing.release_body(hub, body_of(parse(site.file(NEW))), site.ask())  # what it does know is
        await conn.execute("delete from worker where id = 'old#7'")
        await conn.commit()
        await releasing.release_body(hub, dunned, site.ask())
        with pytest.raises(psycopg.errors.RestrictViolation, match="older than the rules in force"):
            await conn.execute(JOINS_AS_BEFORE)
        await conn.rollback()
    other = await site.start(site.file(), "web2")
    await takes_up(3, hub, other)


@pytest.mark.parametrize(
    ("name", "said", "shown"),
    [
        ("ownership", {"kind": "customer", "connection": "stripe"}, "[[ownership]]"),
        ("destinations", {"purpose": "crm_status", "connection": "sales"}, "[[destinations]] for crm_status"),
    ],
)
async def test_all_that_came_before_workers_said_their_schema_is_refused_beside_an_older_one_where_it_is_new(
    site: Site, database: str, name: str, said: dict[str, str], shown: str
) -> None:
    hub = await site.start(site.file())
    before = body_of(hub.file)
    after = json.dumps(json.loads(before) | {name: [said]})
    conn = await connect(database)
    async with conn:
        assert await workers.hold_name(conn, "old")
        await conn.execute(JOINS_AS_BEFORE)
        with pytest.raises(SetupError, match=re.escape(f"does not know {shown} and would leave it out")):
            await refuse_beside_older(conn, before, after)
        await refuse_beside_older(conn, after, after)  # it was said before: nothing new
        await conn.rollback()


async def test_a_start_with_a_file_that_an_older_program_at_work_does_not_know_ends(site: Site, database: str) -> None:
    first = await site.start(site.file(approval="none"))
    await first.stop_work()
    conn = await connect(database)
    async with conn:
        assert await workers.hold_name(conn, "old")
        await conn.execute(JOINS_AS_BEFORE)
        await conn.commit()
        with pytest.raises(SetupError, match="does not know"):
            await site.start(site.file(approval="none") + DUNNED, "web2")


async def test_a_release_that_says_what_a_program_does_not_know_is_not_decided_by_there(site: Site) -> None:
    hub = await site.start(site.file())
    body = json.loads(body_of(hub.file)) | {"quotas": [{"most": 7}]}
    async with hub.pool.connection() as conn, conn.transaction():  # as a newer program releases it
        made = await releases.add(conn, json.dumps(body, sort_keys=True), ReleaseOrigin.FILE, 1, "", "ann", site.clock.now())
        await releases.approve(conn, made.version, "ann", site.clock.now())
        await releases.release(conn, made.version, "ann", site.clock.now(), None)

    async def waits() -> bool:
        return hub.member is not None and not hub.member.is_agreed

    await until(waits)
    assert hub.rules.release == 1
    with pytest.raises(SetupError, match="does not know quotas") as refused:
        settled(hub.file, json.dumps(body), 2)
    assert refused.value.code == "rules.unreadable"
