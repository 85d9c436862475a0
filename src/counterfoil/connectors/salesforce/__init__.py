"""Salesforce: accounts, contacts and opportunities with their products in. No money moves, and nothing is booked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from counterfoil.kit.connector import Connector
from counterfoil.kit.questions import Question

from .config import SalesforceConfig
from .links import link
from .refs import KINDS
from .source import SalesforceSource

if TYPE_CHECKING:
    from counterfoil.kit.connector import Context, Finding
    from counterfoil.kit.http import HttpClient


def _client(settings: SalesforceConfig) -> HttpClient:
    """Return the HTTP client of one connection; the HTTP library is loaded only when something is to be read."""
    from .client import client

    return client(settings)


def _sandbox(*args: Any, **kwargs: Any) -> Any:
    """Return a simulator of Salesforce; its code is loaded only when one is asked for."""
    from .sandbox import SalesforceSandbox

    return SalesforceSandbox(*args, **kwargs)


async def _check(ctx: Context) -> tuple[Finding, ...]:
    """Return what the integration user may not read, and whether the org is the configured one; the code is loaded only when asked."""
    from .check import check_source

    return await check_source(ctx)


_SOURCE = SalesforceSource()

CONNECTOR = Connector(
    name="salesforce",
    config=SalesforceConfig,
    client=_client,
    source=_SOURCE,
    fetches=_SOURCE,
    polls=_SOURCE,
    backfills=_SOURCE,
    tells=KINDS,
    sandbox=_sandbox,
    link=link,
    source_check=_check,
    asks=(
        Question("client_secret", "", "A Salesforce org: a name of yours and the variable with its app's consumer secret.", is_secret=True),
    ),
)
