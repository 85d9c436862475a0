"""How a story of amends is judged: while a person is in the way, every refusal with its case and nothing half-done; then at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.crash.amends import BY_HAND, CREDITED, TAKEN, Amended
from tests.crash.judging import Verdict, Verdicts
from tests.crash.matrix import BOOKED
from tests.integration.path.house import House

from counterfoil.app.demo.erp_totals import to_minor
from counterfoil.store import case_work

Row = dict[str, Any]
MOVE_FIELDS = ("state", "name", "amount_total", "amount_tax", "amount_residual")
POSTED = frozenset({"posted", "in_process", "paid"})
REFUSED = {"post_invoice": "odoo.refused"}
MISMATCH, SHORT = "odoo.amount_mismatch", "odoo.allocation_short"
"""Codes of the refusals: what Odoo refuses to post, by kind; of other kinds, what is not posted since it differs; what is taken back."""

_COMMANDS = """
select external_key, kind, state::text, code,
    exists (select from case_subject s join "case" c on c.id = s.case_id
        where s.stage = 'deliver' and s.subject = replace(command.id::text, '-', '') and s.released_at is null and c.state = 'open')
from command where external_key ~ %s
"""
_CASES = """
select distinct c.id from "case" c join case_subject s on s.case_id = c.id join command on s.subject = replace(command.id::text, '-', '')
where c.state = 'open' and s.released_at is null and s.stage = 'deliver' and command.external_key ~ %s order by 1
"""


@dataclass(slots=True)
class Books:
    """What a plain client reads of a story: records by our external key, with state and what is open; and pairs that are matched."""

    records: dict[str, Row] = field(default_factory=dict)
    drafts: dict[str, int] = field(default_factory=dict)
    pairs: list[frozenset[str]] = field(default_factory=list)

    def open_on(self, key: str) -> int:
        """Return what is open on a document, in minor units; -1: there is none."""
        return self._minor(key, "amount_residual")

    def totals_of(self, key: str) -> tuple[int, int]:
        """Return a document's total and tax, in minor units."""
        return self._minor(key, "amount_total"), self._minor(key, "amount_tax")

    def _minor(self, key: str, name: str) -> int:
        return to_minor(self.records[key][name], "EUR") if key in self.records else -1


async def take_up(house: House, told: Amended) -> None:
    """Have a person retry every case of a story, one after the other: who holds several waits for workers that wait for him."""
    async with house.hub.pool.connection() as conn:
        found = await (await conn.execute(_CASES, ("|".join(told.ids),))).fetchall()
        await conn.commit()
        for (id,) in found:
            async with conn.transaction():
                await house.hub.arm(conn, await case_work.retry(conn, id, "tester", house.clock.now()))


async def judge_refusals(house: House, told: Amended) -> Verdicts:
    """Return the verdict on what is to be refused: nothing of it in the books, and an open case for each; of the rest, that it is done.

    Lost: a refusal without its case, or a record that is not as it must be. Stuck: a draft left, our match left on what is overmatched.
    """
    books, verdicts = await _read(house, told), _empty()
    for kind, keys in told.refused.items():
        verdicts[kind].stuck += sum(1 for key in keys if key in books.records)
    for kind in ("post_invoice", "post_payment"):
        verdicts[kind].stuck += books.drafts["account.move" if kind == "post_invoice" else "account.payment"]
    allocate = verdicts["allocate"]
    allocate.stuck += books.pairs.count(frozenset({told.taken, told.taking})) - 1
    # The person's match of 60.00 stays: 140.00 of 200.00 and 40.00 of 100.00 are open.
    wanted = {told.taken: TAKEN - BY_HAND, told.taking: CREDITED - BY_HAND}
    allocate.lost += [f"{books.open_on(key)} is open on {key}" for key, minor in wanted.items() if books.open_on(key) != minor]
    refused = {key: REFUSED.get(kind, MISMATCH) for kind, keys in told.refused.items() for key in keys}
    async with house.hub.pool.connection() as conn:
        rows = await (await conn.execute(_COMMANDS, ("|".join(told.ids),))).fetchall()
    for key, kind, state, code, has_case in rows:
        is_taken = kind == "allocate" and told.taking.split(".")[-1] in key
        wish = SHORT if is_taken else refused.get(key, "")
        if wish and (state, code, has_case) != ("parked", wish, True):
            verdicts[kind].lost.append(f"the refusal of {key}: {state} {code}")
        if not wish and state not in ("done", "canceled", "waiting"):
            verdicts[kind].stuck += 1
    return verdicts


