"""A person who works in the books while the hub writes into them: changes drafts before they are posted, matches what is to be matched.

He stands in the proxy, so that he always acts at the same moment, whatever is struck besides; and acts by the plain client.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from tests.crash.amends import BY_HAND, ENTITY, Amended
from tests.crash.proxy import Call, Proxy, Rule, shown
from tests.integration.path.house import House

from counterfoil.core.commands.books import AccountRole

ALWAYS = sys.maxsize
WRONG = 1.0
"""What he makes of an amount: no document of the story comes to it."""
ELSEWHERE = AccountRole.BAD_DEBT
"""Where he books what belongs elsewhere: nothing of the story belongs there."""


@dataclass(slots=True)
class Person:
    """Meddles with one story after another, until he is told to leave. ``has_matched``: credit notes he has matched."""

    house: House
    stories: list[Amended]
    has_matched: set[str] = field(default_factory=set)

    def rules(self) -> list[Rule]:
        """Return what the proxy has to tell him of."""
        loads = [(kind, "account.move/load new") for kind in ("post_invoice", "post_credit_note", "post_payment", "post_entry")]
        loads.append(("post_payment", "account.payment/load new"))
        return [
            *(Rule(kind, name, self.change_drafts, ALWAYS) for kind, name in loads),
            Rule("allocate", "account.partial.reconcile/load new", self.match_first, ALWAYS),
        ]

    async def change_drafts(self, proxy: Proxy, request: web.Request, body: bytes, call: Call) -> web.StreamResponse:
        """Let a load through, and change the drafts it made before its sender knows of them."""
        answer = await proxy.pass_on(request, body)
        for told in self.stories:
            for key in told.refused.get(call.kind, ()):
                if key.encode() in body:
                    await self._change(key)
            if told.numbered.encode() in body:
                await self._number(told.numbered)
        return shown(answer)

    async def match_first(self, proxy: Proxy, request: web.Request, body: bytes, _call: Call) -> web.StreamResponse:
        """Match a part of an invoice and its credit note, once, just before the hub's own match of all of it arrives."""
        for told in self.stories:
            if told.taking.split(".")[-1].encode() in body and told.taking not in self.has_matched:
                await self._match(told.taken, told.taking)
                self.has_matched.add(told.taking)
        return shown(await proxy.pass_on(request, body))

    async def leave(self, told: Amended) -> None:
        """Let go of a story: nothing is changed any more, and the match is taken back."""
        self.stories.remove(told)
        if told.taking in self.has_matched:
            await self._call("account.move.line", "remove_move_reconcile", [await self._receivable(told.taking)])

    async def _change(self, key: str) -> None:
        model, id = await self._named(key)
        if id and (await self._rows(model, [["id", "=", id]], "state"))[0]["state"] == "draft":
            await self._call(model, "write", [id], vals=await self._wrong_values(key, model, id))

    async def _number(self, key: str) -> None:
        """Give a draft the number of the newest invoice that is posted, as Odoo 17 gives two the same when two workers post at once."""
        model, id = await self._named(key)
        domain = [["move_type", "=", "out_invoice"], ["state", "=", "posted"], ["company_id", "=", self._company]]
        newest = max(await self._rows("account.move", domain, "name"), key=lambda row: int(row["id"]))
        if id and (await self._rows(model, [["id", "=", id]], "state"))[0]["state"] == "draft":
            await self._call(model, "write", [id], vals={"name": newest["name"]})

    async def _wrong_values(self, key: str, model: str, id: int) -> dict[str, Any]:
        """Return what he writes on a draft: an invoice loses its customer, which Odoo refuses to post; the rest is not what was wished."""
        if key.startswith("invoice"):
            return {"partner_id": False}
        if model == "account.payment":
            return {"amount": WRONG}
        lines = await self._rows("account.move.line", [["move_id", "=", id]], "balance", "display_type")
        line = max(lines, key=lambda row: (row["display_type"] == "product", row["balance"]))["id"]
        if key.startswith("credit_note"):
            return {"invoice_line_ids": [[1, line, {"price_unit": WRONG}]]}
        return {"line_ids": [[1, line, {"account_id": self.house.provisioned.companies[ENTITY].accounts[ELSEWHERE]}]]}

    async def _match(self, debit: str, credit: str) -> None:
        part = BY_HAND / 100
        amounts = {"amount": part, "debit_amount_currency": part, "credit_amount_currency": part}
        lines = {"debit_move_id": await self._receivable(debit), "credit_move_id": await self._receivable(credit)}
        await self.house.plain.create("account.partial.reconcile", {**lines, **amounts}, self._company)

    async def _receivable(self, key: str) -> int:
        _, id = await self._named(key)
        domain = [["move_id", "=", id], ["account_id.account_type", "=", "asset_receivable"]]
        lines = await self._rows("account.move.line", domain, "balance")
        return int(lines[0]["id"])

    async def _named(self, key: str) -> tuple[str, int]:
        found = await self._rows("ir.model.data", [["module", "=", "counterfoil"], ["name", "=", key]], "model", "res_id")
        return (found[0]["model"], found[0]["res_id"]) if found else ("", 0)

    async def _rows(self, model: str, domain: list[Any], *fields: str) -> list[dict[str, Any]]:
        return await self.house.plain.rows(model, domain, fields, [self._company])

    async def _call(self, model: str, method: str, ids: list[int], **arguments: Any) -> None:
        await self.house.plain.call(model, method, ids, {"allowed_company_ids": [self._company]}, **arguments)

    @property
    def _company(self) -> int:
        return self.house.provisioned.companies[ENTITY].company_id
