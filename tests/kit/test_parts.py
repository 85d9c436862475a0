"""What a connector's declaration means for what is asked of its connections."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from counterfoil.app.sections import is_secret
from counterfoil.kit.connector import Connector
from counterfoil.kit.discovery import connector_names, load_connector
from counterfoil.kit.parts import is_booked, lacking

SOURCE: Any = object()


@pytest.mark.parametrize(
    ("connector", "booked"),
    [
        (Connector("acme", BaseModel, source=SOURCE), True),  # it may tell of anything
        (Connector("acme", BaseModel, source=SOURCE, tells=("company", "deal")), False),
        (Connector("acme", BaseModel, source=SOURCE, tells=("company", "customer")), True),
        (Connector("acme", BaseModel), False),  # it reads nothing
    ],
)
def test_a_source_is_booked_unless_nothing_it_tells_of_is(connector: Connector, booked: bool) -> None:
    assert is_booked(connector) is booked


def test_a_source_has_one_list_of_changes_or_several_by_name() -> None:
    one, several = Connector("acme", BaseModel, source=SOURCE, polls=SOURCE), Connector("acme", BaseModel, source=SOURCE, streams=SOURCE)
    assert [*lacking(one), *lacking(several)] == []
    assert one.lists_of_changes(None) == {"": SOURCE}
    both = Connector("acme", BaseModel, source=SOURCE, polls=SOURCE, streams=SOURCE)
    assert [*lacking(both)] == ["polls is of one list of changes, streams of several: fill in one of them"]


def noting(config: type[BaseModel], read: set[str]) -> BaseModel:
    """Return settings with just what is required, that note which of them are read."""

    def note(self: BaseModel, name: str) -> Any:
        if name in config.model_fields:
            read.add(name)
        return object.__getattribute__(self, name)

    values: dict[str, Any] = {
        name: SecretStr("key_test_1") if is_secret(info) else "https://books.example.com"
        for name, info in config.model_fields.items()
        if info.is_required()
    }
    noted: type[BaseModel] = type("Noting", (config,), {"__getattribute__": note, "__module__": __name__})
    return noted.model_construct(**values)


@pytest.mark.parametrize("name", connector_names())
def test_a_client_is_made_of_no_setting_that_a_release_holds(name: str) -> None:
    """A client stays the file's when another release is decided by: what it took from the file would be written by both."""
    connector = load_connector(name)
    read: set[str] = set()
    if connector.client is not None:
        connector.client(noting(connector.config, read))
        assert read
    assert read & set(connector.booking_settings) == set()
