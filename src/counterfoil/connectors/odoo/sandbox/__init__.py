"""A simulated Odoo 17, 18 or 19 over real HTTP: see the README beside this file."""

from counterfoil.connectors.odoo.sandbox.server import OdooSandbox

__all__ = ["OdooSandbox"]
