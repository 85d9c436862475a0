"""Salesforce in bulk: a backfill of accounts with a contact each, and their status written back, beside what the sandbox itself gives.

*Backfill*: from the first call to the last record received, normalized and decided; the rate divided by that of a plain client, which has
the same query jobs done and reads their results whole, and keeps nothing. *Write-back*: from the first status that may be sent to the last
one done, read back and settled, divided by a plain client's one load job of the same values, which compares nothing. Both sides take turns,
in one run; the figures are the medians of the pairs' ratios. *Calls*: those of the hub for each record, and what one record at a time would
take (one to read it or, of a status, one to write it), counted where they arrive.

The sandbox is a process of its own. By itself it takes no time but that of its work. With ``--rows-per-s`` its jobs read and write so many
rows a second, all of them together, and with ``--call-s`` each call takes so long: what an org bears, its owner knows.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import io
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Any, Self

import aiohttp

from benchmarks import processes, salesforce_org
from benchmarks.measuring import report, spread, until
from benchmarks.rig import is_idle, temporary_home
from benchmarks.worker import worker
from counterfoil.app.hub import Hub, open_hub
from counterfoil.app.settings import from_values
from counterfoil.core.commands.crm import Balance, CrmCommand, ShowStatus, Standing
from counterfoil.core.language.commands import Command, Lane
from counterfoil.core.language.ids import ObjectRef, digest
from counterfoil.core.language.money import Money
from counterfoil.decide.summaries import wish_of
from counterfoil.ingress.backfill import Backfill
from counterfoil.store import outbox

SALES = "sales"
SINCE = datetime(2025, 1, 1, tzinfo=UTC)
KINDS = ("company", "contact")
DATA = "/services/data/v66.0"
PLAIN_FIELDS = {
    "Account": "Id,IsDeleted,CreatedDate,SystemModstamp,Name,MasterRecordId,ParentId,Website,Phone,BillingCountry",
    "Contact": "Id,IsDeleted,CreatedDate,SystemModstamp,Name,MasterRecordId,AccountId,Email,Phone",
}
WISH_MAX = 2_000
GOAL, CALLS_GOAL = 0.9, 10
TIMEOUT_S = 840.0


@dataclass
class Plain:
    """A client that reads and writes whole tables by jobs, and keeps and compares nothing."""

    details: dict[str, Any]
    session: aiohttp.ClientSession = field(init=False)

    async def __aenter__(self) -> Self:
        self.session = aiohttp.ClientSession(self.details["url"])
        form = {"grant_type": "client_credentials", **{name: self.details[name] for name in ("client_id", "client_secret")}}
        async with self.session.post("/services/oauth2/token", data=form) as answer:
            self.session.headers["Authorization"] = f"Bearer {(await answer.json())['access_token']}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.session.close()

    async def get(self, path: str) -> Any:
        """Return what one of the sandbox's own addresses tells."""
        async with self.session.get(path) as answer:
            return await answer.json()

    async def told(self, path: str, body: Any) -> Any:
        """Return the JSON of a call that is posted."""
        async with self.session.post(path, json=body) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def read(self, name: str) -> int:
        """Return how many records of a type a query job gives."""
        job = (await self.told(f"{DATA}/jobs/query", {"operation": "query", "query": f"SELECT {PLAIN_FIELDS[name]} FROM {name}"}))["id"]
        await self._ended(f"{DATA}/jobs/query/{job}")
        count, locator = 0, ""
        while locator != "null":
            more = f"&locator={locator}" if locator else ""
            async with self.session.get(f"{DATA}/jobs/query/{job}/results?maxRecords=50000{more}") as answer:
                count += sum(1 for _ in csv.reader(io.StringIO(await answer.text()))) - 1
                locator = answer.headers["Sforce-Locator"]
        return count

    async def write(self, ids: Sequence[str], turn: int) -> int:
        """Return how many accounts one load job writes."""
        job = (await self.told(f"{DATA}/jobs/ingest", {"object": "Account", "operation": "update", "contentType": "CSV"}))["id"]
        path = f"{DATA}/jobs/ingest/{job}"
        names = ("Standing", "Currency", "Invoiced", "Paid", "Open", "Overdue", "Last_Invoice")
        rows = [["Id", *(f"Counterfoil_{name}__c" for name in names)]]
        rows += [[id, "current", "USD", "120.00", "20.00", f"{100 + turn}.00", "0.00", f"INV-{n}"] for n, id in enumerate(ids)]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        async with self.session.put(f"{path}/batches", data=text.getvalue(), headers={"Content-Type": "text/csv"}) as answer:
            answer.raise_for_status()
        async with self.session.patch(path, json={"state": "UploadComplete"}) as answer:
            answer.raise_for_status()
        shown = await self._ended(path)
        return int(shown["numberRecordsProcessed"]) - int(shown["numberRecordsFailed"])

    async def _ended(self, path: str) -> Any:
        shown: Any = {}

        async def has_ended() -> bool:
            shown.update(await self.get(path))
            return shown["state"] not in ("Open", "UploadComplete", "InProgress")

        await until(has_ended, f"{path} ended", timeout_s=TIMEOUT_S)
        return shown


