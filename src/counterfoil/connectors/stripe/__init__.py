"""Stripe as a source: customers, catalog, subscriptions, invoices, credit notes, payments, refunds, disputes, payouts and fees."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from counterfoil.core.proving.items import AccountingPeriod, ProofItem
from counterfoil.kit.connector import Connector
from counterfoil.kit.questions import Question

from .config import StripeConfig, StripeIntake
from .links import link
from .source import StripeSource

if TYPE_CHECKING:
    from counterfoil.kit.connector import Finding
    from counterfoil.kit.context import Context
    from counterfoil.kit.http import HttpClient


def _client(settings: StripeConfig) -> HttpClient:
    """Return the HTTP client of one connection; the HTTP library is loaded only when something is to be read."""
    from .client import client

    return client(settings)


def _sandbox(*args: Any, **kwargs: Any) -> Any:
    """Return a simulator of Stripe; its code is loaded only when one is asked for."""
    from .sandbox import StripeSandbox

    return StripeSandbox(*args, **kwargs)


def _source_proof(settings: StripeConfig, period: AccountingPeriod) -> AsyncIterator[ProofItem]:
    """Read an account for the proof; its plain client is loaded only when one is made."""
    from .proof import items

    return items(settings, period)


async def _check(ctx: Context) -> tuple[Finding, ...]:
    """Return what the key may not read, and whether it is the account's; the code is loaded only when that is asked."""
    from .check import check_source

    return await check_source(ctx)


_SOURCE = StripeSource()

CONNECTOR = Connector(
    name="stripe",
    config=StripeConfig,
    intake=StripeIntake,
    client=_client,
    source=_SOURCE,
    fetches=_SOURCE,
    webhooks=_SOURCE,
    streams=_SOURCE.streams,
    backfills=_SOURCE,
    has_balance=True,
    sandbox=_sandbox,
    booking_settings=("account", "accounts", "sku_key", "group_key", "deal_keys"),
    source_proof=_source_proof,
    link=link,
    source_check=_check,
    asks=(Question("api_key", "", "A Stripe account: a name of yours and the variable with its key.", is_secret=True),),
)
