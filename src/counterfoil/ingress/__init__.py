"""Stage 1: receive. Webhooks, polls and backfills become receipts; what is acknowledged is committed."""
