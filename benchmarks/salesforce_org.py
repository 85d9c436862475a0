"""The Salesforce sandbox in a process of its own, filled with accounts and a contact each, that counts the calls it answers.

It takes no time of its own but what its work takes, unless it is told to (``/_control/bulk``, ``/_control/limits``). Usage: ``python -m
benchmarks.salesforce_org ACCOUNTS``; ends with its standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from benchmarks import processes
from counterfoil.connectors.salesforce.sandbox import SalesforceSandbox

COUNTRIES = ("DE", "FR", "JP", "US")


class FilledOrg(SalesforceSandbox):
    """An org with accounts and contacts. ``is_silent``: nobody listens to what changes, so nothing of it is kept for listeners."""

    def fill(self, count: int) -> None:
        """Make accounts with a contact each."""
        self.bus.is_silent = True
        for number in range(count):
            name, site = f"Harbor {number:06d} GmbH", f"https://harbor-{number:06d}.example"
            account = self.create("Account", Name=name, Website=site, BillingCountry=COUNTRIES[number % 4], Phone=f"+49 30 {number:07d}")
            self.create("Contact", LastName=f"Sand {number:06d}", Email=f"m@harbor-{number:06d}.example", AccountId=account.id)

    def control(self, app: web.Application) -> None:
        """Add what is asked for between two rounds."""
        super().control(app)
        app.router.add_get("/_accounts", self._accounts)
        app.router.add_get("/_counts", self._counts)

    async def _accounts(self, _request: web.Request) -> web.Response:
        """Tell the ids of all accounts."""
        return web.json_response([one.id for one in self.world.all("Account")])

    async def _counts(self, _request: web.Request) -> web.Response:
        """Tell how many calls there were, by what they ask for, and begin anew; calls for a token are none of the API."""
        counts = Counter("/".join(line.split("/")[4:6]) for line in self.asked if "/services/data/" in line)
        self.asked.clear()
        return web.json_response(counts)


async def serve(count: int) -> None:
    """Serve until the standard input is closed."""
    org = FilledOrg()
    org.fill(count)
    gc.collect()
    gc.freeze()  # what was filled in is looked through by no collection
    await org.start()
    print(json.dumps(org.details()), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await org.stop()


@asynccontextmanager
async def running(count: int) -> AsyncIterator[dict[str, Any]]:
    """Run it in a process of its own and give its details."""
    async with processes.started("benchmarks.salesforce_org", str(count)) as (process, details):
        yield {**details, "pid": process.pid}


if __name__ == "__main__":
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("accounts", type=int)
    asyncio.run(serve(given.parse_args().accounts))
