"""The Odoo models the sandbox knows: field declarations and behavior, with the accounting engine behind them."""
