"""Answers have the shapes that the vendor's package knows, by dated paths as by those of versions 3 and 4; limits and refusals, too."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from jsonschema import Draft202012Validator

from counterfoil.connectors.hubspot.sandbox import HubspotSandbox

DOCUMENT = json.loads((Path(__file__).parent / "fixtures" / "schemas.v3.json").read_text("utf-8"))

Call = Any


def complaints(name: str, answer: Any) -> list[str]:
    """Return where an answer is not of a shape. A property without a value is null, which the package's types do not tell."""
    validator = Draft202012Validator({"$ref": f"#/components/schemas/{name}"} | DOCUMENT)
    return [f"{'/'.join(map(str, one.absolute_path))}: {one.message[:200]}" for one in validator.iter_errors(_without_nulls(answer))]


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


@pytest.fixture
async def served() -> AsyncIterator[tuple[HubspotSandbox, Call]]:
    sandbox = HubspotSandbox()
    url = await sandbox.start()
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {sandbox.access_token}"}) as session:

        async def call(method: str, path: str, body: Any = None) -> tuple[int, Any, Any]:
            async with session.request(method, url + path, json=body) as answer:
                return answer.status, await answer.json() if answer.status != 204 else None, answer.headers

        yield sandbox, call
    await sandbox.stop()


@pytest.mark.parametrize(
    ("objects", "links"), [("/crm/v3/objects", "/crm/v4/associations"), ("/crm/objects/2026-03", "/crm/associations/2026-09")]
)
async def test_every_answer_has_its_shape(served: tuple[HubspotSandbox, Call], objects: str, links: str) -> None:
    sandbox, call = served
    companies = [sandbox.create("companies", name=f"Company {number}") for number in range(3)]
    deal = sandbox.create("deals", dealname="100 seats", amount="5")
    sandbox.associate(deal, companies[0])
    sandbox.delete(companies[2])
    one = companies[0].id
    inputs = [{"id": one}, {"id": "999"}]
    read = {"inputs": inputs, "properties": ["name", "country"], "propertiesWithHistory": []}
    asked: list[tuple[int, str, str, str, Any]] = [
        (200, "SimplePublicObjectWithAssociations", "GET", f"{objects}/companies/{one}?associations=deals", None),
        (200, "CollectionResponseSimplePublicObjectWithAssociationsForwardPaging", "GET", f"{objects}/companies?limit=1", None),
        (200, "CollectionResponseSimplePublicObjectWithAssociationsForwardPaging", "GET", f"{objects}/companies?archived=true", None),
        (200, "CollectionResponseWithTotalSimplePublicObjectForwardPaging", "POST", f"{objects}/companies/search", {"limit": 1}),
        (200, "BatchResponseSimplePublicObject", "POST", f"{objects}/companies/batch/read", {**read, "inputs": inputs[:1]}),
        (207, "BatchResponseSimplePublicObjectWithErrors", "POST", f"{objects}/companies/batch/read", read),
        (200, "BatchResponsePublicAssociationMultiWithLabel", "POST", f"{links}/companies/deals/batch/read", {"inputs": inputs[:1]}),
        (207, "BatchResponsePublicAssociationMultiWithLabelWithErrors", "POST", f"{links}/companies/deals/batch/read", {"inputs": inputs}),
        (404, "Error", "GET", f"{objects}/companies/999", None),
        (400, "Error", "POST", f"{objects}/companies", {"properties": {"shoe_size": "44"}}),
        (400, "Error", "POST", f"{objects}/deals", {"properties": {"amount": "much"}}),
        (400, "Error", "POST", f"{objects}/companies/search", {"after": "9991", "limit": 10}),
        (400, "Error", "POST", f"{objects}/companies/search", {"limit": 201}),
        (400, "Error", "POST", f"{objects}/companies/batch/read", {**read, "inputs": inputs * 51}),
        (400, "Error", "GET", f"{objects}/spaceships", None),
        (404, "Error", "GET", "/crm/objects/2019-01/companies", None),
    ]
    for status, shape, method, path, body in asked:
        answer = await call(method, path, body)
        assert (answer[0], complaints(shape, answer[1])) == (status, []), f"{method} {path}: {answer[1]}"


async def test_headers_tell_of_the_limit_and_searches_tell_nothing(served: tuple[HubspotSandbox, Call]) -> None:
    sandbox, call = served
    sandbox.limits.is_enforced, sandbox.limits.per_interval = True, 3
    _, _, headers = await call("GET", "/crm/objects/2026-03/companies")
    assert (headers["X-HubSpot-RateLimit-Max"], headers["X-HubSpot-RateLimit-Remaining"]) == ("3", "2")
    _, _, headers = await call("POST", "/crm/objects/2026-03/companies/search", {})
    assert "X-HubSpot-RateLimit-Remaining" not in headers
    await call("GET", "/crm/objects/2026-03/companies")
    status, answer, _ = await call("GET", "/crm/objects/2026-03/companies")
    assert (status, answer["policyName"], complaints("Error", answer)) == (429, "TEN_SECONDLY_ROLLING", [])


async def test_what_the_control_interface_is_told_wrongly_is_refused(served: tuple[HubspotSandbox, Call]) -> None:
    _, call = served
    for path, body in (
        ("limits", {"shoe_size": 1}),
        ("limits", {"per_interval": "many"}),
        ("records", {}),
        ("search", {"index_lag_s": "x"}),
    ):
        status, answer, _ = await call("POST", f"/_control/{path}", body)
        assert (status, bool(answer["error"])) == (400, True)
    assert (await call("POST", "/_control/deliveries", {"duplicate": 1}))[0] == 200
    assert (await call("POST", "/_control/triggers", {"event": "company.merge"}))[0] == 200
