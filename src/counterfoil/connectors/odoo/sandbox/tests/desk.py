"""What the tests call the sandbox with: one company's books straight, and a plain JSON-2 client over HTTP."""

from __future__ import annotations

import json
from typing import Any

import aiohttp

from counterfoil.connectors.odoo.sandbox import OdooSandbox
from counterfoil.connectors.odoo.sandbox.tests import copies

COMPANIES = [("Northwind US", "USD", "US"), ("Nordwind DE", "EUR", "DE"), ("Kitakaze JP", "JPY", "JP")]
NU = {"mode": "update", "noupdate": True}  # insert if absent, never touch what exists
TODAY = "2026-11-21"


class Books:
    """Calls of one company, each a transaction of its own; short words for what most tests need."""

    def __init__(self, sandbox: OdooSandbox, company: int) -> None:
        self.sandbox = sandbox
        self.company = company
        self.context: dict[str, Any] = {"allowed_company_ids": [company]}

    def call(self, model: str, method: str, ids: list[int] | None = None, context: dict[str, Any] | None = None, **arguments: Any) -> Any:
        return self.sandbox.call(model, method, ids or [], context={**self.context, **(context or {})}, **arguments)

    def create(self, model: str, context: dict[str, Any] | None = None, **values: Any) -> int:
        return int(self.call(model, "create", context=context, vals_list=[values])[0])

    def read(self, model: str, row_id: int, *fields: str) -> Any:
        row = self.call(model, "read", [row_id], fields=list(fields))[0]
        return row[fields[0]] if len(fields) == 1 else [row[f] for f in fields]

    def find(self, model: str, domain: list[Any], *fields: str, **more: Any) -> Any:
        return self.call(model, "search_read", domain=domain, fields=list(fields), **more)

    def account(self, code: str) -> int:
        field = "company_id" if self.sandbox.version == 17 else "company_ids"
        return int(self.find("account.account", [["code", "=", code], [field, "in", [self.company]]], "id")[0]["id"])

    def journal(self, code: str) -> int:
        return int(self.find("account.journal", [["code", "=", code], ["company_id", "=", self.company]], "id")[0]["id"])

    def ref(self, xid: str) -> int:
        return self.sandbox.env().ref(xid)

    def partner(self, name: str = "Acme") -> int:
        return self.create("res.partner", name=name)

    def tax(self, name: str, amount: float, included: bool = False, **more: Any) -> int:
        account = self.account("251000")
        split = [[0, 0, {"repartition_type": "base"}], [0, 0, {"repartition_type": "tax", "account_id": account}]]
        if included:
            more["price_include" if self.sandbox.version == 17 else "price_include_override"] = (
                True if self.sandbox.version == 17 else "tax_included"
            )
        return self.create(
            "account.tax",
            name=name,
            amount=amount,
            type_tax_use="sale",
            invoice_repartition_line_ids=split,
            refund_repartition_line_ids=split,
            **more,
        )

    def invoice(self, partner: int, *prices: float, taxes: tuple[int, ...] = (), post: bool = True, **more: Any) -> int:
        lines = [[0, 0, {"name": "Plan", "price_unit": price, "tax_ids": [[6, 0, list(taxes)]]}] for price in prices]
        values: dict[str, Any] = {"move_type": "out_invoice", "invoice_date": "2026-03-01", "invoice_date_due": "2026-03-31"}
        move = self.create("account.move", **{**values, "partner_id": partner, "invoice_line_ids": lines, **more})
        if post:
            self.post(move)
        return move

    def post(self, *moves: int) -> Any:
        return self.call("account.move", "action_post", list(moves))

    def payment(self, partner: int, amount: float, post: bool = True, **more: Any) -> int:
        values: dict[str, Any] = {
            "payment_type": "inbound",
            "partner_type": "customer",
            "date": "2026-03-05",
            "journal_id": self.journal("BNK1"),
        }
        payment = self.create("account.payment", **{**values, "partner_id": partner, "amount": amount, **more})
        if post:
            self.call("account.payment", "action_post", [payment])
        return payment

    def entry(self, *lines: dict[str, Any], post: bool = True, **more: Any) -> int:
        values: dict[str, Any] = {"move_type": "entry", "date": "2026-03-01"}
        move = self.create("account.move", **{**values, "line_ids": [[0, 0, line] for line in lines], **more})
        if post:
            self.post(move)
        return move

    def lines(self, move: int) -> list[dict[str, Any]]:
        fields = (
            "display_type",
            "account_id",
            "balance",
            "amount_currency",
            "amount_residual",
            "amount_residual_currency",
            "reconciled",
            "matching_number",
            "partner_id",
            "date_maturity",
            "price_subtotal",
            "name",
            "quantity",
            "tax_line_id",
        )
        return list(self.find("account.move.line", [["move_id", "=", move]], *fields, order="id"))

    def receivable(self, move: int) -> list[int]:
        return [line["id"] for line in self.lines(move) if line["account_id"][0] == self.account("121000")]

    def payment_move(self, payment: int) -> int:
        return int(self.read("account.payment", payment, "move_id")[0])

    def match(self, *moves: int) -> None:
        self.call("account.move.line", "reconcile", [i for m in moves for i in self.receivable(m)])

    def shape(self, move: int) -> list[tuple[str, float]]:
        """The move as (account code, balance) in order of its lines."""
        return [(line["account_id"][1].split(" ")[0], line["balance"]) for line in self.lines(move)]

    def rate(self, currency: str, day: str, inverse: float) -> None:
        self.create(
            "res.currency.rate", currency_id=self.ref(f"base.{currency}"), name=day, inverse_company_rate=inverse, company_id=self.company
        )

    def load(self, model: str, fields: list[str], *rows: list[Any], context: dict[str, Any] | None = None) -> Any:
        return self.call(model, "load", context=context, fields=fields, data=list(rows))


