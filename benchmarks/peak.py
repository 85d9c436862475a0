"""How much longer a single invoice takes in the real-time lane while ten times the daily load comes in.

Daily load: 100,000 documents a month (invoices and payments), 3,333 a day. The peak is ten days of it in one hour, as after a month-end
import: 9.3 documents a second, in the batch lane, invoices and payments in turn. While that goes on for ``--minutes``, single invoices are
sent by signed webhook in the real-time lane and timed until they are posted and read back, as the benchmark ``latency`` does; before and
after with nothing else to do. The figure is p95 in the peak divided by p95 idle (both idle phases together).

A few minutes stand for the hour as long as the backlog does not grow: then every minute of it is like the others. The backlog (receipts,
subjects and commands that are open) is sampled and its mean in the first and last third printed. Further rates (``--rates``) are held for a
third of the time, as high as this machine bears.

The hub is one process apart (intake and worker), Odoo the counting sandbox in another: two calls at a time, 20 ms for each record and 10 ms
for each call, one journal serialized. *Own* is the time less what Odoo takes for such an invoice when idle: waiting for Odoo while it is
busy with the batch lane's documents is counted as the hub's, since it sent them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

import aiohttp

from benchmarks.latency import prepare, signed
from benchmarks.measuring import percentile, report, until
from benchmarks.rig import OdooAt, Rig, idle_rig
from benchmarks.stationery import CONNECTION, Shop
from benchmarks.worker import worker
from counterfoil.core.language.commands import Lane

DOCUMENTS_A_MONTH = 100_000
PEAK_PER_S = round(DOCUMENTS_A_MONTH / 30 * 10 / 3600, 1)
GOAL = 2.0
CUSTOMERS = 300
PAUSE_S = (0.2, 0.8)
TICK_S = 0.25
TIMEOUT_S = 60.0
DRAIN_TIMEOUT_S = 180.0

_IS_POSTED = (
    "select exists (select from command where subject_id = %s and subject_kind = 'invoice' and kind = 'post_invoice' and state = 'done')"
)
_BACKLOG = """
select (select count(*) from to_read) + (select count(*) from to_decide)
    + (select count(*) from command where state in ('waiting', 'ready', 'unknown'))
"""
_WHERE = """
select extract(epoch from r.normalized_at - r.received_at), extract(epoch from c.created_at - r.normalized_at),
    extract(epoch from c.sent_at - c.created_at), extract(epoch from c.done_at - c.sent_at)
from command c join event e on e.subject_id = c.subject_id and e.subject_kind = 'invoice' join receipt r on r.id = e.receipt_id
where c.subject_id = any(%s) and c.subject_kind = 'invoice' and c.kind = 'post_invoice' and c.state = 'done'
    and r.kind = 'invoice.finalized'
