"""Keys and data do not travel in clear unless that is declared, and a secret that stands in the file itself is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from counterfoil.app.hub import open_hub
from counterfoil.app.settings import from_values, parse
from counterfoil.kit.errors import SetupError
from counterfoil.kit.http import is_plain_abroad

ODOO = """
[connections.books]
connector = "odoo"
database = "books"
api_key = "clear"
url = "{url}"
"""
STRIPE = """
[connections.shop]
connector = "stripe"
account = "acct_1"
api_key = {{ env = "SHOP_KEY" }}
webhook_secrets = ["whsec_clear"]
base_url = "{url}"
"""


@pytest.mark.parametrize(
    "address", ["http://odoo.example.com", "HTTP://10.0.0.7:8069", "http://127.0.0.1.example.com", "http://[fe80::1]:8069"]
)
def test_plain_http_of_another_machine_is_told_from_loopback(address: str) -> None:
    assert is_plain_abroad(address)


@pytest.mark.parametrize("address", ["http://127.0.0.1:8069", "http://localhost", "http://[::1]:8069", "https://odoo.example.com", "plain"])
def test_loopback_and_encrypted_addresses_are_fine(address: str) -> None:
    assert not is_plain_abroad(address)


@pytest.mark.parametrize(("text", "line", "setting"), [(ODOO, 6, "books.url"), (STRIPE, 7, "shop.base_url")])
def test_a_plain_address_is_refused_with_its_line_unless_it_is_declared(
    monkeypatch: pytest.MonkeyPatch, text: str, line: int, setting: str
) -> None:
    monkeypatch.setenv("SHOP_KEY", "sk_test_1")
    with pytest.raises(SetupError) as refused:
        parse(text.format(url="http://elsewhere.example.com"))
    assert str(refused.value).startswith(f"configuration:{line}: connections.{setting}: plain http to another machine")
    assert parse(text.format(url="http://elsewhere.example.com") + "allow_plain_http = true").connections
    assert parse(text.format(url="http://127.0.0.1:1")).connections


async def test_an_address_that_a_connector_makes_up_itself_is_refused_as_well(
    monkeypatch: pytest.MonkeyPatch, database: str, tmp_path: Path
) -> None:
    books = {"connector": "odoo", "url": "https://odoo.example.com", "database": "b", "api_key": "k"}
    settings = from_values({"hub": {"database_url": database, "home": tmp_path}, "connections": {"books": books}})
    monkeypatch.setattr("counterfoil.app.hub.is_plain_abroad", lambda address: address == "https://odoo.example.com")
    with pytest.raises(SetupError) as refused:
        async with open_hub(settings):
            pass
    assert refused.value.code == "settings.plain_http"


def test_secrets_that_stand_in_the_file_itself_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", "sk_test_1")
    connections = parse(ODOO.format(url="https://a") + STRIPE.format(url="https://b")).connections
    assert {name: one.in_clear for name, one in connections.items()} == {"books": ("api_key",), "shop": ("webhook_secrets",)}
