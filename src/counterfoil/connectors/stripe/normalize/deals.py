"""The deals of sales systems that an invoice or a subscription came of, as its metadata says. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from counterfoil.connectors.stripe.config import StripeConfig

ID_MAX = 255
"""Longest id of another system that is taken."""


def deals_of(settings: StripeConfig, metadata: Mapping[str, str] | None) -> tuple[str, ...]:
    """Return the deals that metadata name, by canonical id, each once; what cannot be an id is passed over.

    Source: https://docs.stripe.com/metadata.
    """
    given = metadata or {}
    named = [(place, id.strip()) for key, place in settings.deal_keys.items() for id in given.get(key, "").split(";")]
    return tuple(dict.fromkeys(f"{place}.{id}" for place, id in named if id and len(id) <= ID_MAX and not any(map(str.isspace, id))))
