"""What is played so that writes come about by what is declared or decided, and how its end is judged; see ``matrix.Decided``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.crash.judging import Verdict
from tests.crash.matrix import Decided
from tests.crash.workers import deliver_shuffled, worker
from tests.integration.path.house import BOOKS, House
from tests.integration.path.test_watching import looked

from counterfoil.app.demo.erp_totals import to_minor
from counterfoil.app.demo.story import StoryContext
from counterfoil.kit.forms import Nested
from counterfoil.store import case_work

ENTITY = "JP"
"""Whose posting mode changes; what is posted or matched again is the American company's."""
START = (datetime.now(UTC) - timedelta(days=4)).replace(hour=3, minute=0, second=0, microsecond=0)
"""Noon in Japan, so long ago that the day of the payments is over, too."""
AMOUNT = 20_000


def declare(values: dict[str, Any]) -> None:
    """Have the Japanese company post summaries from the day after the start on."""
    values["entities"][ENTITY] |= {"posting": "summary", "posting_from": (START.date() + timedelta(days=1)).isoformat()}


@dataclass(slots=True)
class Story:
    """A story that is played. ``ids``: what the external keys of its commands hold; ``invoice``: its invoice at the source, if any.

    ``product``: what a product is called; ``payment``: the intent of a payment that came before its invoice.
    """

    what: Decided
    story: StoryContext
    ids: list[str]
    customer: str = ""
    invoice: str = ""
    product: str = ""
    payment: str = ""

    @property
    def key(self) -> str:
        """The external key of its invoice."""
        return f"invoice_stripe.{self.invoice}"


async def begin(made: House, what: Decided) -> Story:
    """Play what comes before: a payment on account, an invoice that is paid; of a product nothing."""
    story = made.story(ENTITY if what is Decided.MODE_SWITCH else "US")
    if what is Decided.KNOWN_PRODUCT:
        return Story(what, story, [], product=f"Known gadget {story.number:04d}")
    customer = await story.customer()
    if what is Decided.MODE_SWITCH:
        charge: dict[str, Nested] = {"currency": "jpy", "customer": customer, "payment_method": "pm_card_visa", "confirm": True}
        intent = await story.api.post("/v1/payment_intents", amount=AMOUNT, **charge)
        return Story(what, story, [], customer, payment=intent["id"])
    await story.item(customer, "Consulting", AMOUNT)
    invoice = await story.bill(customer, is_charged=True)
    assert await story.pay(invoice["id"])
    return Story(what, story, [invoice["id"]], customer, invoice["id"])


async def act(made: House, story: Story, seed: int) -> None:
    """Do what makes the writes come about; they are to be sent, and nobody works."""
    match story.what:
        case Decided.MODE_SWITCH:
            await story.story.item(story.customer, "Consulting", AMOUNT)
            story.invoice = (await story.story.bill(story.customer))["id"]
            await story.story.api.post(f"/v1/invoices/{story.invoice}/attach_payment", payment_intent=story.payment)
            story.ids.append(story.invoice)
        case Decided.KNOWN_PRODUCT:
            await made.plain.create("product.product", {"name": story.product, "type": "service"})
            product = await story.story.api.post("/v1/products", name=story.product)
            story.ids.append(product["id"])
        case Decided.POSTED_AGAIN | Decided.MATCHED_AGAIN:
            await _undo(made, story)
    await deliver_shuffled(made, seed)


async def _undo(made: House, story: Story) -> None:
    """Have a person undo it in the books, and another retry the case that comes of it."""
    async with worker(made):
        await looked(made)
        if story.what is Decided.POSTED_AGAIN:
            made.person("delete", xid=f"counterfoil.{story.key}")
        else:
            await made.plain.call("account.move.line", "remove_move_reconcile", await _receivables(made, story))
        await made.poll(BOOKS)
        await looked(made)
    [case] = await made.cases()
    async with made.hub.pool.connection() as conn, conn.transaction():
        await made.hub.arm(conn, await case_work.retry(conn, case.id, "tester", made.clock.now()))


