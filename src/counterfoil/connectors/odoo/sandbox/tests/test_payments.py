"""Items 17 to 19: payments by version, reconciliation with exchange entries, payment states. Figures measured on real servers."""

from __future__ import annotations

from typing import Any

import pytest

from counterfoil.connectors.odoo.sandbox.orm.errors import OdooError
from counterfoil.connectors.odoo.sandbox.tests.desk import NU, Books, made


def state(books: Books, move: int) -> list[Any]:
    return list(books.read("account.move", move, "payment_state", "amount_residual"))


def matched(books: Books, model: str = "account.partial.reconcile") -> list[float]:
    return sorted(p["amount"] for p in books.find(model, [], "amount"))


def test_a_payment_books_outstanding_receipts_against_the_receivable(any_books: Books) -> None:
    payment = any_books.payment(any_books.partner(), 40)
    assert any_books.shape(any_books.payment_move(payment)) == [("101403", 40.0), ("121000", -40.0)]


@pytest.mark.parametrize(("version", "draft_move", "posted"), [(17, True, "posted"), (18, False, "in_process"), (19, False, "in_process")])
def test_the_entry_exists_from_creation_on_17_and_from_posting_since(version: int, draft_move: bool, posted: str) -> None:
    books = made(version)
    payment = books.payment(books.partner(), 40, post=False)
    assert bool(books.read("account.payment", payment, "move_id")) == draft_move
    books.call("account.payment", "action_post", [payment])
    assert books.read("account.payment", payment, "state") == posted
    if version == 17:
        with pytest.raises(OdooError, match="must be in draft"):
            books.call("account.payment", "action_post", [payment])
    else:
        books.call("account.payment", "action_post", [payment])


def test_a_payment_is_not_matched_by_itself_not_even_when_linked(books: Books) -> None:
    partner = books.partner()
    invoice = books.invoice(partner, 100)
    books.payment(partner, 100, invoice_ids=[[6, 0, [invoice]]])
    assert state(books, invoice) == ["not_paid", 100.0]


def test_partial_then_full_matching(any_books: Books) -> None:
    partner = any_books.partner()
    invoice = any_books.invoice(partner, 100)
    first, second = any_books.payment(partner, 40), any_books.payment(partner, 60)
    any_books.match(invoice, any_books.payment_move(first))
    assert state(any_books, invoice) == ["partial", 60.0]
    assert any_books.lines(invoice)[1]["matching_number"].startswith("P")
    any_books.match(invoice, any_books.payment_move(second))
    assert state(any_books, invoice) == ["paid", 0.0]
    assert any_books.lines(invoice)[1]["matching_number"].isdigit()
    with pytest.raises(OdooError, match="already reconciled"):
        any_books.match(invoice, any_books.payment_move(first))


@pytest.mark.parametrize(("version", "after"), [(17, "posted"), (18, "in_process"), (19, "paid")])
def test_on_19_a_payment_is_paid_with_its_documents(version: int, after: str) -> None:
    books = made(version)
    partner = books.partner()
    invoice, payment = books.invoice(partner, 100), books.payment(partner, 100)
    books.match(invoice, books.payment_move(payment))
    assert books.read("account.payment", payment, "state", "is_reconciled", "is_matched") == [after, True, False]


def test_different_accounts_cannot_be_matched(any_books: Books) -> None:
    invoice = any_books.invoice(any_books.partner(), 5)
    with pytest.raises(OdooError, match="Entries are not from the same account"):
        any_books.call("account.move.line", "reconcile", [line["id"] for line in any_books.lines(invoice)])


def test_one_call_with_many_lines_builds_chains(any_books: Books) -> None:
    partner = any_books.partner()
    moves = [any_books.invoice(partner, 100), any_books.invoice(partner, 60)]
    moves += [any_books.payment_move(any_books.payment(partner, amount)) for amount in (100, 60)]
    any_books.match(*moves)
    assert matched(any_books) == [40.0, 60.0, 60.0]


