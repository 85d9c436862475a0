"""Every setting, error code, event type and connector is in the reference, and nothing is there that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.tidy.codes import codes
from tests.tidy.settings_reference import every_model, notes, reference, reference_of
from tests.tidy.sources import PACKAGE, ROOT, python_files

from counterfoil.core.kinds import EVENT_TYPES
from counterfoil.kit.discovery import connector_names

REFERENCE = ROOT / "docs" / "reference"
CONNECTORS = PACKAGE / "connectors"
ROW = re.compile(r"^\| `([^`]+)` \| (.+) \|$", re.MULTILINE)


def rows(path: Path) -> dict[str, str]:
    """Return the rows of a reference: what it is about, and the meaning."""
    found = ROW.findall(path.read_text(encoding="utf-8"))
    assert len(found) == len(dict(found)), f"{path.name} has a row twice"
    return dict(found)


def test_the_configuration_reference_is_that_of_the_settings() -> None:
    written = (REFERENCE / "configuration.md").read_text(encoding="utf-8")
    assert written == reference(), "run: python -m tests.tidy.settings_reference > docs/reference/configuration.md"


@pytest.mark.parametrize("name", connector_names())
def test_a_connectors_reference_is_that_of_its_settings(name: str) -> None:
    written = (CONNECTORS / name / "settings.md").read_text(encoding="utf-8")
    assert written == reference_of(name), (
        f"run: python -m tests.tidy.settings_reference {name} > src/counterfoil/connectors/{name}/settings.md"
    )


def test_every_setting_says_what_it_is() -> None:
    assert [
        f"{model.__name__}.{field}" for _, _, model in every_model() for field in model.model_fields if not notes(model).get(field)
    ] == []


def test_every_setting_is_read_somewhere() -> None:
    texts = [text for path, text, _ in python_files(with_tests=False) if path.name != "settings_reference.py"]
    fields = {field for _, _, model in every_model() for field in model.model_fields}
    assert sorted(field for field in fields if not any(re.search(rf"\.{field}\b", text) for text in texts)) == []


def _owner(code: str) -> str:
    """Return the connector a code belongs to by its name; empty: the hub."""
    name = code.partition(".")[0]
    return name if name in connector_names() else ""


def test_every_error_code_has_its_meaning() -> None:
    used, written = codes(), rows(REFERENCE / "errors.md")
    assert {code: path for code, path in used.items() if not _owner(code) and code not in written} == {}, "used and not explained"
    assert sorted(written.keys() - used.keys()) == [], "explained and not used"
    assert [code for code in written if _owner(code)] == [], "a connector's codes stand in its folder"


@pytest.mark.parametrize("name", connector_names())
def test_every_error_code_of_a_connector_has_its_meaning_in_its_folder(name: str) -> None:
    used, written = codes(), rows(CONNECTORS / name / "codes.md")
    own = {code: path for code, path in used.items() if _owner(code) == name}
    assert {code: path for code, path in own.items() if code not in written} == {}, "used and not explained"
    assert sorted(written.keys() - own.keys()) == [], "explained and not used"


def test_every_event_type_has_its_meaning() -> None:
    assert list(rows(REFERENCE / "events.md")) == [event_type.value for event_type in EVENT_TYPES]
