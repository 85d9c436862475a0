"""What ``counterfoil check`` tries of a HubSpot connection: whose token it is, and each scope it needs. Reads alone, one record each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from counterfoil.core.kinds.company import COMPANY
from counterfoil.core.kinds.contact import CONTACT
from counterfoil.core.kinds.deal import DEAL
from counterfoil.core.kinds.quote import QUOTE
from counterfoil.kit.connector import Finding, Severity
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError

from . import journal
from .client import Api
from .fetching import PRIMARY_LABEL
from .refs import LINE_ITEM, PATHS
from .wire import Details, LabelDefinitions

SCOPES: tuple[tuple[str, str], ...] = (
    (COMPANY.name, "crm.objects.companies.read"),
    (CONTACT.name, "crm.objects.contacts.read"),
    (DEAL.name, "crm.objects.deals.read"),
    (LINE_ITEM, "crm.objects.line_items.read"),
    (QUOTE.name, "crm.objects.quotes.read"),
)
"""What is read, and the scope that allows it: https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/scopes"""


async def check_source(ctx: Context) -> tuple[Finding, ...]:
    """Return whether the token is of the configured account, and what it may not read. Raises TransientError, SetupError."""
    api = Api(ctx)
    answer = await api.get(f"/account-info/{ctx.settings.api_version}/details")
    details = api.decoded(answer, Details)
    findings = [*_account(details, ctx.settings.portal_id), *_currency(details, ctx.settings.currency)]
    if any(one.code == "hubspot.account_mismatch" for one in findings):
        return tuple(findings)  # the rest would be told of another account
    scopes = [(kind, scope) for kind, scope in SCOPES if ctx.settings.reads_quotes or kind != QUOTE.name]
    refused = await asyncio.gather(*(_is_refused(ctx, kind) for kind, _ in scopes))
    missing = [(kind, scope) for (kind, scope), is_refused in zip(scopes, refused, strict=True) if is_refused]
    findings += [
        Finding(
            Severity.ERROR,
            "hubspot.scope_missing",
            f"the token may not read {PATHS[kind]}",
            f"In HubSpot, give the key or app the scope {scope}",
        )
        for kind, scope in missing
    ]
    if not missing:
        findings.append(Finding(Severity.OK, "hubspot.scopes", "the token may read all that is needed"))
    if not missing and ctx.settings.customer_labels:
        findings += await _labels(ctx)
    return (*findings, *await _journal(ctx))


async def _labels(ctx: Context) -> list[Finding]:
    """Return which labels that are to say who a deal's customer is there are none of."""
    api = Api(ctx)
    answer = await api.get(f"/crm/associations/{ctx.settings.api_version}/{PATHS[DEAL.name]}/{PATHS[COMPANY.name]}/labels")
    known = {PRIMARY_LABEL.casefold(), *((one.label or "").strip().casefold() for one in api.decoded(answer, LabelDefinitions).results)}
    lacking = [label for label in ctx.settings.customer_labels if label.strip().casefold() not in known]
    remedy = "In HubSpot, under Settings, Objects, Deals, Associations, make the label for companies, or correct customer_labels"
    return [
        Finding(
            Severity.ERROR, "hubspot.label_missing", f"deals and companies have no label {label!r}: no company would be found by it", remedy
        )
        for label in lacking
    ]


def _account(details: Details, portal_id: int) -> Iterator[Finding]:
    if details.portalId != portal_id:
        message = f"the token is of account {details.portalId}, and portal_id is {portal_id}: every event would be held back"
        yield Finding(
            Severity.ERROR, "hubspot.account_mismatch", message, f"Set portal_id = {details.portalId}, or the token of {portal_id}"
        )
    else:
        yield Finding(Severity.OK, "hubspot.account", f"the token is of account {portal_id}")


def _currency(details: Details, currency: str) -> Iterator[Finding]:
    if details.companyCurrency and details.companyCurrency != currency:
        message = (
            f"the account's company currency is {details.companyCurrency}, and currency is {currency}: deals that name none would be wrong"
        )
        yield Finding(Severity.ERROR, "hubspot.currency_mismatch", message, f'Set currency = "{details.companyCurrency}"')


async def _is_refused(ctx: Context, kind: str) -> bool:
    try:
        await Api(ctx).rows(kind)
    except SetupError as error:
        if error.code != "hubspot.scope_missing":
            raise
        return True
    return False


async def _journal(ctx: Context) -> tuple[Finding, ...]:
    """Return whether the journal can be read, where it is to be."""
    if not ctx.settings.follows_journal:
        return ()
    try:
        await journal.read(ctx, "")
    except SetupError as error:
        remedy = f"Compare client_id and client_secrets with the app's page, and give the app {journal.SCOPE}"
        return (Finding(Severity.ERROR, "hubspot.journal_refused", f"the webhooks journal cannot be read: {error}", remedy),)
    return (Finding(Severity.OK, "hubspot.journal", "the webhooks journal can be read"),)