def test_on_19_a_remainder_spills_onto_the_next_partner(books: Books) -> None:
    one, two = books.partner("A"), books.partner("B")
    first, second = books.invoice(one, 100), books.invoice(two, 50)
    paid = [books.payment(one, 120), books.payment(two, 30)]
    books.match(first, second, *(books.payment_move(p) for p in paid))
    assert [state(books, m) for m in (first, second)] == [["paid", 0.0], ["paid", 0.0]]
    assert matched(books) == [20.0, 30.0, 100.0]


def test_unmatching_opens_both_sides_again(any_books: Books) -> None:
    partner = any_books.partner()
    invoice, payment = any_books.invoice(partner, 100), any_books.payment(partner, 100)
    any_books.match(invoice, any_books.payment_move(payment))
    any_books.call("account.move.line", "remove_move_reconcile", any_books.receivable(invoice))
    assert state(any_books, invoice) == ["not_paid", 100.0]
    assert any_books.find("account.full.reconcile", [], "id") == []


@pytest.mark.parametrize(("version", "after"), [(17, ["not_paid", 100.0]), (18, ["not_paid", 100.0]), (19, ["partial", 60.0])])
def test_a_matched_invoice_taken_to_draft_keeps_its_match_on_19_only(version: int, after: list[Any]) -> None:
    books = made(version)
    partner = books.partner()
    invoice, payment = books.invoice(partner, 100), books.payment(partner, 40)
    books.match(invoice, books.payment_move(payment))
    books.call("account.move", "button_draft", [invoice])
    assert state(books, invoice) == after


def test_a_rate_difference_is_booked_in_the_exchange_journal_today(any_books: Books) -> None:
    any_books.rate("EUR", "2026-01-01", 1.10)
    any_books.rate("EUR", "2026-06-01", 1.20)
    partner, euro = any_books.partner(), any_books.ref("base.EUR")
    invoice = any_books.invoice(partner, 100, currency_id=euro, invoice_date="2026-11-02")
    any_books.rate("EUR", "2026-11-10", 1.30)
    payment = any_books.payment(partner, 100, currency_id=euro, date="2026-11-12")
    any_books.match(invoice, any_books.payment_move(payment))
    assert state(any_books, invoice) == ["paid", 0.0]
    entry = any_books.find("account.move", [["journal_id.code", "=", "EXCH"]], "name", "date", "state", "id")[0]
    assert (entry["name"], entry["date"], entry["state"]) == ("EXCH/2026/11/0001", "2026-11-21", "posted")
    assert any_books.shape(entry["id"]) == [("121000", 10.0), ("441000", -10.0)]
    assert {
        line["matching_number"] for m in (invoice, entry["id"]) for line in any_books.lines(m) if line["account_id"][1].startswith("121000")
    } == {any_books.lines(invoice)[1]["matching_number"]}


def test_undoing_the_match_reverses_the_exchange_entry(any_books: Books) -> None:
    any_books.rate("EUR", "2026-01-01", 1.10)
    partner, euro = any_books.partner(), any_books.ref("base.EUR")
    invoice = any_books.invoice(partner, 100, currency_id=euro)
    any_books.rate("EUR", "2026-06-01", 1.20)
    payment = any_books.payment(partner, 100, currency_id=euro, date="2026-06-05")
    any_books.match(invoice, any_books.payment_move(payment))
    any_books.call("account.move.line", "remove_move_reconcile", any_books.receivable(invoice))
    entries = any_books.find("account.move", [["journal_id.code", "=", "EXCH"]], "id", order="id")
    assert len(entries) == 2
    total = sum(line["balance"] for e in entries for line in any_books.lines(e["id"]) if line["account_id"][1].startswith("441000"))
    assert total == 0.0
    assert state(any_books, invoice) == ["not_paid", 100.0]


def load_partial(books: Books, xid: str, invoice: int, payment_move: int, amount: float) -> Any:
    fields = ["id", "debit_move_id/.id", "credit_move_id/.id", "amount", "debit_amount_currency", "credit_amount_currency"]
    row = [xid, str(books.receivable(invoice)[0]), str(books.receivable(payment_move)[0]), amount, amount, amount]
    return books.load("account.partial.reconcile", fields, row, context=NU)


