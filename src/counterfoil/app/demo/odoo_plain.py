"""The demonstration's door to the plain Odoo client, which lies with all else that knows Odoo."""

from __future__ import annotations

from counterfoil.connectors.odoo.plain import OdooPlain, OdooPlainError

__all__ = ["OdooPlain", "OdooPlainError"]