"""
STEPS = ("normalized", "decided", "sent", "posted")


@dataclass(slots=True)
class Phase:
    """What was seen in one phase: milliseconds of each invoice, whole and of Odoo (idle only), and the open backlog over time.

    ``steps_ms``: of each invoice, from kept to normalized, to decided, to sent, to posted.
    """

    whole_ms: list[float] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)
    steps_ms: list[tuple[float, ...]] = field(default_factory=list)
    target_ms: list[float] = field(default_factory=list)
    backlog: list[int] = field(default_factory=list)
    appended: int = 0

    def backlog_of_thirds(self) -> tuple[float, float]:
        """Return the mean backlog of the first and of the last third of the time."""
        third = max(1, len(self.backlog) // 3)
        return (mean(self.backlog[:third]), mean(self.backlog[-third:])) if self.backlog else (0.0, 0.0)


class Peak:
    """A hub at work, somebody who sends single invoices, and a load beside them."""

    def __init__(self, made: Rig, address: str, session: aiohttp.ClientSession) -> None:
        self._made = made
        self._address = address
        self._session = session
        self._shop = Shop(made.stripe)
        self._customers: list[str] = []
        self._numbers = 0
        self.sent = 0

    async def prepare(self) -> None:
        """Have the customers of the single invoices booked, and everything read once."""
        self._customers = await prepare(self._made, self._shop)
        await self.invoices(5, Phase(), is_idle=True)

    async def invoices(self, count: int, phase: Phase, *, is_idle: bool) -> None:
        """Send so many invoices, one after the other, with pauses of random length."""
        for _ in range(count):
            await asyncio.sleep(random.uniform(*PAUSE_S))
            await self._invoice(phase, is_idle=is_idle)

    async def loaded(self, per_s: float, seconds: float) -> Phase:
        """Send invoices one after the other while so many documents a second come in the batch lane; then wait until all is done."""
        phase = Phase()
        end = time.monotonic() + seconds
        load = asyncio.create_task(self._load(per_s, end, phase))
        while time.monotonic() < end and not load.done():
            await self.invoices(1, phase, is_idle=False)
        await load
        await until(self._made.is_idle, "the load worked off", timeout_s=DRAIN_TIMEOUT_S, every_s=0.25)
        return phase

    async def _invoice(self, phase: Phase, *, is_idle: bool) -> None:
        self._shop.invoice(self._customers[self.sent % len(self._customers)], is_paid=False)
        self.sent += 1
        event = self._shop.newest_events()["invoice.finalized"]
        body, subject = json.dumps(event).encode(), f"stripe:{event['data']['object']['id']}"
        if is_idle:
            await until(self._made.is_idle, "nothing left to do", timeout_s=TIMEOUT_S)
            await self._made.counts()
        began = time.perf_counter()
        async with self._session.post(f"{self._address}/in/{CONNECTION}", data=body, headers=signed(body)) as answer:
            answer.raise_for_status()
        await until(lambda: self._is_posted(subject), "the invoice posted", timeout_s=TIMEOUT_S, every_s=0.005)
        phase.whole_ms.append(1000 * (time.perf_counter() - began))
        phase.subjects.append(subject)
        if is_idle:
            phase.target_ms.append(1000 * float((await self._made.counts())["served_s"]))

    async def look_where(self, phase: Phase) -> None:
        """Note how long each step of each invoice of a phase took, by what the database says."""
        async with self._made.hub.pool.connection() as conn:
            rows = await (await conn.execute(_WHERE, (phase.subjects,))).fetchall()
        phase.steps_ms = [tuple(1000 * float(step) for step in row) for row in rows]

    async def _is_posted(self, subject: str) -> bool:
        async with self._made.hub.pool.connection() as conn:
            row = await (await conn.execute(_IS_POSTED, (subject,))).fetchone()
        return row is not None and bool(row[0])

    async def _load(self, per_s: float, end: float, phase: Phase) -> None:
        """Let documents come at an even pace, whatever the hub does; invoice and payment are one number."""
        began, first = time.monotonic(), self._numbers
        while time.monotonic() < end:
            wanted = int((time.monotonic() - began) * per_s / 2) - (self._numbers - first)
            numbers = range(self._numbers, self._numbers + wanted)
            self._numbers += wanted
            issued, paid = (self._made.copies(kind, numbers, CUSTOMERS) for kind in ("invoice.finalized", "charge.succeeded"))
            await self._made.append([one for pair in zip(issued, paid, strict=True) for one in pair], lane=Lane.BATCH)
            phase.appended += 2 * wanted
            async with self._made.hub.pool.connection() as conn:
                row = await (await conn.execute(_BACKLOG)).fetchone()
            phase.backlog.append(0 if row is None else int(row[0]))
            await asyncio.sleep(TICK_S)


async def measure(rates: list[float], minutes: float, samples: int) -> tuple[Phase, dict[float, Phase]]:
    """Return the idle phases (before and after, together) and the loaded ones by their rate."""
    idle, loaded = Phase(), dict[float, Phase]()
    async with idle_rig(OdooAt()) as made, worker(made.values, "worker", has_intake=True) as (_, address):
        await made.book_masters(CUSTOMERS)
        async with aiohttp.ClientSession() as session:
            peak = Peak(made, address, session)
            await peak.prepare()
            await peak.invoices(samples, idle, is_idle=True)
            for position, per_s in enumerate(rates):
                loaded[per_s] = await peak.loaded(per_s, 60 * minutes / (3 if position else 1))
            await peak.invoices(samples, idle, is_idle=True)
            for phase in (idle, *loaded.values()):
                await peak.look_where(phase)
            done = await made.done("post_invoice")
        expected = peak.sent + sum(phase.appended for phase in loaded.values()) // 2
    if done != expected:
        raise RuntimeError(f"{expected} invoices were sent, {done} posted")
    return idle, loaded


def figures(phase: Phase, target_ms: float) -> dict[str, Any]:
    """Return the percentiles of a phase, whole and less what Odoo takes."""
    found: dict[str, Any] = {"samples": len(phase.whole_ms)}
    for name, values in (("whole", phase.whole_ms), ("own", [whole - target_ms for whole in phase.whole_ms])):
        found |= {f"{name}_p{share}_ms": round(percentile(values, share / 100)) for share in (50, 95)}
    for place, name in enumerate(STEPS):
        found[f"{name}_p95_ms"] = round(percentile([steps[place] for steps in phase.steps_ms], 0.95))
    return found


def steps_of(found: dict[str, Any]) -> str:
    """Say how long the steps took."""
    return "   p95 of each step: " + ", ".join(f"{name} {found[f'{name}_p95_ms']} ms" for name in STEPS)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--samples", type=int, default=30, help="idle, before and after each")
    parser.add_argument(
        "--rates", default=f"{PEAK_PER_S},20", help="documents a second, the peak first; the others for a third of the time"
    )
    given = parser.parse_args()
    rates = [float(rate) for rate in given.rates.split(",")]
    idle, loaded = asyncio.run(measure(rates, given.minutes, given.samples))
    target_ms = mean(idle.target_ms)
    base = figures(idle, target_ms)
    report("peak", "idle", **base, target_ms=round(target_ms))
    print(f"idle: p50 {base['whole_p50_ms']} ms, p95 {base['whole_p95_ms']} ms ({target_ms:.0f} ms of it Odoo's)\n{steps_of(base)}")
    for per_s, phase in loaded.items():
        found = figures(phase, target_ms)
        ratios = {name: round(found[f"{name}_p95_ms"] / base[f"{name}_p95_ms"], 2) for name in ("whole", "own")}
        first, last = phase.backlog_of_thirds()
        print(f"at {per_s:g} documents/s in the batch lane: p50 {found['whole_p50_ms']} ms, p95 {found['whole_p95_ms']} ms")
        print(f"   p95 {ratios['whole']:.2f} of idle, own {ratios['own']:.2f} (goal {GOAL:g}); backlog {first:.0f}, then {last:.0f}")
        print(steps_of(found))
        report(
            "peak", "loaded", per_s=per_s, **found, p95_ratio=ratios["whole"], p95_own_ratio=ratios["own"], documents=phase.appended,
            backlog_first=round(first), backlog_last=round(last), backlog_max=max(phase.backlog, default=0), goal=GOAL,
        )  # fmt: skip


if __name__ == "__main__":
    main()
