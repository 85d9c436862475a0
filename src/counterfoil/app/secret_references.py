"""Secrets of the configuration file: references to variables and files, resolved; and those written into the file itself."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from enum import Enum, auto
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from counterfoil.app.sections import is_secret
from counterfoil.kit.errors import SetupError


class Secrets(Enum):
    """Which secrets a process needs: all, those by which an intake verifies webhooks, or none (it opens no connection)."""

    ALL = auto()
    OF_INTAKE = auto()
    OPTIONAL = auto()


def resolve(value: Any) -> Any:
    """Replace secret references ({env = "X"}, {file = "path"}) by what they refer to. Raises SetupError if it is not there, or empty."""
    if isinstance(value, dict):
        if set(value) == {"env"}:
            return _of_variable(str(value["env"]))
        if set(value) == {"file"}:
            return _of_file(str(value["file"]))
        return {key: resolve(item) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item) for item in value]
    return value


def _of_variable(name: str) -> str:
    secret = os.environ.get(name)
    if not secret:
        how = "is not set" if secret is None else "is empty"
        raise SetupError(f"environment variable {name} {how}", code="settings.secret_missing")
    return secret


def _of_file(name: str) -> str:
    try:
        secret = Path(name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SetupError(f"secret file {name} cannot be read: {why}", code="settings.secret_missing") from None
    if not secret:
        raise SetupError(f"secret file {name} is empty", code="settings.secret_missing")
    return secret


def resolve_part(given: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Return what of the settings a model has, resolved; a secret that is optional in it is left out if it is not there."""
    found: dict[str, Any] = {}
    for field_name, info in model.model_fields.items():
        if field_name not in given:
            continue
        try:
            found[field_name] = resolve(given[field_name])
        except SetupError:
            if info.is_required() or not is_secret(info):
                raise
    return found


def resolve_known(given: Mapping[str, Any], model: type[BaseModel]) -> tuple[dict[str, Any], frozenset[str]]:
    """Return the settings whose references can be resolved, and the names of those that cannot: whoever only looks needs no secrets."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        try:
            found[name] = resolve(value)
        except SetupError:
            if name not in model.model_fields:
                found[name] = value  # no setting of this connector, whatever it refers to
    return found, frozenset(given.keys() - found.keys())


def in_clear(given: Mapping[str, Any], model: type[BaseModel]) -> Iterator[str]:
    """Yield the secret settings whose values stand in the file. Raises SetupError for a reference that is written as a text."""
    for name, info in model.model_fields.items():
        value = given.get(name)
        texts = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
        if not texts or not is_secret(info):
            continue
        for kind in ("env", "file"):
            if any(text.startswith(f"{kind}:") for text in texts):
                message = f'{name} = "{kind}:..." would be taken as the secret itself; write {{ {kind} = "..." }}'
                raise SetupError(message, code="settings.invalid")
        yield name
