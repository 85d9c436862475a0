"""A change of the posting mode: what was open before it is closed after it, in the mode it was booked in or through a switch entry."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from tests.core.builders import RULES, World, at, credit_note, invoice, payment, refund, settled, usd, with_entity, world
from tests.core.ledger import Ledger

from counterfoil.core.commands.books import AccountRole, PostEntry
from counterfoil.core.kinds.invoice import InvoiceState
from counterfoil.core.kinds.payment import Application, Payment
from counterfoil.core.kinds.refund import RefundState
from counterfoil.core.policies.rules import PostingMode

APRIL = date(2026, 4, 1)
LATER = at("2026-04-03 12:00")


def switched(mode: PostingMode) -> World:
    """Return a world whose US entity books in this mode from 1 April on, and in the other one before."""
    return world(rules=with_entity(RULES, "US", posting_mode=mode, posting_mode_from=APRIL))


def paid_later(minor: int, *applied: tuple[str, int], id: str = "stripe:ch_1") -> Payment:
    """Return a payment of 3 April."""
    settlement = settled(usd(minor), id=id.replace("ch_", "txn_"), when=LATER)
    return payment(usd(minor), *applied, id=id, occurred_at=LATER, settlement=settlement)


def sums(books: World) -> dict[str, int]:
    """Return the balance of each account over documents and sums."""
    found: dict[str, int] = {}
    for (_, account, _), minor in Ledger().take(books.sent).balances.items():
        found[account] = found.get(account, 0) + minor
    for item in books.items.values():
        found[str(item.account)] = found.get(str(item.account), 0) + item.amount.minor
    return {account: minor for account, minor in found.items() if minor}


def collective(books: World) -> int:
    """Return what the receivable without a customer comes to: sums, and what entries took out of them."""
    out = sum(
        line.amount.minor
        for command in books.sent
        if isinstance(command.arguments, PostEntry)
        for line in command.arguments.lines
        if line.account.role is AccountRole.RECEIVABLE and not line.customer_id
    )
    return out + sum(item.amount.minor for item in books.items.values() if item.account.role is AccountRole.RECEIVABLE)


def test_a_document_from_before_is_paid_by_a_document() -> None:
    books = switched(PostingMode.SUMMARY)
    books.decide(invoice(usd(10000)))
    books.decide(paid_later(10000, ("stripe:in_1", 10000)))
    assert Ledger().take(books.sent).left_open() == {}
    assert not books.items
    assert sums(books) == {"clearing:stripe": 10000, "revenue:plans": -10000}


def test_what_was_summed_up_before_is_paid_within_its_day() -> None:
    books = switched(PostingMode.DETAILED)
    books.decide(invoice(usd(10000)))
    books.decide(paid_later(10000, ("stripe:in_1", 10000)))
    assert not [command for command in books.sent if command.kind.value.startswith("post")]
    assert sums(books) == {"clearing:stripe": 10000, "revenue:plans": -10000}


def test_a_void_a_credit_note_and_its_refund_follow_the_invoice_from_before() -> None:
    voided = switched(PostingMode.SUMMARY)
    voided.decide(invoice(usd(10000)))
    voided.decide(invoice(usd(10000), state=InvoiceState.VOID, voided_at=LATER))
    assert sums(voided) == {}
    credited = switched(PostingMode.SUMMARY)
    credited.decide(invoice(usd(10000)))
    credited.decide(paid_later(10000, ("stripe:in_1", 10000)))
    credited.decide(credit_note(usd(3000), refund_ids=("stripe:re_1",), issued_at=LATER))
    credited.decide(refund(usd(3000), credit_note_id="stripe:cn_1", settlement=settled(usd(-3000), id="stripe:txn_re_1", when=LATER)))
    assert sums(credited) == {"clearing:stripe": 7000, "revenue:plans": -7000}  # 100.00 - 30.00
    for books in (voided, credited):
        assert Ledger().take(books.sent).left_open() == {}
        assert not books.items


def test_one_payment_of_both_takes_its_part_out_of_the_sum() -> None:
    # 60.00 of March are in the sum, 40.00 of April are a document; one payment of 100.00 pays both.
    books = switched(PostingMode.DETAILED)
    books.decide(invoice(usd(6000)))
    books.decide(invoice(usd(4000), id="stripe:in_2", issued_at=at("2026-04-02 12:00")))
    books.decide(paid_later(10000, ("stripe:in_1", 6000), ("stripe:in_2", 4000)))
    assert Ledger().take(books.sent).left_open() == {}
    assert collective(books) == 0  # 60.00 owed in the sum, less the 60.00 that the payment's customer got out of it
    assert sums(books) == {"clearing:stripe": 10000, "revenue:plans": -10000}


def test_a_payment_on_account_from_before_pays_what_is_summed_up_after() -> None:
    books = switched(PostingMode.SUMMARY)
    early = payment(usd(10000))
    books.decide(early)  # 100.00 on 10 March, a document that pays nothing yet
    books.decide(invoice(usd(10000), issued_at=at("2026-04-02 12:00")))
    books.decide(replace(early, applications=(Application("stripe:in_1", usd(10000)),)))
    assert Ledger().take(books.sent).left_open() == {}
    assert collective(books) == 0
    assert sums(books) == {"clearing:stripe": 10000, "revenue:plans": -10000}


def test_a_match_across_the_switch_is_undone_whole() -> None:
    # A credit note of March, a document, is given back by a refund of April that is summed up; then the money comes back.
    books = world(rules=with_entity(RULES, "US", posting_mode=PostingMode.DETAILED))
    books.decide(credit_note(usd(10000), invoice_id=""))
    books.rules = with_entity(RULES, "US", posting_mode=PostingMode.SUMMARY, posting_mode_from=APRIL)
    paid = payment(usd(10000), occurred_at=LATER, settlement=settled(usd(10000), when=LATER))
    books.decide(paid)  # summed up: nothing of before hangs on it
    out = settled(usd(-10000), id="stripe:txn_re_1", when=LATER)
    given = refund(usd(10000), settlement=out, occurred_at=LATER)
    books.decide(given)  # summed up like its payment
    books.know(replace(given, credit_note_id="stripe:cn_1"))
    books.redecide(replace(given, credit_note_id="stripe:cn_1"))
    assert Ledger().take(books.sent).left_open() == {}  # the note of March is given back through an entry
    assert collective(books) == -10000  # paid on account 100.00, given back 100.00, of which 100.00 are the note's: the payment is unused
    back = settled(usd(10000), id="stripe:txn_back", when=LATER)
    books.decide(replace(given, credit_note_id="stripe:cn_1", state=RefundState.FAILED, reversal=back))
    assert Ledger().take(books.sent).left_open() == {"credit_note/stripe:cn_1": -10000}  # owed to the customer again
    assert collective(books) == -10000
    assert sums(books)["clearing:stripe"] == 10000  # 100.00 - 100.00 + 100.00


def test_what_is_decided_again_after_a_change_is_not_booked_again() -> None:
    for before, after in ((PostingMode.DETAILED, PostingMode.SUMMARY), (PostingMode.SUMMARY, PostingMode.DETAILED)):
        books = world(rules=with_entity(RULES, "US", posting_mode=before))
        bill, money = invoice(usd(10000)), payment(usd(10000), ("stripe:in_1", 10000), fee=320)
        for state in (bill, money):
            books.decide(state)
        sent, items = list(books.sent), dict(books.items)
        books.rules = with_entity(RULES, "US", posting_mode=after)  # even without a day, which the start refuses
        books.decide(replace(bill, state=InvoiceState.PAID, paid_at=LATER))
        books.redecide(money)
        assert (books.sent, books.items) == (sent, items)
