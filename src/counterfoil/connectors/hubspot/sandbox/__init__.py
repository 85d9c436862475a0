"""HubSpot's simulator: knows nothing of the connector beside it."""

from __future__ import annotations

from .server import HubspotSandbox

__all__ = ["HubspotSandbox"]
