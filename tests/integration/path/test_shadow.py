"""What other rules would post is what they do post, journal line by journal line: foretold, then released, then read out of the books."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.integration.path.house import House, house

from counterfoil.app import releasing, shadowing
from counterfoil.app.releasing import ReleaseRequest
from counterfoil.app.shadowing import RuleSet, ShadowPosting
from counterfoil.engine import membership
from counterfoil.kit.errors import SetupError
from counterfoil.store import objects

pytestmark = pytest.mark.asyncio(loop_scope="module")

UST7 = "7|exclusive"
DOCUMENTS = 1000


def configured(values: dict[str, Any]) -> None:
    """Let changes wait for a command, and the tax of 7 % be unknown at first."""
    values["rules"] = {"approval": "self"}
    del values["mappings"]["tax"]["DE"][UST7]


@pytest_asyncio.fixture(loop_scope="module")
async def hub(second_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Yield a hub configured so, whose workers take a release up at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(membership, "BEAT_EVERY_S", 0.2)
        patch.setattr(membership, "WAITING_BEAT_EVERY_S", 0.1)
        async with house(second_database, Path(tmp_path_factory.mktemp("home")), change=configured) as made:
            await made.tell()
            yield made


Lines = dict[tuple[str, str], int]
"""(external key, account code) -> balance in minor units."""


def in_the_books(hub: House) -> Lines:
    """Return every journal line of the books that is ours, by external key and account."""
    env = hub.odoo.env()
    keys: dict[int, str] = {}
    for row in env.rows("ir.model.data").values():
        if row["module"] == "counterfoil" and row["model"] == "account.move":
            keys[row["res_id"]] = row["name"]
        if row["module"] == "counterfoil" and row["model"] == "account.payment":
            keys[env.row("account.payment", row["res_id"])["move_id"]] = row["name"]
    found: Lines = {}
    for line in env.rows("account.move.line").values():
        if line["move_id"] in keys and line["account_id"] and round(line["balance"] * 100):
            place = (keys[line["move_id"]], env.row("account.account", line["account_id"])["code"])
            found[place] = found.get(place, 0) + round(line["balance"] * 100)
    return {place: minor for place, minor in found.items() if minor}


def foretold(hub: House, postings: Iterable[ShadowPosting]) -> Lines:
    """Return the lines of postings; what the books choose themselves is looked up there: a customer's receivable, a tax's account."""
    found: Lines = {}
    for posting in postings:
        for line in posting.lines:
            place = (posting.key, _code(hub, posting.entity, line.account))
            found[place] = found.get(place, 0) + line.minor
    return {place: minor for place, minor in found.items() if minor}


def _code(hub: House, entity: str, account: str) -> str:
    company = hub.provisioned.companies[entity]
    if account == "receivable":
        return company.account_codes["receivable"]
    if not account.startswith("tax:"):
        return account
    env = hub.odoo.env()
    name = next(tax.name for tax in company.entity.taxes if tax.key == account.removeprefix("tax:"))
    tax = next(row for row in env.rows("account.tax").values() if row["name"] == name and row["company_id"] == company.company_id)
    lines = [env.row("account.tax.repartition.line", one) for one in env.find("account.tax.repartition.line", "tax_id", tax["id"])]
    return str(env.row("account.account", next(one["account_id"] for one in lines if one["account_id"]))["code"])


async def rules_of(hub: House, body: str) -> RuleSet:
    async with hub.hub.pool.connection() as conn:
        return await shadowing.rule_set(conn, hub.hub.file, body)


async def in_force(hub: House) -> str:
    _, held = await releasing.listed(hub.hub, hub.clock.now())
    assert held is not None
    return held.body


def changed(body: str) -> str:
    """Return the rules with the tax of 7 %, and in the American books other accounts for fees and revenue."""
    said = json.loads(body)
    said["mappings"]["tax"]["DE"][UST7] = "ust7"
    said["connections"]["books"]["companies"]["US"]["accounts"] |= {"fees": "620300", "revenue": "450100"}
    return json.dumps(said, sort_keys=True, ensure_ascii=False)


async def made_under(hub: House, rules: RuleSet) -> list[ShadowPosting]:
    """Return all that rules make of the newest objects with money, as if nothing of them were booked."""
    async with hub.hub.pool.connection() as conn:
        subjects = await objects.newest(conn, DOCUMENTS)
    made = await shadowing.decide_under(hub.hub.pool, hub.hub.cipher, subjects, rules, hub.clock.now(), is_new=True)
    return list(made.postings.values())


async def story(hub: House) -> None:
    """Bill with taxes and without, sell a plan, and give money back with a credit note."""
    for entity, tax in (("US", "ca"), ("DE", "ust19")):
        await hub.bill(11900, entity, tax=tax, is_paid=True)
    plain = await hub.bill(5000, "US", is_paid=True)
    story = hub.story("US")
    await story.give_back(plain["id"], 2000, "refund_amount")
    price = next(price for price, currency in story.catalog.prices if currency == "USD")
    await story.subscribe(await story.customer(), price)
    await hub.tell()


async def test_what_is_foretold_is_posted_line_for_line(hub: House) -> None:
    await story(hub)
    for _ in range(2):
        await hub.bill(11900, "DE", tax="ust7", is_paid=True)
    await hub.tell()
    case = next(case for case in await hub.cases() if case.code == "decide.tax_unmapped")
    assert case.entity == "DE"
    old = await in_force(hub)
    before = in_the_books(hub)
    new = changed(old)
    was, would = await rules_of(hub, old), await rules_of(hub, new)

    # What is booked already: the rules in force foretell it as it stands in the books.
    pool, cipher, now = hub.hub.pool, hub.hub.cipher, hub.clock.now()
    again = await made_under(hub, was)
    assert foretold(hub, again) == before
    kinds = {posting.kind for posting in again if posting.lines}
    assert kinds == {"post_invoice", "post_payment", "post_entry", "post_credit_note"}

    # What is not: the changed rules foretell what their release posts, and the rules in force that nothing is.
    shadow = await shadowing.shadow_open(pool, cipher, was, would, now)
    after = {change.key: change.after for change in shadow.changes if change.after is not None}
    assert [change.key for change in shadow.changes if change.before is not None] == []
    assert shadow.problems == {"decide.tax_unmapped": (2, 0)}
    assert sum(posting.kind == "post_invoice" for posting in after.values()) == 2
    made = await releasing.release_body(hub.hub, new, ReleaseRequest("ann", now))

    async def is_taken_up() -> bool:
        return hub.hub.rules.release == made.version and hub.hub.member is not None and hub.hub.member.is_agreed

    await hub.until(is_taken_up)

    async def is_booked() -> bool:
        return not [case for case in await hub.cases() if case.code == "decide.tax_unmapped"]

    await hub.until(is_booked)
    await hub.settle()
    written = {place: minor for place, minor in in_the_books(hub).items() if place not in before}
    assert {place: before[place] for place in before} == {place: minor for place, minor in in_the_books(hub).items() if place in before}
    assert written == foretold(hub, after.values())

    # And what is billed from now on is booked as a shadow of what was booked before had said.
    other = await shadowing.shadow_again(pool, cipher, DOCUMENTS, was, would, now)
    assert {posting.kind for change in other.changes for posting in (change.before,) if posting} >= {"post_entry", "post_invoice"}
    await story(hub)
    news = {place: minor for place, minor in in_the_books(hub).items() if place not in before and place not in written}
    said = foretold(hub, await made_under(hub, would))
    keys = {key for key, _ in news}
    assert news == {place: minor for place, minor in said.items() if place[0] in keys}
    assert {code for _, code in news} >= {"620300", "450100"}


async def test_rules_that_leave_a_booked_document_without_a_place_are_refused_with_its_name(hub: House) -> None:
    await hub.bill(7700, "US")
    await hub.tell()
    said = json.loads(await in_force(hub))
    changes = []
    for change in ("gone", "currency", "target"):
        other = json.loads(json.dumps(said))
        if change == "gone":
            del other["entities"]["US"]
            other["routes"] = [route for route in other["routes"] if route["entity"] != "US"]
        else:
            other["entities"]["US"][change] = "EUR" if change == "currency" else "stripe_us"
        changes.append(other)
    for other in changes:
        with pytest.raises(SetupError, match=r"entities\.US.*Booked there: (invoice|payment)_stripe\.in_") as refused:
            await releasing.propose(hub.hub, json.dumps(other, sort_keys=True, ensure_ascii=False), ReleaseRequest("ann", hub.clock.now()))
        assert refused.value.code == "rules.contradict"
    known, _ = await releasing.listed(hub.hub, hub.clock.now())
    assert not [one for one in known if one.is_open]


async def test_an_account_that_booked_documents_are_on_stays_named(hub: House) -> None:
    await hub.bill(7700, "US", is_paid=True)
    await hub.tell()
    said = json.loads(await in_force(hub))
    accounts = said["connections"]["books"]["companies"]["US"]["accounts"]
    unused = json.dumps(_without(said, "reserve"), sort_keys=True, ensure_ascii=False)
    ask = ReleaseRequest("ann", hub.clock.now())
    used = json.dumps(_without(said, "fees"), sort_keys=True, ensure_ascii=False)
    words = rf"US has no account for fees any more, and fee_stripe\.txn_\w+ is booked on {accounts['fees']}"
    with pytest.raises(SetupError, match=words) as refused:
        await releasing.propose(hub.hub, used, ask)
    assert refused.value.code == "rules.contradict"
    assert (await releasing.propose(hub.hub, unused, ask)).is_open


def _without(said: dict[str, Any], role: str) -> dict[str, Any]:
    other: dict[str, Any] = json.loads(json.dumps(said))
    del other["connections"]["books"]["companies"]["US"]["accounts"][role]
    return other


async def test_a_mode_changed_without_a_day_is_refused(hub: House) -> None:
    await hub.bill(7700, "US")
    await hub.tell()
    said = json.loads(await in_force(hub))
    said["entities"]["US"]["posting"] = "summary"
    with pytest.raises(SetupError) as refused:
        await releasing.propose(hub.hub, json.dumps(said, sort_keys=True, ensure_ascii=False), ReleaseRequest("ann", hub.clock.now()))
    assert refused.value.code == "settings.posting_changed"
