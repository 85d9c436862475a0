"""The Odoo connector against the kit's suite, on the sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from counterfoil.connectors.odoo import CONNECTOR
from counterfoil.connectors.odoo.client import http_client
from counterfoil.connectors.odoo.config import OdooConfig
from counterfoil.connectors.odoo.sandbox import OdooSandbox
from counterfoil.connectors.odoo.tests.books import sandbox_books
from counterfoil.connectors.odoo.tests.plain import PlainOdoo
from counterfoil.connectors.odoo.tests.wishes import CLEARING, FEES, RECEIVABLE, REVENUE, Wishes, line
from counterfoil.core.commands.books import BookCommand, EntryLine
from counterfoil.core.language.commands import Command
from counterfoil.core.language.keys import NeedKey
from counterfoil.core.language.money import Money
from counterfoil.kit.clock import SystemClock
from counterfoil.kit.conformance import Conformance, Harness, Sample
from counterfoil.kit.connector import Delivery
from counterfoil.kit.context import Context
from counterfoil.kit.http import HttpClient, RetryPolicy
from counterfoil.kit.limits import LocalBudget
from counterfoil.kit.requirements import Requirements
from counterfoil.kit.sandbox import FaultSwitch

_SNAPSHOT = (
    '{"snapshot":{"connection":"odoo","model":"%s","id":%d,"kind":"%s","state":"%s","number":"%s","currency":"EUR","total":"119.00",'
    '"residual":"%s","date":"2026-03-03","external_key":"","is_deleted":false},"written_at":"2026-03-03 10:00:00"}'
)


def _sample(name: str, model: str, kind: str, state: str, residual: str) -> Sample:
    body = _SNAPSHOT % (model, 7, kind, state, "INV/2026/00001", residual)
    at = datetime(2026, 3, 3, 10, tzinfo=UTC)
    return Sample(name, Delivery(f"{model}/7@{name}", f"{model}/7", f"{model}.fetched", body.encode(), at))


def _commands() -> tuple[Command, ...]:
    wishes = Wishes("conf")
    customer, product = wishes.customer("Acme GmbH", email="ap@acme.example"), wishes.product("Plan Pro", "PRO")
    taxed = [line(3333, tax="19%", tax_minor=633) for _ in range(3)]
    invoice = wishes.invoice(customer, *taxed, total=11899, tax=1900)
    credit_note = wishes.credit_note(customer, line(1000), total=1000, reverses=invoice.subject.id)
    payment = wishes.payment(customer, 5000)
    fee = wishes.entry(EntryLine(FEES, Money(290, "EUR")), EntryLine(CLEARING, Money(-290, "EUR")), journal="stripe")
    allocation = wishes.allocation(invoice, payment, 5000)
    return customer, product, invoice, credit_note, payment, fee, allocation, wishes.unmatch(invoice, credit_note)


COMMANDS = _commands()


class OdooHarness(Harness):
    """A fresh sandbox with provisioned books per check."""

    connector = CONNECTOR
    write_path = r"^POST /json/2/[a-z._]+/(load|action_post|write|unlink|reconcile)"
    read_path = r"/(search_read|search|read)"
    missing_ref = "account.move/999999"
    page_size_max = 2000

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._sandbox = OdooSandbox()
        self.secrets = (self._sandbox.api_key,)

    async def open(self) -> Context:
        await self._sandbox.start()
        self._stack.push_async_callback(self._sandbox.stop)
        details = self._sandbox.details()
        self.plain = await self._stack.enter_async_context(PlainOdoo(details["url"], details["db"], details["login"], details["api_key"]))
        self._books = await sandbox_books(self._sandbox, self.plain)
        settings = OdooConfig.model_validate(
            {
                "url": details["url"],
                "database": details["db"],
                "login": details["login"],
                "api_key": details["api_key"],
                "companies": self._books.config,
            }
        )
        http = await self._stack.enter_async_context(_patient(settings))
        return Context("odoo", settings, http, SystemClock())

    async def close(self) -> None:
        await self._stack.aclose()

    def switch(self) -> FaultSwitch | None:
        return self._sandbox.switch

    def samples(self) -> Sequence[Sample]:
        return (
            _sample("invoice", "account.move", "out_invoice", "posted", "119.00"),
            _sample("cancelled", "account.move", "out_refund", "cancel", "0.00"),
            _sample("payment", "account.payment", "payment", "in_process", "0.00"),
        )

    async def change(self, ctx: Context) -> None:
        company_id = self._books.companies["DE"]
        partner = await self.plain.create("res.partner", company_id, name="By hand")
        values = {"move_type": "out_invoice", "partner_id": partner, "invoice_date": "2026-03-03"}
        lines = [[0, 0, {"name": "Work", "quantity": 1, "price_unit": 10.0, "tax_ids": []}]]
        move = await self.plain.create("account.move", company_id, **values, invoice_line_ids=lines)
        await self.plain.call("account.move", "action_post", [move], context={"allowed_company_ids": [company_id]})

    def commands(self) -> Sequence[Command]:
        return COMMANDS

    def refusable(self) -> Command | None:
        # Odoo's database refuses external ids with a space.
        return replace(COMMANDS[0], id="bad", external_key="customer with spaces", produces=NeedKey("customer/bad"))

    async def count(self, ctx: Context, command: Command) -> int:
        source_id = command.subject.id.rpartition(":")[2]
        company_id = self._books.companies["DE"]
        match command.kind:
            case BookCommand.UPSERT_CUSTOMER:
                return len(await self.plain.find("res.partner", [["ref", "=", source_id]], ["id"]))
            case BookCommand.UPSERT_PRODUCT:
                return len(await self.plain.find("product.product", [["default_code", "=", "PRO"]], ["id"]))
            case BookCommand.POST_PAYMENT:
                domain: list[Any] = [["memo", "=", source_id], ["state", "in", ["in_process", "paid"]]]
                return len(await self.plain.find("account.payment", domain, ["id"], company_id))
            case BookCommand.ALLOCATE:
                return len(await self.plain.find("account.partial.reconcile", [], ["id"], company_id))
            case BookCommand.UNMATCH:
                return 1 if len(await self.plain.find("account.partial.reconcile", [], ["id"], company_id)) <= 1 else 2
            case _:
                found = await self.plain.find("account.move", [["ref", "like", source_id]], ["id", "state"], company_id)
                return len(found) if all(row["state"] == "posted" for row in found) else 0

    def requirements(self) -> Requirements:
        accounts = {"DE": (REVENUE, CLEARING, FEES, RECEIVABLE)}
        return Requirements({"DE": "EUR"}, accounts, {"DE": ("19%",)}, ("EUR", "USD"))

    def bindings(self) -> Mapping[str, str]:
        return {}


def _patient(settings: OdooConfig) -> HttpClient:
    """Return the connector's client with short waits and a breaker that stays closed."""
    client = http_client(settings)
    client._budget = LocalBudget(concurrency_max=2, failures_max=1000, rate_per_s=1000.0, burst=1000)
    client.retry = RetryPolicy(tries_max=2, base_s=0.001)
    return client


class TestConformance(Conformance):
    harness = OdooHarness


@pytest.mark.parametrize("version", [17, 18])
async def test_the_older_versions_deliver_the_same(version: int) -> None:
    class Older(OdooHarness):
        write_path = "/jsonrpc"

        def __init__(self) -> None:
            super().__init__()
            self._sandbox = OdooSandbox(version=version)

        async def count(self, ctx: Context, command: Command) -> int:
            if command.kind is BookCommand.POST_PAYMENT and version == 17:
                source_id = command.subject.id.rpartition(":")[2]
                return len(await self.plain.find("account.payment", [["ref", "=", source_id], ["state", "=", "posted"]], ["id"]))
            return await super().count(ctx, command)

    from counterfoil.kit.conformance.writing import delivers_once, target_is_checked

    await target_is_checked(Older)
    await delivers_once(Older)
