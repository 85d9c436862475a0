"""An intake on its own: it starts with the secrets verifying takes, takes what is genuine, and can do nothing else."""

from __future__ import annotations

import hashlib
import hmac
import json
import urllib.error
import urllib.request
from asyncio import to_thread
from datetime import UTC, datetime
from pathlib import Path

import pytest

from counterfoil.app.settings import load
from counterfoil.app.working import Roles, at_work
from counterfoil.kit.errors import SetupError
from counterfoil.store import views
from counterfoil.store.budgets import list_budgets

CONFIG = """\
[entities.de]
target = "books"
currency = "EUR"
time_zone = "Europe/Berlin"

[connections.books]
connector = "odoo"
url = "https://books.example.com"
database = "books"
api_key = { env = "TEST_ODOO_KEY" }

[connections.stripe_de]
connector = "stripe"
account = "acct_1"
livemode = false
api_key = { env = "TEST_STRIPE_KEY" }
webhook_secrets = [{ env = "TEST_WEBHOOK_SECRET" }]
"""
SECRET = "whsec_of_the_intake"
BODY = json.dumps({"id": "evt_1", "object": "event", "type": "customer.created", "created": 1764547200, "livemode": False}).encode()


@pytest.fixture
def config(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a configuration whose only secret at hand is the webhooks'."""
    for name in ("TEST_ODOO_KEY", "TEST_STRIPE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TEST_WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", database)
    path = tmp_path / "counterfoil.toml"
    path.write_text(f'[hub]\nhome = "{tmp_path / "home"}"\n\n{CONFIG}', "utf-8")
    return path


async def deliver(address: str, secret: str) -> int:
    """Deliver the event, signed with a secret; return the status."""
    stamp = str(int(datetime.now(UTC).timestamp())).encode()
    signature = hmac.new(secret.encode(), stamp + b"." + BODY, hashlib.sha256).hexdigest()
    headers = {"Stripe-Signature": f"t={stamp.decode()},v1={signature}"}

    def post() -> int:
        try:
            with urllib.request.urlopen(urllib.request.Request(address, BODY, headers), timeout=10) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code

    return await to_thread(post)


async def test_an_intake_takes_genuine_deliveries_without_any_key_of_the_systems_connected(config: Path) -> None:
    with pytest.raises(SetupError, match=r"TEST_ODOO_KEY is not set(.|\n)*TEST_STRIPE_KEY is not set"):
        load(config)
    async with at_work(load(config, is_intake=True), Roles(host="127.0.0.1", port=0, is_worker=False)) as serving:
        assert set(serving.webhooks) == {"stripe_de"}
        assert await deliver(serving.webhooks["stripe_de"], "whsec_of_somebody_else") == 401
        assert await deliver(serving.webhooks["stripe_de"], SECRET) == 200
        assert await deliver(f"{serving.address}/in/books", SECRET) == 404
        with pytest.raises(ValueError, match="for taking deliveries alone"):
            await serving.hub.start_work()
        async with serving.hub.pool.connection() as conn:
            (source,) = (await views.conservation(conn)).sources
            budgets = await list_budgets(conn)
    assert (source.connection, source.received, source.pending) == ("stripe_de", 1, 1)
    assert budgets == [], "its limits would be those of a client that calls nobody, and spoil the workers'"


async def test_an_intake_says_which_secret_it_lacks_and_no_other(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_WEBHOOK_SECRET")
    with pytest.raises(SetupError) as caught:
        load(config, is_intake=True)
    assert caught.value.code == "settings.invalid"
    assert "TEST_WEBHOOK_SECRET is not set" in str(caught.value)
    assert "_KEY" not in str(caught.value)


def test_without_the_mode_said_the_key_tells_it_and_is_asked_for(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text(config.read_text("utf-8").replace("livemode = false\n", ""), "utf-8")
    with pytest.raises(SetupError, match="set livemode to true or false"):
        load(config, is_intake=True)
    monkeypatch.setenv("TEST_STRIPE_KEY", "rk_test_1")
    assert not load(config, is_intake=True).connections["stripe_de"].settings.is_live


def test_a_secret_file_that_cannot_be_read_is_as_good_as_away(config: Path, tmp_path: Path) -> None:
    text = config.read_text("utf-8").replace('{ env = "TEST_STRIPE_KEY" }', f'{{ file = "{tmp_path / "nothing"}" }}')
    config.write_text(text, "utf-8")
    assert load(config, is_intake=True).connections["stripe_de"].settings.api_key is None
