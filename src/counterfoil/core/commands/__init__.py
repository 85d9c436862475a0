"""Every kind of command there is, from one file for each area. There is no other list of them anywhere.

``SPECS`` is made of the files of this folder and checked total: what a kind leaves out or says twice raises ``KindError`` at import.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from counterfoil.core.language.commands import Command, CommandKind, Spec
from counterfoil.core.language.records import KindError, Purpose


def _specs_in(name: str) -> Iterator[Spec[Any]]:
    """Yield the specs of one area, and see that every kind of command the area names has one."""
    module = import_module(f"{__name__}.{name}")
    specs: tuple[Spec[Any], ...] = getattr(module, "SPECS", ())
    if not specs:
        raise KindError(f"core/commands/{name}.py has no SPECS")
    for spec in specs:
        missing = sorted(getattr(spec.arguments, "__abstractmethods__", ()))
        if missing:
            raise KindError(f"core/commands/{name}.py: {spec.arguments.__name__} does not say {', '.join(missing)}")
    for kinds in {type(spec.kind) for spec in specs}:
        missing = [kind.value for kind in kinds if kind not in {spec.kind for spec in specs}]
        if missing:
            raise KindError(f"core/commands/{name}.py has no spec of {', '.join(missing)}")
    yield from specs


def _all() -> Mapping[CommandKind, Spec[Any]]:
    found: dict[CommandKind, Spec[Any]] = {}
    for name in sorted(module.name for module in iter_modules(__path__)):
        for spec in _specs_in(name):
            if spec.kind in found:
                raise KindError(f"core/commands/{name}.py has a second spec of {spec.kind.value}")
            found[spec.kind] = spec
    return found


SPECS: Mapping[CommandKind, Spec[Any]] = _all()
"""The spec of every kind of command, in the order of the areas' files."""

DOMAINS: tuple[str, ...] = tuple(dict.fromkeys(spec.domain for spec in SPECS.values()))
"""Every data domain, as the configuration names it."""


def kinds_for(purpose: Purpose) -> frozenset[CommandKind]:
    """Return the kinds of command that a connection which serves a purpose takes."""
    return frozenset(kind for kind, spec in SPECS.items() if spec.purpose is purpose)


_BY_NAME = {kind.value: kind for kind in SPECS}
_PURPOSES: Mapping[str, Purpose] = {kind.value: spec.purpose for kind, spec in SPECS.items()}


def purpose_of(kind: str) -> Purpose:
    """Return what a kind of command is written for. Raises KeyError if there is no such kind."""
    return _PURPOSES[kind]


def command_kind(name: str) -> CommandKind:
    """Return the kind of command of that name. Raises ValueError if there is none."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise ValueError(f"{name!r} is no kind of command") from None


def same_thing(command: Command) -> tuple[str, ...]:
    """Return the external keys of the commands that write on the same thing in the target, the command's own included.

    A record is written on by the commands with its key; a match also by the command that undoes it, and by those that make it anew.
    """
    return SPECS[command.kind].same_thing(command)
