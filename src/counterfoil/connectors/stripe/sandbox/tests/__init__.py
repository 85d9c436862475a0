"""Proofs of the Stripe sandbox: laws, shapes, the official library and the official trigger scenarios."""
