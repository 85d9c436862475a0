"""The demonstration's door to the plain Salesforce client, which lies with all else that knows Salesforce."""

from __future__ import annotations

from counterfoil.connectors.salesforce.plain import SalesforcePlain, SalesforcePlainError

__all__ = ["SalesforcePlain", "SalesforcePlainError"]