async def judge_end(house: House, told: Amended) -> Verdicts:
    """Return the verdict on the end: every document posted once, and matched to the cent; every wish done."""
    books, verdicts = await _read(house, told), _empty()
    for kind, keys in told.keys.items():
        states = {key: books.records[key]["state"] if key in books.records else "missing" for key in keys}
        verdicts[kind].lost += [f"{key} is {state}" for key, state in states.items() if state not in POSTED]
    numbers = [str(books.records[key].get("name") or "") for key in told.keys["post_invoice"] if key in books.records]
    verdicts["post_invoice"].lost += ["a number"] * sum(1 for number in numbers if number in ("", "/"))
    verdicts["post_invoice"].doubled += len(numbers) - len(set(numbers))
    for key, wished in told.totals.items():
        kind = "post_invoice" if key.startswith("invoice") else "post_credit_note"
        verdicts[kind].lost += [f"{key} comes to {books.totals_of(key)}"] if books.totals_of(key) != wished else []
    wrong = [f"{books.open_on(key)} instead of {minor} is open on {key}" for key, minor in told.open.items() if books.open_on(key) != minor]
    verdicts["allocate"].lost += wrong
    verdicts["allocate"].doubled += len(books.pairs) - len(set(books.pairs))
    verdicts["post_invoice"].stuck += books.drafts["account.move"]
    verdicts["post_payment"].stuck += books.drafts["account.payment"]
    async with house.hub.pool.connection() as conn:
        rows = await (await conn.execute(_COMMANDS, ("|".join(told.ids),))).fetchall()
    for _, kind, state, _, _ in rows:
        verdicts[kind].stuck += state not in ("done", "canceled")
    return verdicts


def _empty() -> Verdicts:
    return {kind.value: Verdict() for kind in BOOKED}


async def _read(house: House, told: Amended) -> Books:
    companies = [one.company_id for one in house.provisioned.companies.values()]

    async def rows(model: str, domain: Sequence[Any], *fields: str) -> list[Row]:
        return await house.plain.rows(model, domain, fields, companies)

    keys = [key for keys in told.keys.values() for key in keys]
    found = await rows("ir.model.data", [["module", "=", "counterfoil"], ["name", "in", keys]], "name", "model", "res_id")
    names = {(row["model"], row["res_id"]): row["name"] for row in found}
    books = Books()
    for model, fields in (("account.move", MOVE_FIELDS), ("account.payment", ("state",))):
        ids = [id for one, id in names if one == model]
        books.records |= {names[model, row["id"]]: row for row in await rows(model, [["id", "in", ids]], *fields)}
        books.drafts[model] = len(await rows(model, [["state", "=", "draft"], ["company_id", "in", companies]], "state"))
    moves = [id for model, id in names if model == "account.move"]
    lines = {row["id"]: row["move_id"] for row in await rows("account.move.line", [["move_id", "in", moves]], "move_id")}
    partials = await rows("account.partial.reconcile", [["debit_move_id", "in", list(lines)]], "debit_move_id", "credit_move_id")
    known = [(row["debit_move_id"], row["credit_move_id"]) for row in partials if row["credit_move_id"] in lines]
    books.pairs = [frozenset(names["account.move", lines[line]] for line in pair) for pair in known]
    return books
