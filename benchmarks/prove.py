"""`counterfoil prove` over 100,000 documents a side: how long it takes besides the servers' own time, and how much memory.

Both sides are quick servers in a process of their own that answer as Stripe and Odoo do, page by page: 40 % invoices with tax, 30 %
payments and as many fees. One document is missing in the books and one has another amount: both must be found. The servers' own time
(making and writing answers) is counted by them and printed apart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from benchmarks.measuring import report, resident_mb, timed
from counterfoil.app.proving.run import Group, read, summed
from counterfoil.app.settings import from_values
from counterfoil.core.proving.items import month

DOCUMENTS = 100_000
GOAL_S, GOAL_MB = 60.0, 300
PAGE = 100
AT = int(datetime(2025, 12, 10, 12, tzinfo=UTC).timestamp())
MISSING, WRONG = 7, 11
"""Numbers of the invoice the books lack, and of the one they have with another amount."""
ACCOUNTS = {"receivable": "1", "fees": "2", "clearing:stripe": "3"}
CURRENCY, COMPANY, JOURNAL = 1, 1, 1


def amount(number: int) -> int:
    """Return what the document of a number comes to, in cents."""
    return 1_000 + number % 997


class Counted:
    """The seconds a server spent in its own handlers."""

    def __init__(self) -> None:
        self.spent_s = 0.0

    def answering(self, make: Callable[[web.Request, Any], Any]) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Return a handler that counts its time."""

        async def handle(request: web.Request) -> web.Response:
            body = await request.json() if request.method == "POST" and request.can_read_body else {}
            began = time.perf_counter()
            answer = web.Response(text=json.dumps(make(request, body)), content_type="application/json")
            self.spent_s += time.perf_counter() - began
            return answer

        return handle


