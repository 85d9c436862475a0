"""The address of a record's form in Odoo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def link(settings: Mapping[str, Any], ref: str) -> str:
    """Return the form's address of ``model/id``: by the path Odoo's own e-mails use, the same in every version and in every company."""
    model, _, id = ref.partition("/")
    url = str(settings.get("url", "")).rstrip("/")
    return f"{url}/mail/view?model={model}&res_id={id}" if url and model and id.isdigit() else ""
