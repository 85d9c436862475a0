"""The address of a record in Salesforce's own pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .refs import KINDS, canonical, is_id, to_18


def link(settings: Mapping[str, Any], ref: str) -> str:
    """Return the address of ``kind/<org>.<id>``; empty for a simulator, which has no pages, and for anything else."""
    kind, _, id = ref.partition("/")
    record_id = id.rpartition(".")[2]
    base = str(settings.get("base_url", ""))
    if kind not in KINDS or not is_id(record_id) or not base.startswith("https://"):
        return ""
    return f"{base}/{record_id}"


def known_as(settings: Mapping[str, Any], id: str) -> str:
    """Return the canonical id of a record by its id of 15 or 18 characters; empty for what is none."""
    org = str(settings.get("org_id", ""))
    return canonical(to_18(org), to_18(id)) if is_id(id) and is_id(org) else ""
