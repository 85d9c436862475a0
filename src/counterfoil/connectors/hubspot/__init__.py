"""HubSpot as a source: companies, contacts and deals with their line items. It moves no money, and nothing of it is booked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from counterfoil.kit.connector import Connector

from .config import HubspotConfig, HubspotIntake
from .links import link
from .refs import KINDS
from .source import HubspotSource

if TYPE_CHECKING:
    from counterfoil.kit.connector import Context, Finding
    from counterfoil.kit.http import HttpClient


def _client(settings: HubspotConfig) -> HttpClient:
    """Return the HTTP client of one connection; the HTTP library is loaded only when something is to be read."""
    from .client import client

    return client(settings)


def _sandbox(*args: Any, **kwargs: Any) -> Any:
    """Return a simulator of HubSpot; its code is loaded only when one is asked for."""
    from .sandbox import HubspotSandbox

    return HubspotSandbox(*args, **kwargs)


async def _check(ctx: Context) -> tuple[Finding, ...]:
    """Return what the token may not read, and whether it is the account's; the code is loaded only when that is asked."""
    from .check import check_source

    return await check_source(ctx)


_SOURCE = HubspotSource()

CONNECTOR = Connector(
    name="hubspot",
    config=HubspotConfig,
    intake=HubspotIntake,
    http=_client,
    source=_SOURCE,
    fetches=_SOURCE,
    webhooks=_SOURCE,
    polls=_SOURCE,
    backfills=_SOURCE,
    tells=KINDS,
    sandbox=_sandbox,
    link=link,
    source_check=_check,
)
