"""The accounting engine of the Odoo sandbox: dynamic lines, taxes, posting, numbers, payments, reconciliation."""
