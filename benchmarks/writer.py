"""Invoices per second into Odoo through the whole path, divided by what the same server takes from a plain client in bulk.

The hub's side begins before the first receipt is appended and ends when the last invoice is posted, read back and settled: normalize,
decide and deliver are all in it, and starting up and running down. The other side is the server's own ceiling: two plain clients that
``load`` and ``action_post`` batches of 100 invoices of the same content (one taxed line, external ids, insert-if-absent, context NT),
and compare nothing. Customers and product exist before. Both sides take turns, at least five times each, in one run; the figure is the
median of the pairs' ratios. Against the sandbox, the calls in flight are counted where they arrive: they must not exceed the server's
workers.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks.counting_odoo import CALL_MS, RECORD_MS, WORKERS
from benchmarks.measuring import percentile, report, spread, timed, until
from benchmarks.rig import OdooAt, Rig, rig
from benchmarks.stationery import PRICE_MINOR
from counterfoil.core.commands.books import AccountRole

CLIENTS = 2
BATCH = 100
TIMEOUT_S = 300.0
TOTAL = "53.04"
"""49.00 and 8.25 % of it, 4.0425, rounded: worked by hand."""
NT = {"tracking_disable": True, "mail_create_nolog": True, "mail_notrack": True, "mail_create_nosubscribe": True}
NU = {"mode": "update", "noupdate": True}
FIELDS = (
    "id", "move_type", "journal_id/.id", "currency_id/.id", "invoice_date", "date", "invoice_date_due", "invoice_payment_term_id/.id",
    "ref", "payment_reference", "partner_id/.id", "invoice_line_ids/name", "invoice_line_ids/quantity", "invoice_line_ids/price_unit",
    "invoice_line_ids/account_id/.id", "invoice_line_ids/tax_ids/.id",
)  # fmt: skip


async def ceiling(made: Rig, partners: Sequence[int], currency: int, tag: str, count: int) -> float:
    """Return invoices per second of the plain clients."""
    company, day = made.company, time.strftime("%Y-%m-%d", time.gmtime())
    common = [str(company.journals["sales"]), str(currency), day, day, day, ""]
    line = ["Team plan", "1", f"{PRICE_MINOR / 100:.2f}", str(company.accounts[AccountRole.REVENUE]), str(company.taxes["ca"])]
    rows = [
        [f"plain.{tag}_{n}", "out_invoice", *common, f"{tag}-{n}", f"{tag}-{n}", str(partners[n % len(partners)]), *line]
        for n in range(count)
    ]
    batches = [rows[start : start + BATCH] for start in range(0, count, BATCH)]
    context = {"allowed_company_ids": [company.company_id], **NT}

    async def client() -> None:
        while batches:
            batch = batches.pop(0)
            loaded = await made.odoo.call("account.move", "load", context={**context, **NU}, fields=list(FIELDS), data=batch)
            await made.odoo.call("account.move", "action_post", loaded["ids"], context)

    with timed() as took:
        await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return count / took.wall_s


async def through_hub(made: Rig, numbers: range, customers: int) -> dict[str, float]:
    """Return invoices per second of the hub, and its own processor time per invoice."""
    copies = made.copies("invoice.finalized", numbers, customers)
    before = await made.done("post_invoice")
    with timed() as took:
        await made.append(copies)
        await until(made.is_idle, f"{len(copies)} invoices posted", timeout_s=TIMEOUT_S, every_s=0.1)
    if await made.done("post_invoice") != before + len(copies):
        raise RuntimeError("not every invoice was posted; look at the cases")
    return {"per_s": len(copies) / took.wall_s, "cpu_ms": 1000 * took.cpu_s / len(copies)}


async def currency_id(made: Rig) -> int:
    """Return the id of the company's currency."""
    rows = await made.odoo.rows("res.currency", [["name", "=", "USD"]], ["name"])
    return int(rows[0]["id"])


async def proven(made: Rig, expected: int) -> None:
    """Look at the invoices by the plain client. Raises RuntimeError unless every one is there once, posted, equal to the cent."""
    number = f"{made.tag.upper()}-"
    domain = [["payment_reference", "=like", f"{number}%"], ["move_type", "=", "out_invoice"]]
    found = await made.odoo.rows("account.move", domain, ["payment_reference", "state", "amount_total"], [made.company.company_id])
    good = {row["payment_reference"] for row in found if row["state"] == "posted" and f"{row['amount_total']:.2f}" == TOTAL}
    if len(found) != expected or len(good) != expected:
        raise RuntimeError(f"{expected} invoices were sent, {len(found)} are in Odoo, {len(good)} of them as wished")


async def measure(at: OdooAt, pairs: int, count: int, customers: int) -> dict[str, Any]:
    """Run the pairs, each in the other order than the one before, and return the figures."""
    hub: list[dict[str, float]] = []
    plain: list[float] = []
    in_flight = 0
    async with rig(at, customers) as made:
        partners, currency = await made.partners(), await currency_id(made)
        await through_hub(made, range(1_000_000, 1_000_000 + BATCH), customers)  # warm up both
        await ceiling(made, partners, currency, f"{made.tag}w", BATCH)
        for pair in range(pairs):
            for is_hub in (True, False) if pair % 2 == 0 else (False, True):
                if not is_hub:
                    plain.append(await ceiling(made, partners, currency, f"{made.tag}p{pair}", count))
                    continue
                if made.is_sandbox:
                    await made.counts()
                hub.append(await through_hub(made, range(pair * count, (pair + 1) * count), customers))
                if made.is_sandbox:
                    in_flight = max(in_flight, (await made.counts())["in_flight_max"])
            report("writer", "pair", hub_per_s=round(hub[-1]["per_s"], 1), ceiling_per_s=round(plain[-1], 1))
        await proven(made, pairs * count + BATCH)
    return {"hub": hub, "plain": plain, "in_flight_max": in_flight}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--odoo-url", default="")
    parser.add_argument("--odoo-db", default="")
    parser.add_argument("--odoo-key", default="")
    parser.add_argument("--odoo-login", default="admin")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--invoices", type=int, default=800)
    parser.add_argument("--customers", type=int, default=300)
    given = parser.parse_args()
    at = OdooAt(given.odoo_url, given.odoo_db, given.odoo_key, given.odoo_login)
    result = asyncio.run(measure(at, given.pairs, given.invoices, given.customers))
    ratios = [one["per_s"] / other for one, other in zip(result["hub"], result["plain"], strict=True)]
    rates = [one["per_s"] for one in result["hub"]]
    where = "a real Odoo" if at.url else f"the sandbox ({WORKERS} workers, {RECORD_MS} ms per record, {CALL_MS} ms per call)"
    print(f"writer into {where}: {median(rates):.1f} invoices/s of {median(result['plain']):.1f}/s in bulk: ratio {median(ratios):.2f}")
    if not at.url:
        print(f"calls in flight at most {result['in_flight_max']} of {WORKERS} workers")
    report(
        "writer", "ratio", target="real" if at.url else "sandbox", ratio=spread(ratios, 3), hub_per_s=spread(rates, 1),
        ceiling_per_s=spread(result["plain"], 1), hub_cpu_ms_per_invoice=round(percentile([h["cpu_ms"] for h in result["hub"]], 0.5), 2),
        in_flight_max=result["in_flight_max"] or None, goal=0.9,
    )  # fmt: skip


if __name__ == "__main__":
    main()
