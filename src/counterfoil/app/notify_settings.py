"""Settings of who is told of cases, and by what: one ``[[notify]]`` table per channel."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field


class NotifySettings(BaseModel):
    """A channel: an address (a secret: give it as ``{ env = "NAME" }``) and which cases it is told of; empty filters match all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    url: str | dict[str, str]
    classes: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    severity: Literal["any", "urgent"] = "any"
    wait_s: float = Field(default=20.0, ge=0, le=3600)
    every_s: float = Field(default=60.0, ge=0, le=86_400)


_OPEN_SCHEMES = frozenset({"http", "https", "json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos"})
"""Addresses that name a place; those of any other service of Apprise are made of its tokens: https://appriseit.com/services/"""
_SECRET_NAMES = re.compile(r"auth|token|key|secret|pass|sig|credential", re.IGNORECASE)
_TOKEN = re.compile(r"(?=[^/]*\d)(?=[^/]*[A-Za-z])[\w.~-]{16,}")
"""A part of a path that nobody would make up as a name."""


def holds_secret(url: str) -> bool:
    """Whether whoever reads an address has a password or token by it."""
    try:
        parts = urlsplit(url)
        has_password = bool(parts.password)
    except ValueError:
        return "@" in url
    if has_password or parts.scheme.lower() not in _OPEN_SCHEMES:
        return True
    is_named = any(value and _SECRET_NAMES.search(name) for name, value in parse_qsl(parts.query))
    return is_named or any(_TOKEN.fullmatch(part) for part in parts.path.split("/"))
