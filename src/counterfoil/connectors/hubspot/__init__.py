"""HubSpot: companies, contacts and deals with their line items in, how customers stand out. No money moves, and nothing is booked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from counterfoil.core.commands.crm import CrmCommand, StatusPart
from counterfoil.kit.connector import Connector
from counterfoil.kit.questions import Question
from counterfoil.kit.writing import CommandWriter

from .config import HubspotConfig, HubspotIntake
from .links import known_as, link
from .refs import BATCH_MAX, KINDS
from .source import HubspotSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from counterfoil.core.language.commands import Command
    from counterfoil.kit.connector import Finding
    from counterfoil.kit.context import Context
    from counterfoil.kit.http import HttpClient
    from counterfoil.kit.writing import Outcome


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


async def _show(ctx: Context, batch: Sequence[Command], bindings: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Write statuses onto companies; the code is loaded only when there are some."""
    from .deliver import show

    return await show(ctx, batch, bindings)


async def _look(ctx: Context, batch: Sequence[Command], bindings: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Tell which statuses are there; the code is loaded only when that is asked."""
    from .deliver import look

    return await look(ctx, batch, bindings)


async def _check_target(ctx: Context) -> tuple[Finding, ...]:
    """Return what stands in the way of writing statuses; the code is loaded only when that is asked."""
    from .definitions import check_target

    return await check_target(ctx)


def _fields() -> Mapping[str, str]:
    """Return what statuses are shown in; the code is loaded only when that is asked."""
    from .shown import PROPERTIES

    return {one.name: one.description for one in PROPERTIES}


_SOURCE = HubspotSource()
_STATUS = CommandWriter(
    _show, _look, "properties are written again with the values they have; looked at first all the same", BATCH_MAX, overwrites=True
)

CONNECTOR = Connector(
    name="hubspot",
    config=HubspotConfig,
    intake=HubspotIntake,
    client=_client,
    source=_SOURCE,
    fetches=_SOURCE,
    webhooks=_SOURCE,
    streams=_SOURCE.streams,
    backfills=_SOURCE,
    tells=KINDS,
    deliver={CrmCommand.SHOW_STATUS: _STATUS},
    target_check=_check_target,
    shows=(StatusPart.DUNNING, StatusPart.DEALS, StatusPart.SUBSCRIPTIONS),
    fields=_fields,
    booking_settings=("customer_ids", "customer_labels", "deal_documents"),
    sandbox=_sandbox,
    link=link,
    known_as=known_as,
    source_check=_check,
    asks=(Question("access_token", "", "A HubSpot account: a name of yours and the variable with its token.", is_secret=True),),
)
