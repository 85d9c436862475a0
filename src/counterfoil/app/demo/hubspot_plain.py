"""The demonstration's door to the plain HubSpot client, which lies with all else that knows HubSpot."""

from __future__ import annotations

from counterfoil.connectors.hubspot.plain import HubspotPlain, HubspotPlainError

__all__ = ["HubspotPlain", "HubspotPlainError"]
