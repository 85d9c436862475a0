"""What a case says of a document that somebody changed: what, who, when, and what can be done."""

from __future__ import annotations

from datetime import UTC, datetime

from counterfoil.core.language.money import Money
from counterfoil.core.watching.differences import DocumentChange, DocumentDifference
from counterfoil.core.watching.telling import tell, tell_many

AT = datetime(2025, 12, 5, 9, 30, tzinfo=UTC)
TOTAL = Money(11_900, "USD")


def test_a_case_names_document_change_writer_and_time() -> None:
    found = (DocumentDifference(DocumentChange.AMOUNT, Money(100, "USD"), "119.00 USD", "120.00 USD"),)
    told = tell(found, kind="invoice", key="invoice/stripe:in_1", number="INV/7", target="books", posted=TOTAL, by="Marc Demo", at=AT)
    assert told.cause == (
        "invoice INV/7 (stripe:in_1, 119.00 USD) comes to 120.00 USD instead of 119.00 USD in books, last written by Marc Demo"
        " on 2025-12-05 09:30 UTC; the hub did not do that"
    )
    assert "credit it at the source" in told.next_step
    assert "counterfoil case waive CASE --reason WHY --apply" in told.next_step


def test_a_deleted_document_leaves_no_writer() -> None:
    found = (DocumentDifference(DocumentChange.DELETED, TOTAL, "posted", "gone"),)
    told = tell(found, kind="credit note", key="credit_note/stripe:cn_1", number="", target="books", posted=TOTAL, by="", at=AT)
    assert told.cause == "credit note stripe:cn_1 (119.00 USD) was deleted in books; the hub did not do that"
    assert told.next_step.startswith("Post it again: `counterfoil case retry CASE`.")


def test_every_change_has_words_and_a_way_out() -> None:
    for change in DocumentChange:
        found = (DocumentDifference(change, TOTAL, "A", "B"),)
        told = tell(found, kind="entry", key="entry/fee.stripe:txn_1", number="", target="books", posted=None, by="", at=None)
        assert told.cause
        assert told.next_step


def test_a_deleted_customer_is_made_again_and_no_document_is_credited() -> None:
    found = (DocumentDifference(DocumentChange.DELETED, None, "res.partner/8", ""),)
    told = tell(found, kind="customer", key="customer/stripe:cus_1", number="", target="books", posted=None, by="", at=None)
    assert told.next_step.startswith("Make it again: `counterfoil case retry CASE`;")
    assert "reversal" not in told.next_step


def test_what_was_done_to_many_has_words_and_a_way_out_and_each_its_own() -> None:
    for change in DocumentChange:
        told = tell_many(change, "books")
        assert "in books" in told.cause
        assert told.next_step
        assert "{" not in told.cause + told.next_step
    deleted = tell_many(DocumentChange.DELETED, "books")
    assert deleted.cause == "Many documents were deleted in books at once; the hub did not do that"
    assert deleted.next_step.startswith("See first whether books is the database it should be")
    one = tell(
        (DocumentDifference(DocumentChange.DELETED, TOTAL),),
        kind="invoice",
        key="invoice/stripe:in_1",
        number="",
        target="books",
        posted=TOTAL,
        by="",
        at=AT,
    )
    assert one.detail == "invoice stripe:in_1 (119.00 USD) was deleted"
