"""A bookkeeper who enters a few facts of a Stripe account in Odoo by hand, right or wrong: what the proof is tried on."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from counterfoil.app.demo.odoo_plain import OdooPlain
from counterfoil.app.demo.provision import ProvisionedCompany
from counterfoil.core.commands.books import AccountRole

INSERT_IF_ABSENT = {"mode": "update", "noupdate": True}


class Bookkeeper:
    """Enters documents of one company, each under the external id the hub would give it."""

    def __init__(self, odoo: OdooPlain, company: ProvisionedCompany, customer: int) -> None:
        self.odoo = odoo
        self.company = company
        self.customer = customer

    async def _enter(self, model: str, rows: list[dict[str, Any]]) -> int:
        context = INSERT_IF_ABSENT | {"allowed_company_ids": [self.company.company_id]}
        fields = list(rows[0])
        data = [[row.get(name, "") for name in fields] for row in rows]
        answer = await self.odoo.call(model, "load", context=context, fields=fields, data=data)
        assert answer["ids"], answer
        record = int(answer["ids"][0])
        await self.odoo.call(model, "action_post", [record], context={"allowed_company_ids": [self.company.company_id]})
        return record

    async def invoice(self, key: str, amount: str, *, kind: str = "out_invoice", day: str = "2025-12-03") -> int:
        """Enter and post an invoice (or credit note) of one line without tax."""
        row = {
            "id": key,
            "move_type": kind,
            "partner_id/.id": str(self.customer),
            "journal_id/.id": str(self.company.journals["sales"]),
            "invoice_date": day,
            "invoice_date_due": day,
            "invoice_line_ids/name": "Work",
            "invoice_line_ids/quantity": 1,
            "invoice_line_ids/price_unit": float(Decimal(amount)),
            "invoice_line_ids/account_id/.id": str(self.company.accounts[AccountRole.REVENUE]),
            "invoice_line_ids/tax_ids/.id": "",
        }
        return await self._enter("account.move", [row])

    async def payment(self, key: str, amount: str, *, day: str = "2025-12-04") -> int:
        """Enter and post a customer's payment through the processor."""
        row = {
            "id": key,
            "payment_type": "inbound",
            "partner_type": "customer",
            "partner_id/.id": str(self.customer),
            "amount": float(Decimal(amount)),
            "date": day,
            "journal_id/.id": str(self.company.journals[self.company.entity.connection]),
        }
        return await self._enter("account.payment", [row])

    async def match(self, invoice: int, payment: int) -> None:
        """Match an invoice with a payment on their receivable lines."""
        context = {"allowed_company_ids": [self.company.company_id]}
        move = (await self.odoo.call("account.payment", "read", [payment], context=context, fields=["move_id"], load=""))[0]["move_id"]
        domain = [["move_id", "in", [invoice, move]], ["account_id", "=", self.company.accounts[AccountRole.RECEIVABLE]]]
        lines = await self.odoo.rows("account.move.line", domain, ["move_id"], [self.company.company_id])
        await self.odoo.call("account.move.line", "reconcile", [line["id"] for line in lines], context=context)

    async def entry(self, key: str, debit: AccountRole, credit: AccountRole, amount: str, *, day: str = "2025-12-04") -> int:
        """Enter and post a journal entry of two lines."""
        value = float(Decimal(amount))
        first = {
            "id": key,
            "move_type": "entry",
            "journal_id/.id": str(self.company.journals["general"]),
            "date": day,
            "line_ids/account_id/.id": str(self.company.accounts[debit]),
            "line_ids/name": key,
            "line_ids/debit": value,
            "line_ids/credit": 0,
        }
        second = {
            "line_ids/account_id/.id": str(self.company.accounts[credit]),
            "line_ids/name": key,
            "line_ids/debit": 0,
            "line_ids/credit": value,
        }
        return await self._enter("account.move", [first, second])
