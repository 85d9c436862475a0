"""Idle latency: from the moment a signed webhook is sent until its invoice is posted and read back, less the target's own time.

A hub with nothing else to do gets one invoice at a time, over HTTP, with pauses of random length between them. The target's own time is
measured by the server: from the arrival of each call the hub makes for that invoice to its answer, summed (the calls follow each
other). What is left is the hub's: intake, re-reading the invoice at the source, three stages and their hand-overs, and noticing the end
(every 5 ms). The source is a sandbox that answers in a few milliseconds; they are counted as the hub's.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import json
import random
import time

import aiohttp

from benchmarks.measuring import percentile, report, until
from benchmarks.rig import OdooAt, Rig, rig
from benchmarks.stationery import CONNECTION, SECRET, Copy, Shop
from counterfoil.app.hub import serve_intake

GOAL_MS = 300
PAUSE_S = (0.1, 0.6)
TIMEOUT_S = 30.0
CUSTOMERS = 5


def signed(body: bytes) -> dict[str, str]:
    """Return the headers of a webhook sent now."""
    stamp = int(time.time())
    mark = hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={stamp},v1={mark}", "Content-Type": "application/json"}


async def one(made: Rig, session: aiohttp.ClientSession, address: str, body: bytes) -> tuple[float, float]:
    """Send one invoice and wait for its end; return (whole, target's own) in milliseconds."""
    began = time.perf_counter()
    async with session.post(f"{address}/in/{CONNECTION}", data=body, headers=signed(body)) as answer:
        answer.raise_for_status()
    await until(made.is_idle, "the invoice posted", timeout_s=TIMEOUT_S, every_s=0.005)
    whole_ms = 1000 * (time.perf_counter() - began)
    return whole_ms, 1000 * float((await made.counts())["served_s"])


async def prepare(made: Rig, shop: Shop) -> list[str]:
    """Have customers, product and price booked before; return the customers."""
    copies, customers = [], []
    for _ in range(CUSTOMERS):
        customers.append(shop.customer())
        copies.append(Copy(json.dumps(shop.newest_events()["customer.created"]).encode(), ()))
    copies += [Copy(json.dumps(shop.newest_events()[kind]).encode(), ()) for kind in ("product.created", "price.created")]
    await made.append(copies)
    await made.settled(60.0)
    return customers


async def measure(samples: int) -> list[tuple[float, float]]:
    """Return (whole, target's own) in milliseconds per invoice."""
    found = []
    async with rig(OdooAt(), CUSTOMERS) as made, serve_intake(made.hub, "127.0.0.1", 0) as address, aiohttp.ClientSession() as session:
        shop = Shop(made.stripe)
        customers = await prepare(made, shop)
        for number in range(samples + 5):
            shop.invoice(customers[number % CUSTOMERS], is_paid=False)
            body = json.dumps(shop.newest_events()["invoice.finalized"]).encode()
            await asyncio.sleep(random.uniform(*PAUSE_S))
            await made.counts()
            found.append(await one(made, session, address, body))
        done = await made.done("post_invoice")
    if done != samples + 5:
        raise RuntimeError(f"{samples + 5} invoices were sent, {done} posted")
    return found[5:]  # the first ones read the target's catalog


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=60)
    found = asyncio.run(measure(parser.parse_args().samples))
    own = [whole - target for whole, target in found]
    whole, target = [one[0] for one in found], [one[1] for one in found]
    print(f"webhook to posted invoice: p50 {percentile(whole, 0.5):.0f} ms, p95 {percentile(whole, 0.95):.0f} ms")
    print(f"less the target's own time: p50 {percentile(own, 0.5):.0f} ms, p95 {percentile(own, 0.95):.0f} ms (goal {GOAL_MS} ms)")
    report(
        "latency", "idle", samples=len(found), whole_p50_ms=round(percentile(whole, 0.5)), whole_p95_ms=round(percentile(whole, 0.95)),
        target_p50_ms=round(percentile(target, 0.5)), own_p50_ms=round(percentile(own, 0.5)), own_p95_ms=round(percentile(own, 0.95)),
        goal_ms=GOAL_MS,
    )  # fmt: skip


if __name__ == "__main__":
    main()
