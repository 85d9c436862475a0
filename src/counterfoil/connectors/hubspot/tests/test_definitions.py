"""The official package judges the properties the hub makes: it would ask for them so, and reads them as they are meant.

Library: hubspot-api-client 12.0 (Apache-2.0), which checks the fields of a definition before it sends them.
"""

from __future__ import annotations

import asyncio
from typing import Any

import hubspot  # type: ignore[import-untyped]
from hubspot.crm import properties  # type: ignore[import-untyped]

from counterfoil.connectors.hubspot import definitions
from counterfoil.connectors.hubspot.sandbox import HubspotSandbox
from counterfoil.connectors.hubspot.shown import GROUP, PROPERTIES

from .sandboxed import opened


def as_theirs(model: Any, given: dict[str, Any]) -> Any:
    """Return a model of the package's made of a body. Raises ValueError for a value, and AssertionError for a field, it does not know."""
    names = {there: here for here, there in model.attribute_map.items()}
    assert set(given) <= set(names), set(given) - set(names)
    return model(**{names[name]: value for name, value in given.items()})


async def test_the_package_would_ask_for_the_same_properties_and_reads_them_back() -> None:
    sandbox = HubspotSandbox()
    async with opened(sandbox) as ctx:
        await definitions.ensure(ctx, "company")
        client = hubspot.HubSpot(access_token=sandbox.access_token, host=sandbox.url)
        answer = await asyncio.to_thread(client.crm.properties.core_api.get_all, object_type="companies")
        groups = await asyncio.to_thread(client.crm.properties.groups_api.get_all, object_type="companies")
    found = {one.name: one for one in answer.results}
    for one in PROPERTIES:
        asked = one.definition()
        options = [as_theirs(properties.OptionInput, option) for option in asked.get("options", ())]
        wish = as_theirs(properties.PropertyCreate, {**asked, "options": options})
        made = found[one.name]
        assert (made.type, made.field_type, made.group_name, made.label) == (wish.type, wish.field_type, wish.group_name, wish.label)
        assert [(option.value, option.label) for option in made.options] == [(option.value, option.label) for option in options]
    assert GROUP["name"] in [one.name for one in groups.results]
