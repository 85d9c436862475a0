"""What ``counterfoil check`` tries of a Salesforce connection: whose app it is, the version, each type and field it reads. Reads alone."""

from __future__ import annotations

import msgspec

from counterfoil.kit.connector import Finding, Severity
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError

from .api import Api
from .pull import TYPES
from .refs import OPPORTUNITY


class ApiVersion(msgspec.Struct, frozen=True):
    """A version of the API that an org knows."""

    version: str


async def check_source(ctx: Context) -> tuple[Finding, ...]:
    """Return whether the org is the configured one, and what its integration user may not read. Raises TransientError, SetupError."""
    api = Api(ctx)
    findings = await _versions(ctx, api)
    findings.append(Finding(Severity.OK, "salesforce.org", f"the app is of org {ctx.settings.org_id}"))
    api.forget_fields()
    refused = [one for name in TYPES for one in await _type(api, name)]
    findings += refused or [Finding(Severity.OK, "salesforce.fields", "the integration user may read all that is needed")]
    if not refused:
        findings += await _currency(ctx, api)
    return (*findings, *await _streams(ctx))


async def _versions(ctx: Context, api: Api) -> list[Finding]:
    answer = await ctx.http.request("GET", "/services/data/", is_write=False)
    known = [one.version for one in api.decoded(answer, tuple[ApiVersion, ...])]
    if ctx.settings.api_version in known:
        return [Finding(Severity.OK, "salesforce.version", f"the org knows version {ctx.settings.api_version}")]
    message = f"the org does not know version {ctx.settings.api_version} of the API"
    newest = known[-1] if known else "one it knows"
    return [Finding(Severity.ERROR, "salesforce.version_unknown", message, f'Set api_version = "{newest}"')]


async def _type(api: Api, name: str) -> list[Finding]:
    try:
        await api.fields(name)
    except SetupError as error:
        if error.code not in ("salesforce.field_missing", "salesforce.address_unknown", "salesforce.forbidden"):
            raise
        remedy = "Give the integration user a permission set with read access to the objects and fields in the connector's README"
        words = str(error) if error.code == "salesforce.field_missing" else f"the integration user may not read {name}"
        return [Finding(Severity.ERROR, "salesforce.field_missing", words, remedy)]
    return []


async def _currency(ctx: Context, api: Api) -> list[Finding]:
    """Return whether the currency of the settings is the org's; an org that has only one tells it nowhere."""
    if "CurrencyIsoCode" not in await api.fields(OPPORTUNITY):
        told = f"amounts are taken for {ctx.settings.currency}: the org has one currency, and does not say which"
        return [Finding(Severity.OK, "salesforce.currency", told)]
    rows = await api.rows("SELECT IsoCode FROM CurrencyType WHERE IsCorporate = true", with_deleted=False)
    corporate = next((row.get("IsoCode", "") for row in rows), "")
    if corporate in ("", ctx.settings.currency):
        return [Finding(Severity.OK, "salesforce.currency", "amounts have the currency of their record")]
    message = f"the org's corporate currency is {corporate}, and currency is {ctx.settings.currency}"
    return [Finding(Severity.ERROR, "salesforce.currency_mismatch", message, f'Set currency = "{corporate}"')]


async def _streams(ctx: Context) -> list[Finding]:
    """Return whether what is to be listened to can be."""
    if not ctx.settings.pubsub_address:
        return []
    try:
        from . import listening
    except ImportError as error:
        message = f"listening needs {error.name}, which is not installed"
        return [Finding(Severity.ERROR, "salesforce.extra_missing", message, "pip install 'counterfoil[salesforce]'")]
    refused = await listening.refused_topics(ctx)
    if not refused:
        return [Finding(Severity.OK, "salesforce.topics", "what is to be listened to can be")]
    remedy = "Select the objects under Change Data Capture in Salesforce, and let the integration user see them all (View All Data)"
    return [Finding(Severity.ERROR, "salesforce.topic_refused", f"{topic} cannot be listened to", remedy) for topic in refused]
