"""Stripe as a source: customers, catalog, subscriptions, invoices, credit notes, payments, refunds, disputes, payouts and fees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from counterfoil.kit.connector import Connector

from .config import StripeConfig, StripeIntake
from .source import StripeSource

if TYPE_CHECKING:
    from counterfoil.kit.http import HttpClient


def _client(settings: StripeConfig) -> HttpClient:
    """Return the HTTP client of one connection; the HTTP library is loaded only when something is to be read."""
    from .client import client

    return client(settings)


def _sandbox(*args: Any, **kwargs: Any) -> Any:
    """Return a simulator of Stripe; its code is loaded only when one is asked for."""
    from .sandbox import StripeSandbox

    return StripeSandbox(*args, **kwargs)


CONNECTOR = Connector(
    name="stripe",
    config=StripeConfig,
    intake=StripeIntake,
    http=_client,
    source=StripeSource(),
    sandbox=_sandbox,
    booking_settings=("account", "accounts", "sku_key", "group_key"),
)
