"""Fetching from the sandbox: lists completed, movements expanded, applications joined, several accounts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from counterfoil.connectors.stripe.sandbox import StripeSandbox
from counterfoil.core.kinds.customer_credit import CUSTOMER_CREDIT
from counterfoil.core.kinds.erp_document import ERP_DOCUMENT
from counterfoil.core.kinds.invoice import INVOICE, Invoice
from counterfoil.core.kinds.payment import PAYMENT, Payment
from counterfoil.core.kinds.refund import REFUND, Refund
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.money import Money
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError, TransientError
from counterfoil.kit.sandbox import Fault

from .building import CREATED_AT, POLLS, SOURCE, listed_delivery, records
from .sandboxed import normalized_all, opened, run_trigger, walk
from .scripted import scripted


@pytest.fixture
def sandbox() -> StripeSandbox:
    return StripeSandbox()


@pytest.fixture
async def ctx(sandbox: StripeSandbox) -> AsyncIterator[Context]:
    async with opened(sandbox) as context:
        yield context


async def fetched(ctx: Context, ref: str) -> Any:
    (answer,) = await SOURCE.fetch(ctx, [ref])
    return None if answer.body is None else json.loads(answer.body)


def sell(sandbox: StripeSandbox, lines: int, amount: int = 1000) -> dict[str, Any]:
    """Sell that many positions to a new customer with a card that works, and return the paid invoice."""
    customer = sandbox.request("POST", "/v1/customers", {"name": "Buyer"})
    for index in range(lines):
        item = {"customer": customer["id"], "amount": str(amount), "currency": "usd", "description": f"Position {index}"}
        sandbox.request("POST", "/v1/invoiceitems", item)
    wanted = {"customer": customer["id"], "pending_invoice_items_behavior": "include", "auto_advance": "false"}
    invoice = sandbox.request("POST", "/v1/invoices", wanted)
    method = sandbox.request("POST", "/v1/payment_methods/pm_card_visa/attach", {"customer": customer["id"]})
    return sandbox.request("POST", f"/v1/invoices/{invoice['id']}/pay", {"payment_method": method["id"]})


async def test_an_invoice_is_fetched_with_all_its_lines(sandbox: StripeSandbox, ctx: Context) -> None:
    invoice = sell(sandbox, lines=123)
    found = await fetched(ctx, f"acct_sandbox/invoice/{invoice['id']}")
    assert len(found["lines"]["data"]) == 123
    assert found["lines"]["has_more"] is False
    assert len({line["id"] for line in found["lines"]["data"]}) == 123
    assert "client_secret" not in json.dumps(found)


async def test_a_payment_knows_its_invoice_and_its_movement(sandbox: StripeSandbox, ctx: Context) -> None:
    invoice = sell(sandbox, lines=1, amount=5000)
    deliveries, _ = await walk(lambda cursor: POLLS.poll(ctx, cursor))
    facts, _ = await normalized_all(ctx, deliveries)
    payments = {fact.data for fact in facts if isinstance(fact.data, Payment)}
    (payment,) = payments  # told by five events, always the same
    assert [(a.invoice_id, a.amount) for a in payment.applications] == [(f"stripe:{invoice['id']}", Money(5000, "USD"))]
    assert payment.settlement is not None
    assert payment.settlement.gross == Money(5000, "USD")
    assert payment.settlement.fee == Money(175, "USD")  # 2.9 % of 50.00 and 0.30


async def test_a_refund_by_credit_note_names_it(sandbox: StripeSandbox, ctx: Context) -> None:
    invoice = sell(sandbox, lines=1, amount=5000)
    note = sandbox.request("POST", "/v1/credit_notes", {"invoice": invoice["id"], "amount": "5000", "refund_amount": "5000"})
    (refund,) = note["refunds"]
    found = await fetched(ctx, f"acct_sandbox/refund/{refund['refund']}")
    assert found["counterfoil"] == {"account": "acct_sandbox", "credit_notes": [{"id": note["id"], "amount": 5000}]}
    deliveries, _ = await walk(lambda cursor: POLLS.poll(ctx, cursor))
    facts, _ = await normalized_all(ctx, deliveries)
    notes = {fact.data.credit_note_id for fact in facts if isinstance(fact.data, Refund)}
    assert notes == {f"stripe:{note['id']}"}


async def test_every_located_object_can_be_fetched(sandbox: StripeSandbox, ctx: Context) -> None:
    for name in ("invoice.paid", "credit_note.created", "charge.refunded", "charge.dispute.created", "payout.created", "tax_rate.created"):
        run_trigger(sandbox, name)
    deliveries, _ = await walk(lambda cursor: POLLS.poll(ctx, cursor))
    facts, _ = await normalized_all(ctx, deliveries)
    for subject in {fact.subject for fact in facts}:
        located = SOURCE.locate(subject)
        assert located is not None, subject
        (answer,) = await SOURCE.fetch(ctx, [located])
        assert answer.body is not None, subject


@pytest.mark.parametrize(
    ("kind", "object_id", "ref"),
    [
        (INVOICE.name, "stripe:in_1", "*/invoice/in_1"),
        (PAYMENT.name, "stripe:ch_1", "*/charge/ch_1"),
        (PAYMENT.name, "stripe:oob_in_1", "*/invoice/in_1"),
        (REFUND.name, "stripe:failure_ch_1", "*/charge/ch_1"),
        (CUSTOMER_CREDIT.name, "stripe:cbtxn_1", None),
        (ERP_DOCUMENT.name, "odoo:account.move/1", None),
        (INVOICE.name, "chargebee:in_1", None),
        (INVOICE.name, "stripe:../v1/account", None),
    ],
)
def test_objects_are_located_by_what_shows_them(kind: str, object_id: str, ref: str | None) -> None:
    assert SOURCE.locate(ObjectRef(kind, object_id)) == ref


async def test_what_does_not_exist_is_answered_with_nothing(ctx: Context) -> None:
    for ref in ("acct_sandbox/invoice/in_0", "acct_unknown/invoice/in_0", "acct_sandbox/spaceship/x", "*/charge/ch_0"):
        assert await fetched(ctx, ref) is None


async def test_each_fetch_claims_its_own_instant(sandbox: StripeSandbox, ctx: Context) -> None:
    invoice = sell(sandbox, lines=1)
    ref = f"acct_sandbox/invoice/{invoice['id']}"
    (first,), (second,) = await SOURCE.fetch(ctx, [ref]), await SOURCE.fetch(ctx, [ref])
    assert first.fetched_at < second.fetched_at  # though the clock stands still
    assert first.body == second.body


async def test_connected_accounts_are_read_by_their_header_and_an_id_alone_is_looked_for_in_all() -> None:
    accounts: list[str] = []

    def answer(path: str, _params: dict[str, str]) -> dict[str, object] | None:
        is_there = path == "/v1/products/prod_1" and len(accounts) == 1
        accounts.append(path)
        return {"id": "prod_1", "object": "product", "name": "x", "created": 1} if is_there else None

    ctx, http, _ = scripted(answer, CREATED_AT, accounts=["acct_2"])
    found = await fetched(ctx, "*/product/prod_1")
    assert found["counterfoil"] == {"account": "acct_2"}
    assert [account for _, _, account in http.asked] == ["", "acct_2"]


async def test_one_batch_makes_no_get_twice() -> None:
    ctx, http, _ = scripted(lambda _path, _params: {"id": "x", "object": "customer", "created": 1}, CREATED_AT)
    answers = await SOURCE.fetch(ctx, ["acct_1/customer/cus_1", "*/customer/cus_1", "acct_1/product/prod_1"])
    assert [answer.ref for answer in answers] == ["acct_1/customer/cus_1", "*/customer/cus_1", "acct_1/product/prod_1"]
    assert [path for path, _, _ in http.asked] == ["/v1/customers/cus_1", "/v1/products/prod_1"]


async def test_ids_of_a_payload_cannot_reach_another_path() -> None:
    ctx, http, _ = scripted(lambda _path, _params: None, CREATED_AT)
    await SOURCE.fetch(ctx, ["acct_1/customer/../../account?x=1"])
    assert [path for path, _, _ in http.asked] == ["/v1/customers/..%2F..%2Faccount%3Fx%3D1"]


@pytest.mark.parametrize(
    ("status", "error", "code"), [(401, SetupError, "stripe.key_refused"), (403, SetupError, "stripe.permission_missing")]
)
async def test_a_refused_key_pauses_the_connection(
    sandbox: StripeSandbox, ctx: Context, status: int, error: type[SetupError], code: str
) -> None:
    sandbox.switch.faults.append(Fault("status", times=-1, status=status))
    with pytest.raises(error) as caught:
        await fetched(ctx, "acct_sandbox/invoice/in_1")
    assert caught.value.code == code


async def test_being_throttled_is_transient(sandbox: StripeSandbox, ctx: Context) -> None:
    sandbox.switch.faults.append(Fault("status", times=-1, status=429, retry_after_s=60))
    with pytest.raises(TransientError) as caught:
        await fetched(ctx, "acct_sandbox/invoice/in_1")
    assert (caught.value.code, caught.value.retry_after_s) == ("stripe.rate_limited", 60.0)


async def test_an_invoice_in_the_sandbox_ties_to_the_cent(sandbox: StripeSandbox, ctx: Context) -> None:
    invoice = sell(sandbox, lines=12, amount=333)
    ref = f"acct_sandbox/invoice/{invoice['id']}"
    deliveries, _ = await walk(lambda cursor: POLLS.poll(ctx, cursor))
    facts, _ = await normalized_all(ctx, deliveries)
    found = {fact.data for fact in facts if isinstance(fact.data, Invoice)}
    assert {i.total for i in found} == {Money(3996, "USD")}
    assert all(sum(line.amount.minor for line in i.lines) == 3996 for i in found)
    assert await fetched(ctx, ref) is not None


async def test_a_bank_debit_is_under_way_until_it_arrives(sandbox: StripeSandbox, ctx: Context) -> None:
    customer = sandbox.request("POST", "/v1/customers", {"name": "Buyer"})
    sandbox.request("POST", "/v1/invoiceitems", {"customer": customer["id"], "amount": "1000", "currency": "usd"})
    wanted = {"customer": customer["id"], "pending_invoice_items_behavior": "include", "auto_advance": "false"}
    invoice = sandbox.request("POST", "/v1/invoices", wanted)
    method = sandbox.request("POST", "/v1/payment_methods", {"type": "sepa_debit"})
    sandbox.request("POST", f"/v1/payment_methods/{method['id']}/attach", {"customer": customer["id"]})
    sandbox.request("POST", f"/v1/invoices/{invoice['id']}/pay", {"payment_method": method["id"]})

    async def told() -> Invoice:
        body = await fetched(ctx, f"acct_sandbox/invoice/{invoice['id']}")
        return next(one for one in records(listed_delivery(body)) if isinstance(one, Invoice))

    [charge] = sandbox.request("GET", "/v1/charges")["data"]
    sent = await told()
    assert (sent.state, sent.attempt_count, sent.amount_remaining) == ("issued", 1, Money(1000, "USD"))
    assert [(one.payment_id, one.amount) for one in sent.parts_under_way or ()] == [(f"stripe:{charge['id']}", Money(1000, "USD"))]
    sandbox.advance(4 * 86_400)
    arrived = await told()
    assert (arrived.state, arrived.parts_under_way) == ("paid", None)


async def test_a_lost_dispute_is_fetched_with_the_time_of_its_loss(sandbox: StripeSandbox, ctx: Context) -> None:
    invoice = sell(sandbox, lines=1, amount=5000)
    (payment,) = sandbox.request("GET", "/v1/invoice_payments", {"invoice": invoice["id"]})["data"]
    intent = sandbox.request("GET", f"/v1/payment_intents/{payment['payment']['payment_intent']}")
    dispute = sandbox.open_dispute(intent["latest_charge"])
    opened_at = sandbox.now
    assert (await fetched(ctx, f"acct_sandbox/dispute/{dispute['id']}"))["counterfoil"]["closed_at"] is None
    sandbox.advance(20 * 86_400)
    sandbox.resolve_dispute(dispute["id"], "lost")
    sandbox.advance(5 * 86_400)
    assert (await fetched(ctx, f"acct_sandbox/dispute/{dispute['id']}"))["counterfoil"]["closed_at"] == opened_at + 20 * 86_400


async def test_a_deleted_customer_comes_with_what_its_newest_invoice_says_of_it(sandbox: StripeSandbox, ctx: Context) -> None:
    sandbox.load(
        [
            {"id": "cus_gone", "object": "customer", "deleted": True, "created": sandbox.now},
            *({"id": f"in_{n}", "object": "invoice", "customer": "cus_gone", "created": sandbox.now + n, "customer_name": f"Gone {n}",
               "currency": "usd", "status": "open", "lines": {"object": "list", "data": [], "has_more": False}} for n in (1, 2)),
        ]
    )  # fmt: skip
    found = await fetched(ctx, "acct_sandbox/customer/cus_gone")
    assert found["counterfoil"]["billed"] == {"customer_name": "Gone 2"}


async def test_a_voided_invoice_names_the_credit_notes_that_lowered_it(sandbox: StripeSandbox, ctx: Context) -> None:
    invoice = sell(sandbox, 1)
    answers = {"GET /v1/credit_notes": [{"id": "cn_1"}, {"id": "cn_2"}]}
    sandbox.load([{**invoice, "status": "void", "pre_payment_credit_notes_amount": 300}])
    sandbox.load([{"id": note["id"], "object": "credit_note", "invoice": invoice["id"], "created": 1} for note in answers.popitem()[1]])
    found = await fetched(ctx, f"acct_sandbox/invoice/{invoice['id']}")
    assert sorted(found["counterfoil"]["credit_notes"]) == ["cn_1", "cn_2"]


async def test_a_refund_made_again_by_hand_takes_the_credit_note_of_the_one_that_came_back(sandbox: StripeSandbox, ctx: Context) -> None:
    invoice = sell(sandbox, lines=1, amount=5000)
    note = sandbox.request("POST", "/v1/credit_notes", {"invoice": invoice["id"], "amount": "5000", "refund_amount": "5000"})
    first = note["refunds"][0]["refund"]
    sandbox.fail_refund(first)
    (payment,) = sandbox.request("GET", "/v1/invoice_payments", {"invoice": invoice["id"]})["data"]
    again = sandbox.request("POST", "/v1/refunds", {"payment_intent": payment["payment"]["payment_intent"], "amount": "5000"})
    assert (await fetched(ctx, f"acct_sandbox/refund/{again['id']}"))["counterfoil"]["credit_notes"] == [{"id": note["id"], "amount": 5000}]


async def test_a_credit_note_is_paid_out_by_one_refund_made_again_not_by_each_of_its_amount(sandbox: StripeSandbox, ctx: Context) -> None:
    # Of 100.00: a note of 20.00 whose refund came back, a refund of 20.00 that came back as well, then two of 20.00 that went through.
    # The first that went through pays the note out; the other one has no note.
    invoice = sell(sandbox, lines=1, amount=10000)
    note = sandbox.request("POST", "/v1/credit_notes", {"invoice": invoice["id"], "amount": "2000", "refund_amount": "2000"})
    sandbox.fail_refund(note["refunds"][0]["refund"])
    (payment,) = sandbox.request("GET", "/v1/invoice_payments", {"invoice": invoice["id"]})["data"]
    made = []
    for is_failing in (True, False, False):
        sandbox.advance(60)
        made.append(sandbox.request("POST", "/v1/refunds", {"payment_intent": payment["payment"]["payment_intent"], "amount": "2000"}))
        if is_failing:
            sandbox.fail_refund(made[-1]["id"])
    found = [(await fetched(ctx, f"acct_sandbox/refund/{one['id']}"))["counterfoil"]["credit_notes"] for one in made]
    assert found == [[], [{"id": note["id"], "amount": 2000}], []]


async def test_a_charge_of_before_payment_intents_names_the_invoice_it_paid(sandbox: StripeSandbox, ctx: Context) -> None:
    charge = {"id": "ch_old", "object": "charge", "amount": 5000, "amount_captured": 5000, "captured": True, "status": "succeeded"}
    charge |= {"currency": "usd", "created": sandbox.now, "customer": "cus_1", "payment_intent": None, "refunded": False}
    charge |= {"balance_transaction": None, "failure_balance_transaction": None}
    sandbox.load([{**charge, "_invoice": "in_old"}])
    found = await fetched(ctx, "acct_sandbox/charge/ch_old")
    (payment,) = records(listed_delivery(found))
    assert isinstance(payment, Payment)
    assert [(one.invoice_id, one.amount) for one in payment.applications] == [("stripe:in_old", Money(5000, "USD"))]
