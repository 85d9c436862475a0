"""What a connector's declaration means for what is asked of its connections."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from counterfoil.kit.connector import Connector
from counterfoil.kit.parts import is_booked

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