class Stripe:
    """Stripe's lists, made as they are asked for; newest first."""

    def __init__(self, documents: int) -> None:
        self.counts = {"invoices": documents * 4 // 10, "charges": documents * 3 // 10, "balance_transactions": documents * 3 // 10}

    def page(self, request: web.Request, _body: Any) -> Any:
        """Return a page of a list, or the balance."""
        kind = request.path.rpartition("/")[2]
        if kind == "balance":
            return {"available": [{"currency": "usd", "amount": 0}], "pending": [{"currency": "usd", "amount": 0}]}
        if "status" in request.query or kind not in self.counts:
            return {"data": [], "has_more": False}
        last = int(request.query["starting_after"].rpartition("_")[2]) if "starting_after" in request.query else self.counts[kind]
        numbers = range(last - 1, max(-1, last - 1 - PAGE), -1)
        return {"data": [getattr(self, kind)(number) for number in numbers], "has_more": bool(numbers) and numbers[-1] > 0}

    def invoices(self, number: int) -> dict[str, Any]:
        """Return an invoice."""
        return {
            "id": f"in_{number}",
            "number": f"N-{number}",
            "currency": "usd",
            "customer": f"cus_{number % 5000}",
            "total": amount(number),
            "total_taxes": [{"amount": 100}],
            "status": "paid",
            "created": AT,
            "status_transitions": {"finalized_at": AT, "paid_at": AT, "voided_at": None, "marked_uncollectible_at": None},
            "pre_payment_credit_notes_amount": 0,
            "lines": {"data": [{"description": "Consulting " * 20, "amount": amount(number)} for _ in range(2)]},
        }

    def charges(self, number: int) -> dict[str, Any]:
        """Return a charge."""
        return {
            "id": f"ch_{number}",
            "currency": "usd",
            "customer": f"cus_{number % 5000}",
            "status": "succeeded",
            "captured": True,
            "amount_captured": amount(number),
            "created": AT,
            "balance_transaction": {"id": f"txn_{number}", "created": AT},
        }

    def balance_transactions(self, number: int) -> dict[str, Any]:
        """Return a charge's movement."""
        return {
            "id": f"txn_{number}",
            "currency": "usd",
            "type": "charge",
            "reporting_category": "charge",
            "source": f"ch_{number}",
            "amount": amount(number),
            "fee": 59,
            "created": AT,
        }


class Odoo:
    """Odoo's models as far as they are read: ids are numbers, two lines an entry."""

    def __init__(self, documents: int) -> None:
        self.invoices, self.payments, self.entries = documents * 4 // 10, documents * 3 // 10, documents * 3 // 10

    def version(self, _request: web.Request, _body: Any) -> Any:
        """Say 19."""
        return {"jsonrpc": "2.0", "result": {"server_version_info": [19, 0, 0, "final", 0, ""]}}

    def rows(self, request: web.Request, body: dict[str, Any]) -> Any:
        """Return a page of a model."""
        model, domain = request.match_info["model"], body["domain"]
        after = next(term[2] for term in domain if isinstance(term, list) and term[0] == "id" and term[1] == ">")
        if model == "ir.model.data":
            ids = next(term[2] for term in domain if isinstance(term, list) and term[0] == "res_id")
            kind = next(term[2] for term in domain if isinstance(term, list) and term[0] == "model")
            return [{"id": id, "name": self.name(kind, id), "res_id": id} for id in ids if id > after][: body["limit"]]
        few: dict[str, list[dict[str, Any]]] = {
            "res.currency": [{"id": CURRENCY, "name": "USD"}],
            "res.company": [{"id": COMPANY, "currency_id": CURRENCY}],
            "account.account": [{"id": int(code), "code": code} for code in ACCOUNTS.values()],
            "account.journal": [{"id": JOURNAL, "code": "STR"}],
        }
        if model in few:
            return [row for row in few[model] if row["id"] > after]
        if model == "account.move.line" and "parent_state" in str(domain) and "move_id.move_type" not in str(domain):
            return []  # balances that stand: nothing does
        make, count = {
            "account.move": (self.move, 0 if "amount_residual" in str(domain) else self.invoices),
            "account.payment": (self.payment, self.payments),
            "account.move.line": (self.line, 2 * self.entries),
        }[model]
        return [make(id) for id in range(after + 1, min(count, after + body["limit"]) + 1)]

    def name(self, kind: str, id: int) -> str:
        """Return the external id of a record; entries' ids follow those of invoices."""
        if kind == "account.payment":
            return f"payment_stripe.ch_{id - 1}"
        return f"invoice_stripe.in_{id - 1}" if id <= self.invoices else f"fee_stripe.txn_{id - 1 - self.invoices}"

    def move(self, id: int) -> dict[str, Any]:
        """Return an invoice; the missing one is somebody else's month, the wrong one has a cent more."""
        number = id - 1
        cents = amount(number) + (1 if number == WRONG else 0)
        day = "2025-12-10" if number != MISSING else "2099-01-01"
        shown = {"id": id, "move_type": "out_invoice", "name": f"INV/{id}", "date": day, "currency_id": CURRENCY, "amount_tax": 1.0}
        return shown | {"amount_total": 0.0 if number == MISSING else cents / 100}

    def payment(self, id: int) -> dict[str, Any]:
        """Return a payment."""
        shown = {
            "id": id,
            "payment_type": "inbound",
            "journal_id": JOURNAL,
            "name": f"P/{id}",
            "date": "2025-12-10",
            "currency_id": CURRENCY,
        }
        return shown | {"amount": amount(id - 1) / 100}

    def line(self, id: int) -> dict[str, Any]:
        """Return a line of a fee's entry."""
        is_fee = id % 2 == 1
        cents = 59 if is_fee else -59
        shown = {"id": id, "move_id": self.invoices + (id + 1) // 2, "account_id": int(ACCOUNTS["fees" if is_fee else "clearing:stripe"])}
        return shown | {"currency_id": CURRENCY, "amount_currency": cents / 100, "balance": cents / 100, "date": "2025-12-10"}


def serve(documents: int, pipe: Connection) -> None:
    """Serve both sides until told to end; tell the address, then the seconds spent."""
    asyncio.run(_serve(documents, pipe))


async def _serve(documents: int, pipe: Connection) -> None:
    counted, stripe, odoo, app = Counted(), Stripe(documents), Odoo(documents), web.Application(client_max_size=2**26)
    app.router.add_get("/v1/{list:.+}", counted.answering(stripe.page))
    app.router.add_post("/web/webclient/version_info", counted.answering(odoo.version))
    app.router.add_post("/json/2/{model}/search_read", counted.answering(odoo.rows))
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    pipe.send(f"http://{host}:{port}")
    await asyncio.to_thread(pipe.recv)
    pipe.send(counted.spent_s)
    await runner.cleanup()


def values(url: str) -> dict[str, Any]:
    """Return the configuration of one entity with one source."""
    key = "sk_test_benchmark"
    stripe = {"connector": "stripe", "api_key": key, "webhook_secrets": ["whsec_x"], "account": "acct_1", "base_url": url}
    company = {"company": COMPANY, "journals": {"stripe": "STR"}, "accounts": ACCOUNTS}
    books = {"connector": "odoo", "url": url, "database": "books", "login": "x", "api_key": "x", "companies": {"US": company}}
    return {
        "connections": {"stripe": stripe, "books": books},
        "entities": {"US": {"target": "books", "currency": "USD", "time_zone": "America/New_York"}},
        "routes": [{"entity": "US", "connection": "stripe"}],
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="prove", description=__doc__)
    parser.add_argument("--documents", type=int, default=DOCUMENTS)
    documents = parser.parse_args().documents
    mine, other = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(documents, other), daemon=True)
    server.start()
    settings, before_mb = from_values(values(mine.recv())), resident_mb()
    settled = {"stripe": datetime.now(UTC)}
    with timed() as spent:
        ledger = asyncio.run(read(settings, Group(("US",), ("stripe",)), month("2025-12", ZoneInfo("America/New_York")), settled))
        proof = summed(Group(("US",), ("stripe",)), ledger, ())
    peak_mb = peak()
    mine.send("end")
    servers_s = mine.recv()
    server.join(10)
    found = sorted((one.id, one.why.name) for one in proof.apart if one.is_difference)
    own_s = spent.wall_s - servers_s
    report("prove", "documents", per_side=documents, found=found, lines=len(proof.lines))
    seconds = {"wall": spent.wall_s, "processor": spent.cpu_s, "servers": servers_s, "own": own_s}
    report("prove", "seconds", **{name: round(value, 1) for name, value in seconds.items()}, goal=GOAL_S)
    report("prove", "memory_mb", peak=round(peak_mb), before=round(before_mb), goal=GOAL_MB)


def peak() -> float:
    """Return the highest resident memory of this process, in MiB (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    main()
