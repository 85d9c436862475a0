"""How a story's end is judged: by what a plain client reads in the books, kind of write by kind of write, and by what the hub left open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.crash.matrix import BOOKED
from tests.crash.stories import PlayedStory
from tests.integration.path.conftest import assert_balanced
from tests.integration.path.house import House

from counterfoil.app.demo.erp_totals import to_minor

Row = dict[str, Any]


@dataclass(slots=True)
class Verdict:
    """What became of one kind of write: keys that are missing, records there too often, wishes neither done nor canceled."""

    lost: list[str] = field(default_factory=list)
    doubled: int = 0
    stuck: int = 0

    @property
    def is_right(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.doubled or self.stuck)

    def add(self, other: Verdict) -> None:
        """Take another verdict in."""
        self.lost += other.lost
        self.doubled += other.doubled
        self.stuck += other.stuck


Verdicts = dict[str, Verdict]


def all_in_one(verdicts: Mapping[str, Verdict]) -> Verdict:
    """Return the verdict on a whole story."""
    found = Verdict()
    for one in verdicts.values():
        found.add(one)
    return found


@dataclass(slots=True)
class _Reader:
    """Reads one story's records. ``named``: (model, id) by our external key; ``partners``: ids by role."""

    house: House
    told: PlayedStory
    named: dict[str, tuple[str, int]] = field(default_factory=dict)
    partners: dict[str, int] = field(default_factory=dict)

    async def rows(self, model: str, domain: Sequence[Any], *fields: str) -> list[Row]:
        """Read records of all companies."""
        companies = [one.company_id for one in self.house.provisioned.companies.values()]
        return await self.house.plain.rows(model, domain, fields, companies, archived=True)

    async def prepare(self) -> None:
        """Find out what our keys name."""
        keys = [key for keys in self.told.keys.values() for key in keys]
        found = await self.rows("ir.model.data", [["module", "=", "counterfoil"], ["name", "in", keys]], "name", "model", "res_id")
        self.named = {row["name"]: (row["model"], row["res_id"]) for row in found}
        self.partners = {
            role: self.named.get(f"customer_stripe.{customer}", ("", 0))[1]
            for role, customer in (("home", self.told.home), ("foreign", self.told.foreign))
        }

    async def master_data(self, verdicts: Verdicts) -> None:
        """Count customers and products of the story's names."""
        for name in self.told.names["home"], self.told.names["foreign"]:
            verdicts["upsert_customer"].doubled += await self._unnamed("res.partner", name)
        for name in self.told.names["product"], self.told.names.get("renamed", ""):
            verdicts["upsert_product"].doubled += await self._unnamed("product.product", name) if name else 0

    async def _unnamed(self, model: str, name: str) -> int:
        """Count records of a name that no key of ours names: created twice."""
        ids = [row["id"] for row in await self.rows(model, [["name", "=", name]], "name")]
        keys = await self.rows("ir.model.data", [["module", "=", "counterfoil"], ["model", "=", model], ["res_id", "in", ids]], "res_id")
        return len(set(ids) - {row["res_id"] for row in keys})

    async def documents(self, verdicts: Verdicts) -> None:
        """Count the customers' documents, payments and fees, and see that every one of ours is posted."""
        wanted = {"out_invoice": ("post_invoice", 4 if self.told.has_ended else 3), "out_refund": ("post_credit_note", 2)}
        domain = [["partner_id", "in", list(self.partners.values())], ["move_type", "in", list(wanted)]]
        moves = await self.rows("account.move", domain, "move_type", "state")
        for type_, (kind, count) in wanted.items():
            mine = [move for move in moves if move["move_type"] == type_]
            verdicts[kind].doubled += max(0, len(mine) - count)
            verdicts[kind].stuck += sum(1 for move in mine if move["state"] != "posted")
        payments = await self.rows("account.payment", [["partner_id", "in", list(self.partners.values())]], "state")
        verdicts["post_payment"].doubled += max(0, len(payments) - 2)
        verdicts["post_payment"].stuck += sum(1 for one in payments if one["state"] not in ("posted", "in_process", "paid"))
        for kind, keys in self.told.keys.items():
            if kind == "post_entry" or (kind == "post_payment" and len(payments) < len(keys)):
                for key in keys:
                    await self._entries(verdicts[kind], key)

    async def _entries(self, verdict: Verdict, key: str) -> None:
        """Count the entries of one fee, or of one payment that is booked as an entry, by the source's id in their reference."""
        if self.named.get(key, ("account.move", 0))[0] != "account.move":
            return
        domain = [["ref", "=like", f"{key.split('.')[-1]} %"], ["move_type", "=", "entry"]]
        entries = await self.rows("account.move", domain, "state")
        verdict.doubled += max(0, len(entries) - 1)
        verdict.stuck += sum(1 for one in entries if one["state"] != "posted")

    async def matches(self, verdicts: Verdicts) -> None:
        """Compare who is matched with whom, and what is open on every document, to the cent."""
        domain = [["partner_id", "in", list(self.partners.values())], ["account_id.account_type", "=", "asset_receivable"]]
        lines = {row["id"]: row["move_id"] for row in await self.rows("account.move.line", domain, "move_id")}
        names = ("debit_move_id", "credit_move_id", "exchange_move_id")
        partials = await self.rows("account.partial.reconcile", [["debit_move_id", "in", list(lines)]], *names)
        exchange = {row["exchange_move_id"] for row in partials if row["exchange_move_id"]}
        pairs = [(lines.get(row["debit_move_id"], 0), lines.get(row["credit_move_id"], 0)) for row in partials]
        real = [pair for pair in pairs if not exchange & set(pair)]
        wanted = 4  # payment, refund and credit note at home, the payment abroad; chapter two undoes one match and makes another
        verdicts["allocate"].doubled += max(0, len(real) - wanted)
        verdicts["allocate"].lost += ["a match"] * max(0, wanted - len(real))
        other = (self._id(self.told.keys["post_invoice"][1]), self._id(self.told.keys["post_credit_note"][1]))
        if self.told.has_ended and other in real:
            verdicts["unmatch"].lost.append("the end of a match")
        await self._residuals(verdicts["allocate"])

    def _id(self, key: str) -> int:
        return self.named.get(key, ("", 0))[1]

    async def _residuals(self, verdict: Verdict) -> None:
        """Everything is settled, but the invoice whose credit note was voided: open in full; before that the half of it."""
        keys = (*self.told.keys["post_invoice"], *self.told.keys["post_credit_note"])
        ids = {self._id(key): key for key in keys}
        for move in await self.rows("account.move", [["id", "in", list(ids)]], "amount_total", "amount_residual"):
            total, rest = to_minor(move["amount_total"], "USD"), to_minor(move["amount_residual"], "USD")
            is_other = ids[move["id"]] == self.told.keys["post_invoice"][1]
            if is_other and self.told.has_ended and rest != total:
                verdict.lost.append(f"{rest} of {total} is open on {ids[move['id']]}")
            if is_other and not self.told.has_ended and not 0 < rest < total:
                verdict.lost.append(f"{rest} of {total} is open on {ids[move['id']]}")
            if not is_other and rest:
                verdict.lost.append(f"{rest} of {total} is open on {ids[move['id']]}")

    async def wishes(self, verdicts: Verdicts) -> None:
        """Count the story's commands that are neither done nor canceled."""
        pattern = "|".join(self.told.ids)
        async with self.house.hub.pool.connection() as conn:
            rows = await conn.execute(
                "select kind, count(*) from command where state not in ('done', 'canceled') and external_key ~ %s group by 1", (pattern,)
            )
            for kind, count in await rows.fetchall():
                verdicts[kind].stuck += count