async def judge(made: House, story: Story, kind: str) -> dict[str, Verdict]:
    """Return what became of a story: what it wished is in the books once, and nothing of it is under way."""
    verdict = Verdict()
    match story.what:
        case Decided.KNOWN_PRODUCT:
            await _judge_product(made, story, verdict)
        case Decided.MODE_SWITCH:
            await _judge_switch(made, story, verdict)
        case _:
            await _judge_invoice(made, story, verdict)
    async with made.hub.pool.connection() as conn:
        rows = await conn.execute(
            "select count(*) from command where state not in ('done', 'canceled') and external_key ~ %s", ("|".join(story.ids),)
        )
        verdict.stuck += (await rows.fetchone() or (0,))[0]
    return {kind: verdict}


async def _judge_invoice(made: House, story: Story, verdict: Verdict) -> None:
    """There is one invoice, posted and matched once with all of its payment."""
    partner = (await _named(made, f"customer_stripe.{story.customer}"))[0]
    moves = await _rows(made, "account.move", [["partner_id", "=", partner], ["move_type", "=", "out_invoice"]], "state", "amount_residual")
    verdict.doubled += len(moves) - 1
    verdict.stuck += sum(1 for move in moves if move["state"] != "posted")
    verdict.lost += ["the match"] if any(to_minor(move["amount_residual"], "USD") for move in moves) else []
    partials = await _rows(made, "account.partial.reconcile", [["debit_move_id", "in", await _receivables(made, story)]], "amount")
    verdict.doubled += max(0, len(partials) - 1)


async def _judge_switch(made: House, story: Story, verdict: Verdict) -> None:
    """There is one entry that takes the customer's part out of the sum, matched once with all of the payment."""
    switches = await made.plain.rows("ir.model.data", [["name", "=like", f"mode_switch%{story.invoice}%"]], ["res_id"])
    entries = await _rows(made, "account.move", [["id", "in", [row["res_id"] for row in switches]]], "state")
    verdict.lost += ["the entry"] * (not entries)
    verdict.doubled += max(0, len(entries) - 1)
    verdict.stuck += sum(1 for entry in entries if entry["state"] != "posted")
    partner = (await _named(made, f"customer_stripe.{story.customer}"))[0]
    domain = [["partner_id", "=", partner], ["account_id.account_type", "=", "asset_receivable"]]
    lines = await _rows(made, "account.move.line", domain, "amount_residual")
    verdict.lost += ["the match"] if len(lines) != 2 or any(line["amount_residual"] for line in lines) else []
    partials = await _rows(made, "account.partial.reconcile", [["debit_move_id", "in", [line["id"] for line in lines]]], "amount")
    verdict.doubled += max(0, len(partials) - 1)


async def _judge_product(made: House, story: Story, verdict: Verdict) -> None:
    products = await made.plain.rows("product.product", [["name", "=", story.product]], ["name"])
    verdict.doubled += len(products) - 1
    async with made.hub.pool.connection() as conn:
        rows = await conn.execute("select external_id from binding where key = %s and until is null", (f"product/stripe:{story.ids[0]}",))
        bound = [row[0] for row in await rows.fetchall()]
    verdict.lost += [] if bound == [f"product.product/{products[0]['id']}"] else [f"the product, which is bound as {bound}"]


async def _receivables(made: House, story: Story) -> list[int]:
    """Return the receivable lines of a story's invoice."""
    domain = [["move_id", "in", await _named(made, story.key)], ["account_id.account_type", "=", "asset_receivable"]]
    return [row["id"] for row in await _rows(made, "account.move.line", domain, "name")]


async def _named(made: House, key: str) -> list[int]:
    found = await made.plain.rows("ir.model.data", [["module", "=", "counterfoil"], ["name", "=", key]], ["res_id"])
    return [row["res_id"] for row in found]


async def _rows(made: House, model: str, domain: Sequence[Any], *fields: str) -> list[dict[str, Any]]:
    companies = [one.company_id for one in made.provisioned.companies.values()]
    return await made.plain.rows(model, domain, fields, companies)
