"""`counterfoil observe`: what flows that are only observed would have written, at the terminal."""

from __future__ import annotations

from datetime import date

import pytest

from counterfoil.core.commands.books import Account, AccountRole, BookCommand, DocumentLine, PostDocument
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.language.keys import need_of
from counterfoil.core.language.money import Money
from counterfoil.kit.codec import encode
from counterfoil.store import outbox
from counterfoil.store.outbox import NewCommand

from .conftest import PLAIN, Program
from .seeds import NOW, cipher_of, in_database

REF = INVOICE.ref("stripe:in_1")


@pytest.fixture
def observed(program: Program, database: str, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Return the program of a hub that observes, with an invoice of 119.00 decided."""
    monkeypatch.setenv("TEST_STRIPE_KEY", "sk_test_1")
    monkeypatch.setenv("TEST_STRIPE_SECRET", "whsec_1")
    program.configure(PLAIN.replace('currency = "EUR"\n', 'currency = "EUR"\nobserve_only = true\n', 1))
    program.run("status")  # makes the key
    day, total = date(2026, 3, 2), Money(11900, "EUR")
    lines = (DocumentLine("Plan", total, Account(AccountRole.REVENUE)),)
    invoice = PostDocument("stripe:cus_1", "EUR", day, day, day, total, Money(0, "EUR"), lines, number="INV-1")
    wish = NewCommand(
        id="0" * 32,
        kind=BookCommand.POST_INVOICE.value,
        target="books",
        entity="de",
        batch_key="de/sales",
        subject=REF,
        external_key="invoice_stripe.in_1",
        arguments=encode(invoice),
        produces=need_of(REF),
        needs=(),
    )
    in_database(database, lambda conn: outbox.wish(conn, cipher_of(program.folder), [wish], NOW))
    return program


def test_what_would_be_written_is_shown_with_its_journal_lines(observed: Program) -> None:
    shown = observed.run("observe")
    assert shown.code == 0, shown.err
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.out.splitlines() if "│" in line]
    assert ["receivable", "119.00 EUR", ""] in rows
    assert ["revenue", "", "119.00 EUR"] in rows
    assert ["books", "de", "invoice", "1", "119.00 EUR"] in rows
    assert "Only observed: books/de." in shown.err
    told = observed.run("observe", "--entity", "de", "--json").json()
    assert (told["flows"], [one["key"] for one in told["postings"]]) == (["books/de"], ["invoice_stripe.in_1"])
    assert {(one["account"], one["minor"]) for one in told["totals"]} == {("receivable", 11900), ("revenue", -11900)}


def test_status_says_what_is_only_observed(observed: Program) -> None:
    shown = observed.run("status")
    assert "Only observed, nothing is sent: books/de" in " ".join(shown.err.split())
    row = next([cell.strip() for cell in line.split("│")[1:-1]] for line in shown.out.splitlines() if line.startswith("│ books"))
    assert row == ["books", "-", "-", "-", "-", "-", "-", "1"]
    assert "only observed, not sent" in shown.out
    told = observed.run("status", "--json").json()
    assert told["observed"] == ["books/de"]
    assert [(one["ready"], one["observed"]) for one in told["targets"]] == [(0, 1)]
    assert told["balanced"]


def test_an_entity_that_is_not_declared_and_a_hub_that_observes_nothing_are_said_in_a_line(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_STRIPE_KEY", "sk_test_1")
    monkeypatch.setenv("TEST_STRIPE_SECRET", "whsec_1")
    wrong = program.run("observe", "--entity", "fr", "--json")
    assert (wrong.code, wrong.json()["error"]["code"]) == (2, "observe.entity")
    assert "Nothing is only observed" in " ".join(program.run("observe").err.split())
