"""How a posted document differs from what was wished and read back, by how much money; what the hub did itself is no difference."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from counterfoil.core.commands.books import (
    Account,
    AccountRole,
    Allocate,
    BookCommand,
    DocumentLine,
    EntryLine,
    PostDocument,
    PostEntry,
    Unmatch,
)
from counterfoil.core.kinds.erp_document import ErpDocument, ErpState
from counterfoil.core.kinds.invoice import INVOICE as INVOICE_KIND
from counterfoil.core.language.commands import Arguments, Command, CommandKind
from counterfoil.core.language.keys import NeedKey
from counterfoil.core.language.money import Money
from counterfoil.core.watching.differences import (
    Baseline,
    DocumentChange,
    DocumentDifference,
    Match,
    PostedDocument,
    baseline_of,
    content_of,
    differences,
    is_merged,
    money_of,
    standing_matches,
)

DAY = date(2025, 12, 3)
INVOICE, PAYMENT, CREDIT = map(NeedKey, ("invoice/stripe:in_1", "payment/stripe:ch_1", "entry/balance.stripe:in_1"))


def usd(minor: int) -> Money:
    """Return an amount."""
    return Money(minor, "USD")


def command(kind: CommandKind, arguments: Arguments) -> Command:
    """Return a command that is done."""
    return Command("c", kind, "books", "US", INVOICE_KIND.ref("stripe:in_1"), "invoice_stripe.in_1", arguments)


LINE = DocumentLine("Consulting", usd(11_900), Account(AccountRole.REVENUE))
WISH = command(
    BookCommand.POST_INVOICE, PostDocument("stripe:cus_1", "USD", DAY, DAY, DAY, total=usd(11_900), tax=usd(1_900), lines=(LINE,))
)
DOCUMENT = ErpDocument(
    id="books:account.move/7",
    kind="invoice",
    state=ErpState.POSTED,
    number="INV/7",
    currency="USD",
    total=usd(11_900),
    residual=usd(11_900),
    is_settled=False,
    accounting_date=DAY,
    partner_id="res.partner/8",
    lines_digest="lines",
)
POSTED = PostedDocument(INVOICE, WISH, Baseline("res.partner/8", "lines", usd(11_900), DAY))


def found(document: ErpDocument | None, posted: PostedDocument = POSTED, **successors: str) -> list[tuple[DocumentChange, int | None]]:
    """Return the differences by kind and money."""
    merged = {f"res.partner/{one[1:]}": f"res.partner/{other}" for one, other in successors.items()}
    return [(one.change, one.money.minor if one.money else None) for one in differences(posted, document, merged)]


def test_a_document_as_it_was_posted_differs_in_nothing() -> None:
    assert found(DOCUMENT) == []
    assert found(DOCUMENT, PostedDocument(INVOICE, WISH)) == []  # never read before: compared with the wish alone
    assert baseline_of(DOCUMENT) == POSTED.baseline


def test_a_document_that_is_gone_draft_or_canceled_is_at_stake_whole() -> None:
    assert found(None) == [(DocumentChange.DELETED, 11_900)]
    assert found(replace(DOCUMENT, state=ErpState.DELETED)) == [(DocumentChange.DELETED, 11_900)]
    assert found(replace(DOCUMENT, state=ErpState.DRAFT)) == [(DocumentChange.RESET, 11_900)]
    assert found(replace(DOCUMENT, state=ErpState.CANCELED)) == [(DocumentChange.CANCELED, 11_900)]


def test_another_total_is_at_stake_by_its_difference() -> None:
    # 120.00 instead of 119.00; the lines are others then, too, which is told once.
    assert found(replace(DOCUMENT, total=usd(12_000), lines_digest="other")) == [(DocumentChange.AMOUNT, 100)]
    assert found(replace(DOCUMENT, total=Money(12_000, "EUR"))) == [(DocumentChange.AMOUNT, 11_900)]
    # In draft with another total: both are told, and the whole document is at stake.
    draft = replace(DOCUMENT, state=ErpState.DRAFT, total=usd(12_000))
    assert found(draft) == [(DocumentChange.RESET, 11_900), (DocumentChange.AMOUNT, 100)]
    assert money_of(differences(POSTED, draft, {})) == usd(11_900)


def test_another_date_customer_or_account_is_at_stake_whole() -> None:
    assert found(replace(DOCUMENT, accounting_date=date(2025, 11, 30))) == [(DocumentChange.DATE, 11_900)]
    assert found(replace(DOCUMENT, partner_id="res.partner/9", lines_digest="other")) == [(DocumentChange.CUSTOMER, 11_900)]
    assert found(replace(DOCUMENT, lines_digest="other")) == [(DocumentChange.LINES, 11_900)]


def test_a_merged_customer_is_no_difference_of_his_documents() -> None:
    moved = replace(DOCUMENT, partner_id="res.partner/10", lines_digest="other")
    assert found(moved, p8="9", p9="10") == []  # merged twice
    assert found(moved, p8="9") == [(DocumentChange.CUSTOMER, 11_900)]
    assert found(moved, p8="9", p9="8") == [(DocumentChange.CUSTOMER, 11_900)]  # in a circle
    merged = {"res.partner/8": "res.partner/10"}
    assert is_merged(POSTED, moved, merged)
    assert not is_merged(POSTED, DOCUMENT, merged)
    assert not is_merged(PostedDocument(INVOICE, WISH), moved, merged)


def test_an_entry_is_compared_with_what_was_read_first() -> None:
    lines = (EntryLine(Account(AccountRole.FEES), usd(59)), EntryLine(Account(AccountRole.CLEARING), usd(-59)))
    entry = PostedDocument(NeedKey("entry/fee.stripe:txn_1"), command(BookCommand.POST_ENTRY, PostEntry(DAY, lines)))
    booked = replace(DOCUMENT, kind="entry", total=Money(54, "EUR"), residual=Money(0, "EUR"))
    assert found(booked, entry) == []
    read = replace(entry, baseline=baseline_of(booked))
    assert found(replace(booked, total=Money(60, "EUR")), read) == [(DocumentChange.AMOUNT, 6)]
    assert found(replace(booked, state=ErpState.DRAFT), read) == [(DocumentChange.RESET, 54)]


def match(debit: NeedKey, credit: NeedKey, minor: int) -> Match:
    """Return a match."""
    return Match(debit, credit, usd(minor))


def test_a_match_undone_is_at_stake_by_what_is_open_again() -> None:
    # 119.00, of which 100.00 by the payment and 19.00 by the customer's credit.
    posted = replace(POSTED, matches=(match(INVOICE, PAYMENT, 10_000), match(INVOICE, CREDIT, 1_900)))
    assert found(replace(DOCUMENT, residual=usd(0)), posted) == []
    assert found(replace(DOCUMENT, residual=usd(1_900)), posted) == [(DocumentChange.UNMATCHED, 1_900)]
    assert found(replace(DOCUMENT, residual=usd(10_000)), posted) == [(DocumentChange.UNMATCHED, 10_000)]
    # Cents that an exchange left open are no match undone; what somebody else matched further is theirs to do.
    assert found(replace(DOCUMENT, residual=usd(3)), posted) == []
    assert found(replace(DOCUMENT, residual=usd(0)), replace(posted, matches=posted.matches[:1])) == []


def test_a_match_is_looked_for_at_its_debit_unless_that_is_an_entry() -> None:
    payment = PostedDocument(PAYMENT, command(BookCommand.POST_INVOICE, WISH.arguments), matches=(match(INVOICE, PAYMENT, 11_900),))
    assert found(replace(DOCUMENT, kind="payment"), payment) == []
    by_entry = replace(payment, matches=(match(NeedKey("entry/dispute.stripe:dp_1"), PAYMENT, 11_900),))
    assert found(replace(DOCUMENT, kind="payment"), by_entry) == [(DocumentChange.UNMATCHED, 11_900)]


def test_matches_that_stand_are_those_not_undone_since() -> None:
    made = command(BookCommand.ALLOCATE, Allocate(INVOICE, PAYMENT, usd(5)))
    undone = command(BookCommand.UNMATCH, Unmatch(INVOICE, PAYMENT))
    again = command(BookCommand.ALLOCATE, Allocate(INVOICE, PAYMENT, usd(7)))
    assert standing_matches([made]) == (match(INVOICE, PAYMENT, 5),)
    assert standing_matches([made, undone]) == ()
    assert standing_matches([made, undone, again]) == (match(INVOICE, PAYMENT, 7),)


def test_content_changes_with_what_is_found_only() -> None:
    one = (DocumentDifference(DocumentChange.DATE, usd(1), "2025-12-03", "2025-12-04"),)
    assert content_of(one) == content_of((DocumentDifference(DocumentChange.DATE, usd(1), "2025-12-03", "2025-12-04"),))
    assert content_of(one) != content_of((DocumentDifference(DocumentChange.DATE, usd(1), "2025-12-03", "2025-12-05"),))
    assert content_of(()) == ""


def test_a_document_out_of_sight_is_not_deleted() -> None:
    [one] = differences(POSTED, None, {}, is_hidden=True)
    assert (one.change, one.money) == (DocumentChange.HIDDEN, usd(11_900))
    [one] = differences(POSTED, None, {})
    assert (one.change, one.money) == (DocumentChange.DELETED, usd(11_900))
