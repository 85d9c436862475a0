"""No vendor's name stands outside its folder, tests and the demo company, which is of two vendors."""

from __future__ import annotations

import re

from tests.tidy.sources import PACKAGE, name_of, text_files

from counterfoil.kit.discovery import connector_names, load_connector

DEMO = ("app/demo", "app/simulation", "cli/demo.py", "cli/simulate.py")
"""The demo company and what plays it, relative to the package."""
ADDRESS = re.compile(r"https?://\S+")
"""A page a rule is taken from may be any vendor's."""


def vendors() -> tuple[str, ...]:
    """Return the connectors that are a vendor's: all that speak to a system of somebody else's, which files do not."""
    return tuple(name for name in connector_names() if load_connector(name).client is not None)


def named(text: str) -> list[str]:
    """Return the lines in which a vendor is named."""
    word = re.compile("|".join(vendors()), re.IGNORECASE)
    lines = text.splitlines() if word.search(text) else []
    return [line.strip() for line in lines if word.search(ADDRESS.sub("", line))]


def test_a_vendor_is_named_in_its_folder_the_demo_company_and_tests_alone() -> None:
    found = {}
    for path, text in text_files():
        inside = path.relative_to(PACKAGE).as_posix() if PACKAGE in path.parents else "connectors"
        if not inside.startswith(("connectors", *DEMO)) and (lines := named(text)):
            found[name_of(path)] = lines
    assert found == {}


def test_a_connector_does_not_name_another_vendor_in_its_code() -> None:
    found = {}
    for path, text in text_files():
        parts = path.relative_to(PACKAGE).parts if PACKAGE in path.parents else ()
        if path.suffix != ".py" or parts[:1] != ("connectors",) or len(parts) < 3 or {"tests", "sandbox"} & set(parts):
            continue
        others = [line for line in named(text) if not re.search(parts[1], line, re.IGNORECASE)]
        if others:
            found[name_of(path)] = others
    assert found == {}
