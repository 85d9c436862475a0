"""Keys and data do not travel in clear unless that is declared, and a secret that stands in the file itself is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from counterfoil.app.hub import open_hub
from counterfoil.app.notify_settings import holds_secret
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
    monkeypatch.setattr("counterfoil.kit.http.is_plain_abroad", lambda address: address == "https://odoo.example.com")
    with pytest.raises(SetupError) as refused:
        async with open_hub(settings):
            pass
    assert refused.value.code == "settings.plain_http"


def test_secrets_that_stand_in_the_file_itself_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", "sk_test_1")
    connections = parse(ODOO.format(url="https://a") + STRIPE.format(url="https://b")).connections
    assert {name: one.in_clear for name, one in connections.items()} == {"books": ("api_key",), "shop": ("webhook_secrets",)}


@pytest.mark.parametrize(
    ("url", "is_secret"),
    [
        ("mailtos://olga:s3cret@smtp.example.com?to=books@example.com", True),
        ("mailto://127.0.0.1:2525?from=hub@example.com&to=books@example.com", False),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#finance", True),
        ("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", True),
        ("jsons://hooks.example.com/counterfoil/cases-of-today", False),
        ("jsons://hooks.example.com/counterfoil?+X-Token=1", True),
        ("jsons://hooks.example.com/8e1d5b2a-90c4-4c5e-9e3a-8d1f0b7a6c55", True),
        ("json://olga@127.0.0.1:9000", False),
        ("tgram://123456789:abcdefg_hijklmnop/12315544/", True),
        ("json://[::1", False),
    ],
)
def test_an_address_of_notifications_with_a_password_or_token_in_it_is_known_as_a_secret(url: str, is_secret: bool) -> None:
    assert holds_secret(url) is is_secret


def test_check_warns_of_the_address_of_a_channel_that_stands_in_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ")
    channel = '[[notify]]\nname = "{name}"\nurl = {url}\n'
    text = channel.format(name="mail", url='"mailtos://olga:s3cret@smtp.example.com"') + channel.format(name="chat", url='{ env = "CHAT" }')
    assert [(one.name, one.is_in_clear) for one in parse(text).notify] == [("mail", True), ("chat", False)]
