"""The address of a record in HubSpot's own pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .refs import TYPE_IDS, canonical, is_id


def link(settings: Mapping[str, Any], ref: str) -> str:
    """Return the address of ``kind/<portal>.<id>``; empty for a sandbox, which has no pages, and for anything else."""
    kind, _, id = ref.partition("/")
    portal, _, record_id = id.partition(".")
    if kind not in TYPE_IDS or not record_id.isdecimal() or "hubapi.com" not in str(settings.get("base_url", "hubapi.com")):
        return ""
    return f"https://app.hubspot.com/contacts/{portal}/record/{TYPE_IDS[kind]}/{record_id}"


def known_as(settings: Mapping[str, Any], id: str) -> str:
    """Return the canonical id of a record by its number in the account; empty for what is no number."""
    portal = str(settings.get("portal_id", ""))
    return canonical(portal, id) if is_id(id) and is_id(portal) else ""