async def judge(house: House, told: PlayedStory) -> Verdicts:
    """Return what became of a story, by kind of write. Every document must be posted, and matched to the cent."""
    reader = _Reader(house, told)
    await reader.prepare()
    verdicts = {kind.value: Verdict() for kind in BOOKED}
    for kind, keys in told.keys.items():
        verdicts[kind].lost += [key for key in keys if key not in reader.named]
    if all(reader.partners.values()):
        await reader.master_data(verdicts)
        await reader.documents(verdicts)
        await reader.matches(verdicts)
    await reader.wishes(verdicts)
    return verdicts


async def strays(house: House) -> int:
    """Return how many journal entries and payments the books hold that no key of ours names: entered twice, or by others.

    Entries that Odoo makes by itself for payments and exchange differences are no strays.
    """
    companies = [one.company_id for one in house.provisioned.companies.values()]

    async def rows(model: str, domain: Sequence[Any], *fields: str) -> list[Row]:
        return await house.plain.rows(model, domain, fields, companies)

    names = await rows("ir.model.data", [["module", "=", "counterfoil"]], "model", "res_id")
    named = {(row["model"], row["res_id"]) for row in names}
    payments = await rows("account.payment", [["company_id", "in", companies]], "move_id")
    partials = await rows("account.partial.reconcile", [["company_id", "in", companies]], "exchange_move_id")
    by_odoo = {row["move_id"] for row in payments} | {row["exchange_move_id"] for row in partials}
    moves = await rows("account.move", [["company_id", "in", companies], ["id", ">", house.before]], "id")
    lone = sum(1 for row in moves if ("account.move", row["id"]) not in named and row["id"] not in by_odoo)
    return lone + sum(1 for row in payments if ("account.payment", row["id"]) not in named)


async def assert_whole(house: House) -> None:
    """Check the books as a whole: nothing but what we wished, debits equal credits, all totals and balances as the source has them."""
    assert await strays(house) == 0
    await assert_balanced(house)
    proof = await house.prove()
    assert ([row for row in proof.totals if not row.is_equal], proof.is_proven) == ([], True)
