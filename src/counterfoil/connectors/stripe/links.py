"""The address of an object in Stripe's Dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PAGES = {
    "cus_": "customers",
    "in_": "invoices",
    "pi_": "payments",
    "ch_": "payments",
    "py_": "payments",
    "prod_": "products",
    "sub_": "subscriptions",
    "po_": "payouts",
    "dp_": "disputes",
    "du_": "disputes",
}
"""Pages by the beginning of an id; anything else is found by the Dashboard's own search."""


def link(settings: Mapping[str, Any], ref: str) -> str:
    """Return the Dashboard's address of ``kind/id``; empty for a sandbox, which has no pages, and for ids that are not Stripe's own."""
    id = ref.partition("/")[2]
    if not id or "stripe.com" not in str(settings.get("base_url", "stripe.com")):
        return ""
    key = settings.get("api_key", "")
    is_test = settings.get("livemode") is False or (isinstance(key, str) and key[:8] in ("sk_test_", "rk_test_"))
    place = "https://dashboard.stripe.com" + (f"/{settings['account']}" if settings.get("account") else "") + ("/test" if is_test else "")
    page = next((page for prefix, page in _PAGES.items() if id.startswith(prefix)), None)
    return f"{place}/{page}/{id}" if page else f"{place}/search?query={id}"
