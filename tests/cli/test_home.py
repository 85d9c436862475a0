"""The hub's home lies beside its file wherever a command is run, and looking never begins a hub; addresses are checked, not shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from counterfoil.app.settings import load_plain
from counterfoil.kit.errors import SetupError

from .conftest import PLAIN, Program


def test_a_relative_home_lies_beside_the_file(folder: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.config.write_text(PLAIN)
    elsewhere = folder.folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert load_plain(Path("../counterfoil.toml")).hub.home.resolve() == (folder.folder / ".counterfoil").resolve()


def test_a_home_where_earlier_releases_looked_is_not_replaced_by_an_empty_one(folder: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder.folder / "conf").mkdir()
    config = folder.folder / "conf" / "counterfoil.toml"
    config.write_text(PLAIN)
    (folder.folder / ".counterfoil" / "postgres").mkdir(parents=True)
    monkeypatch.chdir(folder.folder)
    with pytest.raises(SetupError, match=f"{folder.folder / '.counterfoil'}, where earlier releases looked") as caught:
        load_plain(config)
    assert caught.value.code == "settings.home_moved"


@pytest.mark.parametrize("command", [("status",), ("case", "list"), ("trace", "in_1"), ("key", "list"), ("top", "--once")])
def test_looking_begins_no_hub(folder: Program, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    monkeypatch.delenv("COUNTERFOIL_DATABASE_URL", raising=False)
    folder.configure(PLAIN)
    ended = folder.run(*command)
    assert (ended.code, "`counterfoil up` begins one" in " ".join(ended.err.split())) == (2, True)
    assert not (folder.folder / "home").exists()


@pytest.mark.parametrize("url", ["mysql://x:s3cr3t@h/y", "postgresql://x:s3cr3t@h/y?sslmoe=1", "hello s3cr3t"])
def test_what_is_no_address_is_told_without_showing_it(folder: Program, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.delenv("COUNTERFOIL_DATABASE_URL", raising=False)
    folder.config.write_text(f'[hub]\ndatabase_url = "{url}"\n{PLAIN}')
    ended = folder.run("status")
    assert (ended.code, "[hub] database_url is no address of a PostgreSQL" in " ".join(ended.err.split())) == (2, True)
    assert "s3cr3t" not in ended.out + ended.err
    folder.configure(PLAIN)
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", url)
    ended = folder.run("status")
    assert (ended.code, "s3cr3t" in ended.out + ended.err) == (2, False)
