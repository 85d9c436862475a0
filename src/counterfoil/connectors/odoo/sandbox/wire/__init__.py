"""The HTTP side of the Odoo sandbox: JSON-2, JSON-RPC, control interface, worker slots."""