def values_of(home: str, details: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of a hub that shows how customers stand in the org."""
    given = {"base_url": details["url"], **{name: details[name] for name in ("org_id", "client_id", "client_secret", "currency")}}
    return {
        "hub": {"home": home},
        "connections": {SALES: {"connector": "salesforce", "requests_per_s": 1_000, "poll_interval_s": 3_600, **given}},
        "destinations": [{"purpose": "crm_status", "connection": SALES}],
    }


@dataclass
class Used:
    """Seconds that passed, and of processors by whom they were used, for each record."""

    wall_s: float
    shares: dict[str, float]


@asynccontextmanager
async def used(pids: dict[str, int], home: str) -> AsyncIterator[Used]:
    """Measure a block."""
    found = Used(0.0, {})
    server = processes.server_pid(home)
    before = {name: processes.cpu_s(pid) for name, pid in pids.items()} | {"database": processes.server_cpu_s(server)}
    began = time.monotonic()
    yield found
    found.wall_s = time.monotonic() - began
    after = {name: processes.cpu_s(pid) for name, pid in pids.items()} | {"database": processes.server_cpu_s(server)}
    found.shares = {name: after[name] - before[name] for name in before}


async def count(hub: Hub, statement: str) -> int:
    """Return the number a statement tells."""
    async with hub.pool.connection() as conn:
        row = await (await conn.execute(statement)).fetchone()
    return 0 if row is None else int(row[0])


async def backfilled(details: dict[str, Any], accounts: int) -> dict[str, Any]:
    """Return how a new hub reads the org: records per second, and whose processor time it took."""
    with temporary_home() as home:
        values = values_of(home, details)
        async with open_hub(from_values(values)) as hub, worker(values, "benchmark") as (process, _):
            source, ctx = hub.sources[SALES]
            history = hub.settings.connections[SALES].connector.backfills
            if history is None:
                raise RuntimeError("there is no history to read")
            await until(lambda: is_idle(hub), "the worker at rest", timeout_s=60.0)
            pids = {"reader": os.getpid(), "worker": process.pid, "org": details["pid"]}
            async with used(pids, home) as took:
                began = time.monotonic()
                await Backfill(history, ctx, hub.pool, hub.cipher, hub.arm).run(SINCE, KINDS)
                received_s = time.monotonic() - began
                await until(lambda: is_idle(hub), "everything decided", timeout_s=TIMEOUT_S, every_s=0.2)
            del source
            known = await count(hub, "select count(*) from object where kind in ('company', 'contact')")
            if known != 2 * accounts or await count(hub, 'select count(*) from "case"'):
                raise RuntimeError(f"{known} of {2 * accounts} records are known, or something was refused")
    return {"per_s": 2 * accounts / took.wall_s, "received_per_s": 2 * accounts / received_s, "shares": took.shares}


def status_of(hub: Hub, org: str, id: str, turn: int, number: int) -> Command:
    """Return the command that shows one account's status."""
    record = ObjectRef("company", f"salesforce:{org}.{id}")
    nothing = Money(0, "USD")
    balance = Balance(Money(12_000, "USD"), Money(2_000, "USD"), Money(10_000 + turn, "USD"), nothing)
    status = ShowStatus(record, Standing.CURRENT, (balance,), f"INV-{number}")
    key = f"crm_status_salesforce.{org}.{id}"
    return Command(digest(f"{key}/{turn}"), CrmCommand.SHOW_STATUS, SALES, "", record, key, status, order_key=record.key)


async def wished(hub: Hub, org: str, ids: Sequence[str], turn: int) -> None:
    """Wish a status of every account; nobody is told yet."""
    for start in range(0, len(ids), WISH_MAX):
        commands = [status_of(hub, org, id, turn, start + n) for n, id in enumerate(ids[start : start + WISH_MAX])]
        wishes = [wish_of(one, hub.batch_key(one), lane=int(Lane.BATCH), order_key=one.order_key) for one in commands]
        async with hub.pool.connection() as conn, conn.transaction():
            await outbox.wish(conn, hub.cipher, wishes, hub.clock.now())


async def written(details: dict[str, Any], ids: Sequence[str], turn: int) -> dict[str, Any]:
    """Return how a new hub writes the status of every account: statuses per second, and whose processor time it took."""
    with temporary_home() as home:
        values = values_of(home, details)
        async with open_hub(from_values(values)) as hub:
            await wished(hub, details["org_id"], ids, turn)
            async with worker(values, "benchmark") as (process, _):
                pids = {"worker": process.pid, "org": details["pid"]}
                async with used(pids, home) as took:
                    await until(lambda: is_idle(hub), "every status shown", timeout_s=TIMEOUT_S, every_s=0.2)
            done = await count(hub, "select count(*) from command where state = 'done'")
            if done != len(ids):
                raise RuntimeError(f"{done} of {len(ids)} statuses were shown")
    return {"per_s": len(ids) / took.wall_s, "shares": took.shares}


async def plain_rate(work: list[Any], expected: int) -> float:
    """Return records per second of what a plain client does."""
    began = time.monotonic()
    done = sum([await one for one in work])
    if done != expected:
        raise RuntimeError(f"the plain client did {done} of {expected}")
    return expected / (time.monotonic() - began)


async def measure(accounts: int, pairs: int, pace: dict[str, float]) -> dict[str, Any]:
    """Run the pairs, each in the other order than the one before, and return the figures."""
    found: dict[str, Any] = {name: [] for name in ("read", "read_plain", "write", "write_plain", "read_calls", "write_calls")}
    async with salesforce_org.running(accounts) as details, Plain(details) as plain:
        await written(details, (await plain.get("/_accounts"))[:1], 99)  # makes the fields
        ids = await plain.get("/_accounts")
        await plain.told("/_control/bulk", {"rows_per_s": int(pace["rows_per_s"])})
        await plain.told("/_control/limits", {"call_s": pace["call_s"], "daily": 100_000_000})
        for pair in range(pairs):
            for is_hub in (True, False) if pair % 2 == 0 else (False, True):
                if not is_hub:
                    found["read_plain"].append(await plain_rate([plain.read("Account"), plain.read("Contact")], 2 * accounts))
                    found["write_plain"].append(await plain_rate([plain.write(ids, 50 + pair)], accounts))
                    continue
                await plain.get("/_counts")
                found["read"].append(await backfilled(details, accounts))
                found["read_calls"].append(await plain.get("/_counts"))
                found["write"].append(await written(details, ids, pair))
                found["write_calls"].append(await plain.get("/_counts"))
            tell(found, accounts)
    return found


def tell(found: dict[str, Any], accounts: int) -> None:
    """Print one pair."""
    for name, records in (("read", 2 * accounts), ("write", accounts)):
        one, calls = found[name][-1], sum(found[f"{name}_calls"][-1].values())
        each = {who: round(1_000 * used_s / records, 3) for who, used_s in one["shares"].items()}
        rates = {"hub_per_s": round(one["per_s"]), "plain_per_s": round(found[f"{name}_plain"][-1]), "calls": calls}
        if name == "read":
            rates["received_per_s"] = round(one["received_per_s"])
        report("salesforce", f"{name}_pair", **rates, cpu_ms_each=each, calls_by=found[f"{name}_calls"][-1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--rows-per-s", type=float, default=0.0)
    parser.add_argument("--call-s", type=float, default=0.0)
    given = parser.parse_args()
    found = asyncio.run(measure(given.accounts, given.pairs, {"rows_per_s": given.rows_per_s, "call_s": given.call_s}))
    for name, words, records in (("read", "backfill", 2 * given.accounts), ("write", "write-back", given.accounts)):
        ratios = [one["per_s"] / plain for one, plain in zip(found[name], found[f"{name}_plain"], strict=True)]
        calls = median(sum(one.values()) for one in found[f"{name}_calls"])
        rate, other = median(one["per_s"] for one in found[name]), median(found[f"{name}_plain"])
        fewer = f"{calls:.0f} calls, {records / calls:.0f} times fewer than one by one"
        print(f"{words}: {rate:.0f} of {other:.0f} records/s, ratio {median(ratios):.2f}; {fewer}")
        report(
            "salesforce", words, records=records, ratio=spread(ratios, 3), goal=GOAL, hub_per_s=round(rate), plain_per_s=round(other),
            calls=calls, times_fewer=round(records / calls, 1), calls_goal=CALLS_GOAL, rows_per_s=given.rows_per_s,
        )  # fmt: skip


if __name__ == "__main__":
    main()
