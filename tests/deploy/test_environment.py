"""What a container needs without a changed file: settings, database and keys by the environment or by mounted files."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from counterfoil.app.database import open_database, url_of
from counterfoil.app.keys import add_key
from counterfoil.app.settings import load, load_plain, parse
from counterfoil.kit.errors import SetupError
from counterfoil.store.cipher import load_cipher
from counterfoil.store.errors import StoreError

KEY = f"k7:{base64.b64encode(bytes(range(32))).decode()}"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "counterfoil.toml"
    path.write_text('[hub]\nport = 8400\nhost = "127.0.0.1"\n', "utf-8")
    return path


def test_the_environment_wins_over_the_file_for_every_setting_of_the_hub(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_HUB__PORT", "9000")
    monkeypatch.setenv("COUNTERFOIL_HUB__HEALTH_PORT", "8401")
    monkeypatch.setenv("COUNTERFOIL_HUB__DOES_MIGRATE", "false")
    monkeypatch.setenv("COUNTERFOIL_HUB__POLL_INTERVAL_S", "2.5")
    monkeypatch.setenv("COUNTERFOIL_HUB__HOME", "/var/lib/counterfoil")
    monkeypatch.setenv("COUNTERFOIL_HUB__LINGER_S", "")
    hub = load(config).hub
    assert (hub.port, hub.health_port, hub.does_migrate, hub.poll_interval_s) == (9000, 8401, False, 2.5)
    assert (hub.home, hub.host, hub.linger_s) == (Path("/var/lib/counterfoil"), "127.0.0.1", 0.0)
    assert load_plain(config).hub == hub


def test_wrong_variables_are_named_as_such_all_at_once(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_HUB__PORT", "eighty")
    monkeypatch.setenv("COUNTERFOIL_HUB__PROT", "1")
    with pytest.raises(SetupError) as caught:
        load(config)
    assert caught.value.code == "settings.environment"
    first, second = str(caught.value).splitlines()
    assert first.startswith("environment variable COUNTERFOIL_HUB__PORT: must be a whole number")
    assert second.startswith("environment variable COUNTERFOIL_HUB__PROT: is no setting of [hub]; known: home, database_url, host, port,")


def test_a_configuration_given_as_text_is_not_changed_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_HUB__PORT", "9000")
    assert parse("[hub]\nport = 1\n").hub.port == 1


def test_the_database_is_named_by_a_variable_or_else_by_the_file_a_variable_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COUNTERFOIL_DATABASE_URL", raising=False)
    assert url_of("postgresql://configured") == "postgresql://configured"
    (tmp_path / "url").write_text("postgresql://mounted\n", "utf-8")
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL_FILE", str(tmp_path / "url"))
    assert url_of("postgresql://configured") == "postgresql://mounted"
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", "postgresql://given")
    assert url_of("postgresql://configured") == "postgresql://given"


@pytest.mark.parametrize("content", [None, "\n"])
def test_a_database_file_that_is_missing_or_empty_never_means_the_embedded_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    monkeypatch.delenv("COUNTERFOIL_DATABASE_URL", raising=False)
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL_FILE", str(tmp_path / "url"))
    if content is not None:
        (tmp_path / "url").write_text(content, "utf-8")
    with pytest.raises(SetupError, match="COUNTERFOIL_DATABASE_URL_FILE: "):
        url_of("")


def test_keys_come_from_a_mounted_file_and_none_is_made_beside_it(tmp_path: Path) -> None:
    mounted = tmp_path / "keys"
    mounted.write_text(f"{KEY}\n", "utf-8")
    home = tmp_path / "home"
    environment = {"COUNTERFOIL_ENCRYPTION_KEYS_FILE": str(mounted)}
    assert load_cipher(home, environment).key_id == "k7"
    assert not home.exists()
    with pytest.raises(SetupError, match="the keys come from COUNTERFOIL_ENCRYPTION_KEYS_FILE"):
        add_key(home, environment)


@pytest.mark.parametrize("content", [None, " \n"])
def test_a_key_file_that_is_not_mounted_is_an_error_and_never_a_new_key(tmp_path: Path, content: str | None) -> None:
    mounted = tmp_path / "keys"
    if content is not None:
        mounted.write_text(content, "utf-8")
    with pytest.raises(StoreError) as caught:
        load_cipher(tmp_path / "home", {"COUNTERFOIL_ENCRYPTION_KEYS_FILE": str(mounted)})
    assert caught.value.code == "store.key_missing"
    assert not (tmp_path / "home").exists()


async def test_a_process_that_does_not_migrate_refuses_an_older_schema(scratch_older: str, home: Path) -> None:
    with pytest.raises(StoreError, match=r"lacks 0006_work_lag\.sql.*run `counterfoil migrate` first") as caught:
        async with open_database(home, scratch_older, does_migrate=False):
            pass
    assert caught.value.code == "store.schema_older"
