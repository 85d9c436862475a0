"""Connectors are found by folder and by entry point; what is wrong with one is said by name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from counterfoil.kit.connector import Connector
from counterfoil.kit.discovery import connector_names, load_connector, load_connectors
from counterfoil.kit.errors import SetupError

DECLARATION = """
from pydantic import BaseModel
from counterfoil.kit.connector import Connector

class Config(BaseModel):
    pass

CONNECTOR = Connector(name="{name}", config=Config, {parts})
"""


def declared(name: str, parts: str = "source=object(), polls=object()") -> str:
    """Return the text of a connector with these parts."""
    return DECLARATION.format(name=name, parts=parts)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of connectors with one good one, ``acme``."""
    root = tmp_path / "somewhere_connectors"
    root.mkdir()
    (root / "__init__.py").write_text("")
    add(root, "acme", declared("acme"))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield root
    for name in [name for name in sys.modules if name.startswith("somewhere_connectors")]:
        del sys.modules[name]


def add(root: Path, name: str, text: str) -> None:
    (root / name).mkdir()
    (root / name / "__init__.py").write_text(text)


def names(*entries: EntryPoint) -> tuple[str, ...]:
    return connector_names("somewhere_connectors", entries)


def load(name: str, *entries: EntryPoint) -> Connector:
    return load_connector(name, "somewhere_connectors", entries)


def refused(name: str, *entries: EntryPoint) -> SetupError:
    with pytest.raises(SetupError) as caught:
        load(name, *entries)
    return caught.value


def test_a_folder_is_a_connector_and_is_imported_only_when_asked_for(package: Path) -> None:
    add(package, "broken", "raise RuntimeError('imported')")
    add(package, "_private", "")
    (package / "notes.py").write_text("")
    assert names() == ("acme", "broken")
    assert load("acme").name == "acme"


def test_another_package_adds_a_connector_by_entry_point(package: Path) -> None:
    add(package, "_elsewhere", declared("other"))
    whole = EntryPoint("other", "somewhere_connectors._elsewhere", "counterfoil.connectors")
    direct = EntryPoint("other", "somewhere_connectors._elsewhere:CONNECTOR", "counterfoil.connectors")
    assert names(whole) == ("acme", "other")
    assert load("other", whole).name == "other"
    assert load("other", direct).name == "other"
    assert sorted(load_connectors("somewhere_connectors", [whole])) == ["acme", "other"]


def test_two_connectors_of_one_name_are_refused_naming_both(package: Path) -> None:
    twin = EntryPoint("acme", "elsewhere.acme", "counterfoil.connectors")
    with pytest.raises(SetupError, match=r"somewhere_connectors\.acme and elsewhere\.acme") as caught:
        names(twin)
    assert caught.value.code == "connector.duplicate"


def test_an_unknown_name_is_answered_with_the_known_ones(package: Path) -> None:
    error = refused("acne")
    assert error.code == "connector.unknown"
    assert "there are: acme" in str(error)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "connector.undeclared"),
        ("CONNECTOR = 'acme'", "connector.undeclared"),
        (declared("other"), "connector.misnamed"),
        ("import a_package_nobody_has", "connector.import_failed"),
        ("this is no program", "connector.import_failed"),
        (declared("odd", "target=object()"), "connector.import_failed"),  # a part of a former release
        (declared("odd", ""), "connector.incomplete"),
        (declared("odd", "source=object()"), "connector.incomplete"),  # nothing comes from it
        (declared("odd", "webhooks=object()"), "connector.incomplete"),  # what comes is kept and read by nobody
        (declared("odd", "deliver={'post': object()}"), "connector.incomplete"),  # nobody could tell whether it is there
        (declared("odd", "books=object()"), "connector.incomplete"),
        (declared("odd", "source=object(), polls=object(), tells=('spaceship',)"), "connector.incomplete"),  # there is no such kind
    ],
)
def test_a_package_that_is_no_connector_says_what_is_missing(package: Path, text: str, code: str) -> None:
    add(package, "odd", text)
    assert refused("odd").code == code


def test_an_entry_point_to_nowhere_is_named(package: Path) -> None:
    error = refused("gone", EntryPoint("gone", "somewhere_connectors.acme:MISSING", "counterfoil.connectors"))
    assert error.code == "connector.import_failed"
    assert "somewhere_connectors.acme:MISSING" in str(error)