def test_partials_by_load_are_exactly_once_but_unchecked(any_books: Books) -> None:
    partner = any_books.partner()
    invoice = any_books.invoice(partner, 100)
    move = any_books.payment_move(any_books.payment(partner, 100))
    first = load_partial(any_books, "cf.alloc", invoice, move, 100.0)
    assert load_partial(any_books, "cf.alloc", invoice, move, 100.0) == first
    assert state(any_books, invoice) == ["paid", 0.0]
    line = any_books.lines(invoice)[1]
    assert (line["matching_number"], line["reconciled"]) == (f"P{first['ids'][0]}", True)
    full = any_books.create(
        "account.full.reconcile",
        partial_reconcile_ids=[[6, 0, first["ids"]]],
        reconciled_line_ids=[[6, 0, any_books.receivable(invoice) + any_books.receivable(move)]],
    )
    assert any_books.lines(invoice)[1]["matching_number"] == str(full)
    load_partial(any_books, "cf.more", invoice, move, 40.0)
    assert state(any_books, invoice) == ["partial", -40.0]


def test_marked_lines_are_matched_when_the_last_one_is_posted(any_books: Books) -> None:
    partner = any_books.partner()
    invoice = any_books.invoice(partner, 100)
    any_books.load("account.move.line", [".id", "matching_number"], [str(any_books.receivable(invoice)[0]), "Iabc"])
    bank, receivable = any_books.account("101401"), any_books.account("121000")
    any_books.entry(
        {"account_id": bank, "debit": 100}, {"account_id": receivable, "credit": 100, "partner_id": partner, "matching_number": "Iabc"}
    )
    assert state(any_books, invoice)[1] == 0.0


def test_a_credit_note_of_an_open_invoice_is_matched_by_posting(any_books: Books) -> None:
    partner = any_books.partner()
    invoice = any_books.invoice(partner, 100)
    note = any_books.invoice(partner, 25, move_type="out_refund", reversed_entry_id=invoice)
    assert [state(any_books, invoice), state(any_books, note)] == [["partial", 75.0], ["paid", 0.0]]
    any_books.invoice(partner, 75, move_type="out_refund", reversed_entry_id=invoice)
    assert state(any_books, invoice) == ["reversed", 0.0]


def test_a_credit_note_of_a_paid_invoice_stays_open_until_paid_out(any_books: Books) -> None:
    partner = any_books.partner()
    invoice, payment = any_books.invoice(partner, 100), any_books.payment(partner, 100)
    any_books.match(invoice, any_books.payment_move(payment))
    note = any_books.invoice(partner, 30, move_type="out_refund", reversed_entry_id=invoice)
    assert state(any_books, note) == ["not_paid", 30.0]
    refund = any_books.payment(partner, 30, payment_type="outbound")
    any_books.match(note, any_books.payment_move(refund))
    assert state(any_books, note) == ["paid", 0.0]
    assert any_books.read("account.move", note, "amount_total_signed") == -30.0


def wizard(books: Books, *invoices: int, **values: Any) -> int:
    context = {"active_model": "account.move", "active_ids": list(invoices)}
    return books.create("account.payment.register", context=context, journal_id=books.journal("BNK1"), payment_date="2026-03-05", **values)


def test_the_wizard_pays_with_write_off(any_books: Books) -> None:
    invoice = any_books.invoice(any_books.partner(), 100)
    expense = any_books.account("600000")
    w = wizard(any_books, invoice, amount=97.0, payment_difference_handling="reconcile", writeoff_account_id=expense, writeoff_label="Fee")
    action = any_books.call("account.payment.register", "action_create_payments", [w])
    assert state(any_books, invoice) == ["paid", 0.0]
    move = any_books.payment_move(action["res_id"])
    assert any_books.shape(move) == [("101403", 97.0), ("121000", -100.0), ("600000", 3.0)]


def test_the_wizard_sent_twice_makes_two_payments(any_books: Books) -> None:
    invoice = any_books.invoice(any_books.partner(), 100)
    w = wizard(any_books, invoice, amount=30.0)
    for _ in range(2):
        any_books.call("account.payment.register", "action_create_payments", [w])
    assert state(any_books, invoice) == ["partial", 40.0]
    whole = wizard(any_books, invoice)
    any_books.call("account.payment.register", "action_create_payments", [whole])
    with pytest.raises(OdooError, match="nothing left to pay"):
        wizard(any_books, invoice)


