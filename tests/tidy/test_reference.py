"""Every setting, error code, event type and connector is in the reference, and nothing is there that does not exist."""

from __future__ import annotations

import re

from tests.tidy.codes import codes
from tests.tidy.settings_reference import models, notes, reference
from tests.tidy.sources import ROOT, python_files

from counterfoil.core.kinds import EVENT_TYPES
from counterfoil.kit.discovery import connector_names

REFERENCE = ROOT / "docs" / "reference"
ROW = re.compile(r"^\| `([^`]+)` \| (.+) \|$", re.MULTILINE)


def rows(name: str) -> dict[str, str]:
    """Return the rows of a reference: what it is about, and the meaning."""
    found = ROW.findall((REFERENCE / name).read_text(encoding="utf-8"))
    assert len(found) == len(dict(found)), f"{name} has a row twice"
    return dict(found)


def test_the_configuration_reference_is_that_of_the_settings() -> None:
    written = (REFERENCE / "configuration.md").read_text(encoding="utf-8")
    assert written == reference(), "run: python -m tests.tidy.settings_reference > docs/reference/configuration.md"


def test_every_setting_says_what_it_is() -> None:
    assert [f"{model.__name__}.{field}" for _, _, model in models() for field in model.model_fields if not notes(model).get(field)] == []


def test_every_setting_is_read_somewhere() -> None:
    texts = [text for path, text, _ in python_files(with_tests=False) if path.name != "settings_reference.py"]
    fields = {field for _, _, model in models() for field in model.model_fields}
    assert sorted(field for field in fields if not any(re.search(rf"\.{field}\b", text) for text in texts)) == []


def test_every_error_code_has_its_meaning() -> None:
    used, written = codes(), rows("errors.md")
    assert {code: path for code, path in used.items() if code not in written} == {}, "used and not explained"
    assert sorted(written.keys() - used.keys()) == [], "explained and not used"


def test_every_event_type_has_its_meaning() -> None:
    assert list(rows("events.md")) == [event_type.value for event_type in EVENT_TYPES]


def test_every_connector_is_in_the_configuration_reference() -> None:
    text = (REFERENCE / "configuration.md").read_text(encoding="utf-8")
    assert [name for name in connector_names() if f'connector = "{name}"' not in text] == []
