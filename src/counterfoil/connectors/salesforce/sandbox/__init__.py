"""Salesforce's simulator: knows nothing of the connector beside it."""

from __future__ import annotations

from .server import SalesforceSandbox

__all__ = ["SalesforceSandbox"]
