"""An Odoo that lacks what is needed is named by `counterfoil check` before anything is posted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.integration.path.house import House, house, settings_of

from counterfoil.app.checking import Checked, check
from counterfoil.app.hub import open_hub
from counterfoil.kit.connector import Severity
from counterfoil.kit.errors import TransientError
from counterfoil.kit.http import RetryPolicy

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def idle(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Yield a hub that is configured and not at work."""
    async with house(module_database, Path(tmp_path_factory.mktemp("home")), is_working=False) as made:
        yield made


async def checked(idle: House, change: Any) -> list[Checked]:
    """Return the findings of a changed configuration, those that are all right left out; nothing may be posted by asking."""
    given = idle.hub.settings.hub
    settings = settings_of(idle.odoo, idle.provisioned, idle.accounts.values(), given.database_url, given.home, change)
    async with open_hub(settings, idle.clock, does_share=False) as asking:
        found = await check(asking)
    assert idle.external_keys() == []
    return [one for one in found if one.finding.severity is Severity.ERROR]


def company(values: dict[str, Any]) -> dict[str, Any]:
    """Return the German company's section of the books' configuration."""
    section: dict[str, Any] = values["connections"]["books"]["companies"]["DE"]
    return section


async def test_a_complete_configuration_has_nothing_to_complain_of(idle: House) -> None:
    assert await checked(idle, lambda values: None) == []


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [("journals", "stripe_de", "NOPE"), ("accounts", "fees", "888888"), ("taxes", "ust19", "USt 21%")],
)
async def test_a_missing_journal_account_or_tax_is_named_with_its_entity(idle: House, part: str, name: str, value: str) -> None:
    def change(values: dict[str, Any]) -> None:
        company(values)[part] = company(values)[part] | {name: value}

    found = await checked(idle, change)
    assert [(one.connection, one.finding.entity) for one in found] == [("books", "DE")], found
    assert value in found[0].finding.message
    assert found[0].finding.remedy


async def test_a_missing_right_is_named(idle: House) -> None:
    key = "2" * 40
    with idle.odoo.db.transaction():
        env = idle.odoo.env()
        groups = {idle.odoo.db.groups_field: [[6, 0, [env.ref("base.group_user")]]]}
        companies = {"company_id": env.user["company_id"], "company_ids": [[6, 0, list(env.user["company_ids"])]]}
        idle.odoo.db.keys[key] = env.model("res.users").create(env, [{"name": "Reader", "login": "reader", **groups, **companies}])[0]

    def change(values: dict[str, Any]) -> None:
        values["connections"]["books"] |= {"login": "reader", "api_key": key}

    found = await checked(idle, change)
    assert {one.connection for one in found} == {"books"}
    assert {one.finding.code for one in found} <= {"odoo.right_missing", "odoo.forbidden"}
    assert all(one.finding.remedy for one in found)


async def test_a_company_that_does_not_exist_is_told_with_those_that_do(idle: House) -> None:
    def change(values: dict[str, Any]) -> None:
        company(values)["company"] = "Typo GmbH"

    (found,) = await checked(idle, change)
    names = {one["name"] for one in idle.odoo.env().model("res.company").search_read(idle.odoo.env(), [], ["name"])}
    assert found.finding.code == "odoo.company_unmapped"
    assert "set connections.books.companies.DE.company" in found.finding.message
    assert all(repr(name) in found.finding.message for name in names)


async def test_a_target_the_workers_leave_alone_is_tried_all_the_same(idle: House) -> None:
    def change(values: dict[str, Any]) -> None:
        values["connections"]["books"]["url"] = "http://127.0.0.1:9"

    given = idle.hub.settings.hub
    settings = settings_of(idle.odoo, idle.provisioned, idle.accounts.values(), given.database_url, given.home, change)
    async with open_hub(settings, idle.clock) as worker:
        worker.contexts["books"].http.retry = RetryPolicy(tries_max=1)
        for _ in range(20):
            with pytest.raises(TransientError) as failed:
                await worker.contexts["books"].http.request("GET", "/web/version", is_write=False)
            if failed.value.code == "target.resting":
                break
    assert failed.value.code == "target.resting"
    (found,) = await checked(idle, change)
    assert (found.connection, found.finding.code) == ("books", "http.unreachable")
    assert "no connection could be made (Connection refused)" in found.finding.message


@pytest.mark.parametrize(("key", "meant"), [("15%", "'15|exclusive'"), ("19.0|exclusive", "'19|exclusive'")])
async def test_a_tax_key_that_can_never_match_is_named_with_the_right_form(idle: House, key: str, meant: str) -> None:
    def change(values: dict[str, Any]) -> None:
        taxes = values["mappings"]["tax"]["DE"]
        taxes[key] = next(iter(taxes.values()))

    (found,) = await checked(idle, change)
    assert (found.finding.code, found.finding.entity) == ("mapping.tax_key", "DE")
    assert meant in found.finding.message


async def test_a_wrong_key_of_either_system_is_named(idle: House) -> None:
    def change(values: dict[str, Any]) -> None:
        values["connections"]["books"]["api_key"] = "0" * 40
        values["connections"]["stripe_us"]["api_key"] = "sk_test_of_nobody"

    found = await checked(idle, change)
    assert {one.connection for one in found} == {"books", "stripe_us"}
    assert all("sk_test_of_nobody" not in one.finding.message for one in found)


async def test_a_source_without_a_route_is_named(idle: House) -> None:
    def change(values: dict[str, Any]) -> None:
        values["routes"] = [route for route in values["routes"] if route["connection"] != "stripe_jp"]

    found = await checked(idle, change)
    assert [one.finding.code for one in found] == ["route.missing"]
    assert "stripe_jp" in found[0].finding.message


async def test_an_inbox_without_a_route_is_named_though_its_kind_could_be_books(idle: House, tmp_path: Path) -> None:
    def change(values: dict[str, Any]) -> None:
        (tmp_path / "in").mkdir()
        folders = {"inbox": str(tmp_path / "in"), "outbox": str(tmp_path / "out")}
        values["connections"]["legacy"] = {"connector": "files", "namespace": "legacy", **folders}

    found = await checked(idle, change)
    assert [one.finding.code for one in found] == ["route.missing"]
    assert "no route names legacy" in found[0].finding.message
