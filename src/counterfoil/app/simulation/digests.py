"""Three digests by which two runs are told apart or found alike: what the source holds, how it was delivered, what was to go wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from counterfoil.app.demo.company import StripeAccount
from counterfoil.app.demo.control import StripeControl
from counterfoil.app.demo.stripe_plain import StripePlain
from counterfoil.app.demo.world import World

from .schedule import ScheduledFault

_KINDS: dict[str, tuple[str, ...]] = {
    "/v1/customers": ("balance", "currency"),
    "/v1/invoices": ("currency", "status", "total", "amount_paid", "amount_remaining", "number"),
    "/v1/credit_notes": ("currency", "status", "total", "invoice"),
    "/v1/charges": ("currency", "status", "amount", "amount_refunded"),
    "/v1/refunds": ("currency", "status", "amount"),
    "/v1/disputes": ("currency", "status", "amount"),
    "/v1/payouts": ("currency", "status", "amount"),
    "/v1/balance_transactions": ("currency", "type", "amount", "fee", "source"),
}


@dataclass(frozen=True, slots=True)
class Digests:
    """Hexadecimal digests. Equal for equal seeds and arguments, on any machine."""

    company: str
    deliveries: str
    schedule: str


async def digests_of(world: World, schedule: Sequence[ScheduledFault]) -> Digests:
    """Read the source and return the digests."""
    planned = digest([entry.as_json() for entry in schedule])
    return Digests(await company_digest(world.accounts), await deliveries_digest(world.stripe), planned)


def digest(value: Any) -> str:
    """Return the digest of plain values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


async def company_digest(accounts: Sequence[StripeAccount]) -> str:
    """Return the digest of every object at the source: its id, when it was made, its amounts."""
    rows: list[list[Any]] = []
    for account in accounts:
        async with StripePlain(account.url, account.key) as api:
            for path, fields in _KINDS.items():
                rows += [[account.id, path, one["id"], one["created"], *(one[field] for field in fields)] async for one in api.every(path)]
    return digest(rows)


async def deliveries_digest(control: StripeControl) -> str:
    """Return the digest of every delivery in the order of its event: which event, and when it was to be made first, if at all."""
    made = (await control.call("GET", "/deliveries"))["deliveries"]
    return digest([[one["event"], one["type"], one["is_duplicate"], one["planned_at"]] for one in made])