def test_the_wizard_pays_several_invoices_one_by_one(any_books: Books) -> None:
    partner = any_books.partner()
    invoices = [any_books.invoice(partner, 10), any_books.invoice(partner, 20)]
    w = wizard(any_books, *invoices, group_payment=False)
    action = any_books.call("account.payment.register", "action_create_payments", [w])
    assert len(action["domain"][0][2]) == 2
    assert [state(any_books, m) for m in invoices] == [["paid", 0.0]] * 2


def test_outstanding_credits_are_offered_assigned_and_removed(any_books: Books) -> None:
    partner = any_books.partner()
    invoice, payment = any_books.invoice(partner, 50), any_books.payment(partner, 80)
    widget = any_books.read("account.move", invoice, "invoice_outstanding_credits_debits_widget")
    assert (widget["title"], widget["content"][0]["amount"]) == ("Outstanding credits", 80.0)
    any_books.call("account.move", "js_assign_outstanding_line", [invoice], line_id=widget["content"][0]["id"])
    assert state(any_books, invoice) == ["paid", 0.0]
    partial = any_books.find("account.partial.reconcile", [], "id")[0]["id"]
    assert any_books.call("account.move", "js_remove_outstanding_partial", [invoice], partial_id=partial) is True
    assert state(any_books, invoice) == ["not_paid", 50.0]
    assert any_books.read("account.payment", payment, "is_reconciled") is False


@pytest.mark.parametrize(
    ("version", "drafted", "canceled", "kept"), [(17, 100.0, "cancel", True), (18, 100.0, "canceled", False), (19, 0.0, "canceled", False)]
)
def test_a_payment_taken_back_opens_its_invoice(version: int, drafted: float, canceled: str, kept: bool) -> None:
    books = made(version)
    partner = books.partner()
    invoice, payment = books.invoice(partner, 100), books.payment(partner, 100)
    books.match(invoice, books.payment_move(payment))
    books.call("account.payment", "action_draft", [payment])
    assert state(books, invoice)[1] == drafted  # 19 keeps the match until the payment is canceled
    books.call("account.payment", "action_cancel", [payment])
    assert state(books, invoice) == ["not_paid", 100.0]
    assert books.read("account.payment", payment, "state") == canceled
    assert bool(books.read("account.payment", payment, "move_id")) == kept


def test_enterprise_books_no_entry_without_outstanding_account(books: Books) -> None:
    books.sandbox.db.settings.enterprise = True
    partner = books.partner()
    invoice = books.invoice(partner, 100)
    payment = books.payment(partner, 100, invoice_ids=[[6, 0, [invoice]]])
    assert books.read("account.payment", payment, "move_id", "state") == [False, "in_process"]
    line = books.find("account.payment.method.line", [["journal_id", "=", books.journal("BNK1")]], "id", "payment_type")[0]["id"]
    books.call("account.payment.method.line", "write", [line], vals={"payment_account_id": books.account("101403")})
    second = books.payment(partner, 100)
    books.match(invoice, books.payment_move(second))
    assert state(books, invoice) == ["in_payment", 0.0]


def test_a_journal_of_its_own_has_its_own_accounts_and_methods(any_books: Books) -> None:
    clearing = any_books.create("account.account", name="Stripe clearing", code="101499", account_type="asset_current", reconcile=True)
    journal = any_books.create("account.journal", name="Stripe", code="STRP", type="bank")
    account, lines = any_books.read("account.journal", journal, "default_account_id", "inbound_payment_method_line_ids")
    assert account[1] == "101405 Stripe"
    any_books.call("account.payment.method.line", "write", lines, vals={"payment_account_id": clearing})
    payment = any_books.payment(any_books.partner(), 5, journal_id=journal)
    assert any_books.shape(any_books.payment_move(payment)) == [("101499", 5.0), ("121000", -5.0)]
    assert any_books.read("account.payment", payment, "name") == "PSTRP/2026/00001"
    with pytest.raises(OdooError, match="Journal codes must be unique per company"):
        any_books.create("account.journal", name="Again", code="STRP", type="general")
