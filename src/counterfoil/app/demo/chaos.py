"""What goes wrong on purpose during the month, and the calm before the proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .control import SandboxControl, StripeControl
from .sales import SalesSystem

DELIVERIES = {
    "duplicate": 0.02,
    "lose": 0.01,
    "drop": 0.01,
    "reorder_window": 25,
    "delay_min_s": 0.0,
    "delay_max_s": 0.3,
    "retry_delays_s": [0.2, 0.5, 1.0, 2.0],
    "concurrency": 8,
}
"""Of a hundred deliveries two come twice, one never, one only at the retry; any may be overtaken by the next twenty-five."""

RATE = 0.01
STALL_S = 0.15
STRIPE_READS = "^GET /v1/"
ODOO_CALLS = "^POST /(json/2|jsonrpc)"


@dataclass(frozen=True, slots=True)
class Damage:
    """How the deliveries ended, and how often a fault struck."""

    deliveries: dict[str, int]
    faults_stripe: int
    faults_odoo: int


async def unleash(stripe: StripeControl, odoo: SandboxControl | None, sales: Sequence[SalesSystem] = ()) -> None:
    """Spoil deliveries, Stripe's answers to reads, Odoo's to anything, and those of sales systems to what the hub writes.

    ``odoo`` None: a real one, which is left alone.
    """
    for system in sales:
        await system.spoil()
    await stripe.deliveries(**DELIVERIES)
    await stripe.arm("status", STRIPE_READS, RATE, status=429, retry_after_s=0)
    await stripe.arm("status", STRIPE_READS, RATE, status=500)
    await stripe.arm("drop_before", STRIPE_READS, RATE)
    await stripe.arm("truncate_after", STRIPE_READS, RATE)
    await stripe.arm("stall_after", STRIPE_READS, RATE, delay_s=STALL_S)
    if odoo is None:
        return
    await odoo.arm("drop_after", ODOO_CALLS, RATE)
    await odoo.arm("drop_before", ODOO_CALLS, RATE)
    await odoo.arm("status", ODOO_CALLS, RATE, status=503)
    await odoo.arm("status", ODOO_CALLS, RATE, status=429, retry_after_s=0)
    await odoo.arm("status_after", ODOO_CALLS, RATE, status=502)
    await odoo.arm("stall_after", ODOO_CALLS, RATE, delay_s=STALL_S)


async def calm(stripe: StripeControl, odoo: SandboxControl | None, sales: Sequence[SalesSystem] = ()) -> Damage:
    """Take all faults away, let the deliveries that are under way arrive, and tell what was damaged. Lost deliveries stay lost."""
    faults_stripe = await stripe.disarm()
    faults_odoo = await odoo.disarm() if odoo is not None else 0
    for system in sales:
        await system.control.disarm()
    await stripe.deliveries(lose=0.0, drop=0.0, duplicate=0.0)
    return Damage(await stripe.drain(), faults_stripe, faults_odoo)
