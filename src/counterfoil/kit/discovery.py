"""Finding connectors: by folder under :mod:`counterfoil.connectors`, or by entry point of another package; imported only when asked for."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from counterfoil.kit.connector import Connector
from counterfoil.kit.errors import SetupError
from counterfoil.kit.parts import lacking

PACKAGE = "counterfoil.connectors"
GROUP = "counterfoil.connectors"


def connector_names(package: str = PACKAGE, entries: Iterable[EntryPoint] | None = None) -> tuple[str, ...]:
    """Return the names of all connectors, sorted; none is imported. Raises SetupError if two share a name."""
    return tuple(sorted(_places(package, entries)))


def load_connector(name: str, package: str = PACKAGE, entries: Iterable[EntryPoint] | None = None) -> Connector:
    """Import one connector and return its declaration.

    Raises SetupError: no connector has the name, its package cannot be imported (whatever it fails with, such as a declaration made for
    another release), lacks CONNECTOR, declares another name than its own, or lacks a part that another of its parts needs.
    """
    places = _places(package, entries)
    if name not in places:
        raise SetupError(f"there is no connector {name!r}; there are: {', '.join(sorted(places)) or 'none'}", code="connector.unknown")
    place = places[name]
    where = place if isinstance(place, str) else place.value
    try:
        loaded = importlib.import_module(place) if isinstance(place, str) else place.load()
    except Exception as error:  # somebody else's code: whatever is wrong with it, the others are not
        words = f"{type(error).__name__}: {error}"
        raise SetupError(f"connector {name!r} ({where}) cannot be imported: {words}", code="connector.import_failed") from error
    declaration = getattr(loaded, "CONNECTOR", None) if isinstance(loaded, ModuleType) else loaded
    if not isinstance(declaration, Connector):
        raise SetupError(
            f"connector {name!r}: {where} has no CONNECTOR; its __init__.py must say CONNECTOR = Connector(...)",
            code="connector.undeclared",
        )
    if declaration.name != name:
        raise SetupError(
            f"connector {name!r}: {where} declares the name {declaration.name!r}; folder (or entry point) and name must be the same",
            code="connector.misnamed",
        )
    missing = "; ".join(lacking(declaration))
    if missing:
        raise SetupError(f"connector {name!r} ({where}) is not complete: {missing}", code="connector.incomplete")
    return declaration


def load_connectors(package: str = PACKAGE, entries: Iterable[EntryPoint] | None = None) -> Mapping[str, Connector]:
    """Import all connectors and return them by name. Raises SetupError as :func:`load_connector` does."""
    found = list(entries) if entries is not None else None
    return {name: load_connector(name, package, found) for name in connector_names(package, found)}


def _places(package: str, entries: Iterable[EntryPoint] | None) -> dict[str, str | EntryPoint]:
    """Return where each connector lives: a module's name, or an entry point."""
    parent = importlib.import_module(package)
    places: dict[str, str | EntryPoint] = {}
    for module in pkgutil.iter_modules(parent.__path__):
        if module.ispkg and not module.name.startswith("_"):
            places[module.name] = f"{package}.{module.name}"
    for entry in _installed() if entries is None else entries:
        if entry.name in places:
            other = places[entry.name]
            where = other if isinstance(other, str) else other.value
            raise SetupError(
                f"two connectors are named {entry.name!r}: {where} and {entry.value}; uninstall or rename one", code="connector.duplicate"
            )
        places[entry.name] = entry
    return places


@cache
def _installed() -> tuple[EntryPoint, ...]:
    """Return the entry points of other packages. Finding them reads what every installed package says of itself: once in a process."""
    return tuple(entry_points(group=GROUP))
