"""Stripe as a source: customers, catalog, subscriptions, invoices, credit notes, payments, refunds, disputes, payouts and fees."""

from __future__ import annotations

from typing import Any

from counterfoil.kit.connector import Connector

from .client import client
from .config import StripeConfig
from .source import StripeSource


def _sandbox(*args: Any, **kwargs: Any) -> Any:
    """Return a simulator of Stripe; its code is loaded only when one is asked for."""
    from .sandbox import StripeSandbox

    return StripeSandbox(*args, **kwargs)


CONNECTOR = Connector(name="stripe", config=StripeConfig, http=client, source=StripeSource(), sandbox=_sandbox)
