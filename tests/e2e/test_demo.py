"""`counterfoil demo` as a user runs it: proven to the cent with exit 0, and with exit 1 if anybody touched the books."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from counterfoil.connectors.odoo.sandbox import OdooSandbox
from counterfoil.connectors.odoo.sandbox.apps import interference

TIMEOUT_S = 400.0
TOTAL_KEYS = {"entity", "currency", "kind", "source_minor", "erp_minor", "difference_minor", "count_source", "count_erp"}


async def demo(*arguments: str) -> tuple[int | None, dict[str, Any]]:
    """Run the demonstration and return its exit status and what it printed."""
    command = [sys.executable, "-m", "counterfoil", "demo", "--invoices", "60", "--json", *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
    try:
        printed, _ = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    found: dict[str, Any] = json.loads(printed)
    return process.returncode, found


async def test_the_demonstration_proves_every_total_to_the_cent() -> None:
    status, found = await demo()
    assert set(found) == {"conservation", "totals", "clearing", "standing", "sales", "cases", "unfinished", "seconds"}
    assert set(found["conservation"]) == {"received", "normalized", "ignored", "parked", "pending", "balanced"}
    assert all(set(row) == TOTAL_KEYS for row in found["totals"])
    assert [row for row in found["totals"] if row["difference_minor"] or row["count_source"] != row["count_erp"]] == []
    assert [row for row in found["clearing"] if row["difference_minor"]] == []
    assert {row["account"] for row in found["standing"]} == {"receivable", "customer_credit", "disputed_funds", "bad_debt"}
    assert [row for row in found["standing"] if row["difference_minor"] or row["customers_apart"]] == []
    assert [row for row in found["sales"] if row["difference_minor"] or row["companies_apart"]] == []
    assert {row["figure"] for row in found["sales"]} == {"invoiced", "open", "overdue"}
    assert {row["system"] for row in found["sales"]} == {"Salesforce", "HubSpot"}
    assert all(row["companies"] for row in found["sales"])
    assert (found["cases"], found["unfinished"]) == ([], 0)
    where = found["conservation"]
    assert where["balanced"] is True
    assert where["received"] == where["normalized"] + where["ignored"]
    assert {row["entity"] for row in found["totals"]} == {"US", "DE", "JP"}
    assert {row["currency"] for row in found["totals"]} == {"USD", "EUR", "JPY"}
    assert sum(row["count_source"] for row in found["totals"] if row["kind"] in ("invoice", "credit_note")) >= 60
    assert status == 0


async def test_the_demonstration_fails_if_a_person_takes_a_posted_document_back() -> None:
    sandbox = OdooSandbox()
    url = await sandbox.start()
    tampering = {
        "action": "reset_to_draft",
        "newest": "posted",
        "after": "account.move/action_post",
        "times": 2,
    }  # three companies post: there are at least three calls
    interference.act(sandbox, tampering)
    try:
        status, found = await demo("--odoo-url", url, "--odoo-db", sandbox.db_name, "--odoo-key", sandbox.api_key)
    finally:
        await sandbox.stop()
    assert sandbox.db.script == [], "nobody tampered with the books"
    assert [row for row in found["totals"] if row["difference_minor"]] != []
    assert status == 1
