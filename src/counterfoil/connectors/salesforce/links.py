"""The address of a record in Salesforce's own pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .refs import KINDS, is_id


def link(settings: Mapping[str, Any], ref: str) -> str:
    """Return the address of ``kind/<org>.<id>``; empty for a simulator, which has no pages, and for anything else."""
    kind, _, id = ref.partition("/")
    record_id = id.rpartition(".")[2]
    base = str(settings.get("base_url", ""))
    if kind not in KINDS or not is_id(record_id) or not base.startswith("https://"):
        return ""
    return f"{base}/{record_id}"
