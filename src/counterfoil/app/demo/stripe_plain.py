"""The demonstration's door to the plain Stripe client, which lies with all else that knows Stripe."""

from __future__ import annotations

from counterfoil.connectors.stripe.plain import API_VERSION, DECLINED, StripePlain, StripePlainError

__all__ = ["API_VERSION", "DECLINED", "StripePlain", "StripePlainError"]
