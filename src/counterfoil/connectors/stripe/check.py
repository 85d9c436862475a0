"""What ``counterfoil check`` tries of a Stripe connection: whose key it is, and each scope it needs. Reads alone, one row each."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

from counterfoil.kit.connector import Finding, Severity
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError

from .client import Api

SCOPES: tuple[tuple[str, str], ...] = (
    ("/v1/events", "Events"),
    ("/v1/balance", "Balance"),
    ("/v1/balance_transactions", "Balance transaction sources"),
    ("/v1/charges", "Charges and refunds"),
    ("/v1/refunds", "Charges and refunds"),
    ("/v1/customers", "Customers"),
    ("/v1/disputes", "Disputes"),
    ("/v1/payment_intents", "Payment intents"),
    ("/v1/payouts", "Payouts"),
    ("/v1/products", "Products"),
    ("/v1/prices", "Prices"),
    ("/v1/credit_notes", "Credit notes"),
    ("/v1/invoices", "Invoices"),
    ("/v1/invoice_payments", "Invoices"),
    ("/v1/subscriptions", "Subscriptions"),
    ("/v1/tax_rates", "Tax rates"),
)
"""What is read, and the permission of a restricted key that allows it: https://docs.stripe.com/keys#limit-access"""

_ACCOUNT = re.compile(r"\bacct_[A-Za-z0-9_]+")
_ONE = (("limit", "1"),)


async def check_source(ctx: Context) -> tuple[Finding, ...]:
    """Return whether the key is of the configured account, and what it may not read of each account. Raises TransientError, SetupError."""
    owner = await _owner(ctx)
    findings = [*_account_findings(owner, ctx.settings.account)]
    if any(one.severity is Severity.ERROR for one in findings):
        return tuple(findings)  # the rest would be told of another account
    for account in ctx.settings.all_accounts:
        findings += await _scope_findings(ctx, account)
    return tuple(findings)


async def _owner(ctx: Context) -> str:
    """Return the account a key belongs to, by its own account object or by the refusal to show it; empty if neither tells."""
    try:
        found = await Api(ctx, ctx.settings.account).get("/v1/account")
    except SetupError as error:
        if error.code != "stripe.permission_missing":
            raise
        told = _ACCOUNT.search(str(error))
        return told.group() if told else ""
    return str(found["id"]) if found else ""


def _account_findings(owner: str, account: str) -> Iterator[Finding]:
    if not owner:
        message = f"Stripe does not tell which account the key belongs to; {account} was not compared"
        yield Finding(Severity.WARNING, "stripe.account_unknown", message, "Compare it with Settings, Account details in Stripe")
    elif owner != account:
        message = f"the key belongs to {owner}, and account is {account}: everything would be kept under a name that is not its own"
        yield Finding(Severity.ERROR, "stripe.account_mismatch", message, f'Set account = "{owner}", or the key of {account}')
    else:
        yield Finding(Severity.OK, "stripe.account", f"the key belongs to {owner}")


async def _scope_findings(ctx: Context, account: str) -> list[Finding]:
    """Return what the key may not read of an account; one OK if there is nothing."""
    api = Api(ctx, account)
    refused = [one for one in await asyncio.gather(*(_refusal(api, path) for path, _ in SCOPES)) if one is not None]
    if any("account_invalid" in str(error) for _, error in refused):
        message = f"the key has no access to the connected account {account}"
        return [Finding(Severity.ERROR, "stripe.account_refused", message, "Take it out of accounts, or connect it to the key's account")]
    missing: dict[str, list[str]] = {}
    for path, _ in refused:
        missing.setdefault(dict(SCOPES)[path], []).append(path)
    findings = [
        Finding(
            Severity.ERROR,
            "stripe.permission_missing",
            f"the key may not read {resource} of {account} (GET {', '.join(paths)})",
            f"In Stripe under Developers, API keys, give the key the permission {resource}: read",
        )
        for resource, paths in missing.items()
    ]
    return findings or [Finding(Severity.OK, "stripe.permissions", f"the key may read all that is needed of {account}")]


async def _refusal(api: Api, path: str) -> tuple[str, SetupError] | None:
    try:
        await api.get(path, () if path == "/v1/balance" else _ONE)
    except SetupError as error:
        if error.code != "stripe.permission_missing":
            raise
        return path, error
    return None
