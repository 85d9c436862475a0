"""The calls about accounts themselves.

Source: https://docs.stripe.com/api/accounts.
"""

from __future__ import annotations

from . import errors
from .calls import Call, Plain, route
from .forms import Obj
from .world import Account


def shown(account: Account) -> Obj:
    """Return the account object."""
    return {
        "id": account.id,
        "object": "account",
        "business_profile": {"name": account.name or None, "url": None},
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": account.country,
        "created": account.created,
        "default_currency": account.currency,
        "details_submitted": True,
        "email": None,
        "metadata": {},
        "payouts_enabled": True,
        "settings": {
            "dashboard": {"display_name": account.name or None, "timezone": "Etc/UTC"},
            "payouts": {
                "debit_negative_balances": True,
                "schedule": {"delay_days": account.terms.available_after_days, "interval": account.terms.payout_interval},
                "statement_descriptor": None,
            },
        },
        "type": "standard",
    }


@route("GET", "/v1/account")
def _own(call: Call) -> Plain:
    return Plain(shown(call.account))


@route("GET", "/v1/accounts/{id}")
def _retrieve(call: Call) -> Plain:
    found = call.world.accounts.get(call.args[0])
    if found is None:
        raise errors.missing("account", call.args[0])
    return Plain(shown(found))
