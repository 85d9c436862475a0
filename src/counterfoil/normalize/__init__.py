"""Stage 2: receipts become canonical events, and events the current state of objects."""
