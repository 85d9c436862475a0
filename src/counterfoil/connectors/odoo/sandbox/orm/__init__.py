"""The ORM-like store of the Odoo sandbox: tables with undo log, fields, domains, reading, writing, importing."""
