"""Tests of the Stripe connector; their data is in ``fixtures``."""