_kept: dict[int, tuple[dict[str, int], bytes]] = {}
"""What was made in the first sandbox of each version."""


def made(version: int) -> Books:
    """A sandbox of a version with its companies, made in the first one and copied into the others; the first company's books."""
    sandbox = OdooSandbox(version=version)
    sandbox.set_today(TODAY)
    if version not in _kept:
        companies = sandbox.add_companies(COMPANIES)
        _kept[version] = companies, copies.kept(sandbox)
    companies, copy = _kept[version]
    copies.put(sandbox, copy)
    return Books(sandbox, companies["Northwind US"])


class Json2:
    """A JSON-2 client that shows status and body."""

    def __init__(self, books: Books, session: aiohttp.ClientSession) -> None:
        self.books = books
        self.session = session

    async def post(
        self, path: str, body: Any = None, headers: dict[str, str | None] | None = None, raw: bytes | None = None
    ) -> tuple[int, Any]:
        sandbox = self.books.sandbox
        wanted = {"Authorization": f"bearer {sandbox.api_key}", "X-Odoo-Database": sandbox.db_name, "Content-Type": "application/json"}
        sent = {k: v for k, v in {**wanted, **(headers or {})}.items() if v is not None}
        data = raw if raw is not None else json.dumps(body if body is not None else {}).encode()
        async with self.session.post(sandbox.url + path, data=data, headers=sent) as response:
            text = await response.text()
            shown = json.loads(text) if response.content_type == "application/json" else text
            return response.status, shown

    async def call(self, model: str, method: str, **arguments: Any) -> Any:
        status, body = await self.post(f"/json/2/{model}/{method}", arguments)
        assert status == 200, body
        return body

    async def rpc(self, service: str, method: str, *args: Any) -> dict[str, Any]:
        body = {"jsonrpc": "2.0", "method": "call", "id": 1, "params": {"service": service, "method": method, "args": list(args)}}
        status, answer = await self.post("/jsonrpc", body)
        assert status == 200
        return dict(answer)

    async def control(self, path: str, body: Any = None) -> Any:
        async with self.session.post(f"{self.books.sandbox.url}/_control/{path}", json=body or {}) as response:
            return await response.json()
