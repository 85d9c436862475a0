"""Commands that write on the same thing in a target know each other by their external keys."""

from __future__ import annotations

from counterfoil.core.commands import same_thing
from counterfoil.core.commands.books import MATCHES_MAX, Allocate, BookCommand, Unmatch, UpsertProduct
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.language.commands import Arguments, Command, CommandKind
from counterfoil.core.language.ids import external_key
from counterfoil.core.language.money import Money

SUBJECT = INVOICE.ref("stripe:in_1")


def command(kind: CommandKind, arguments: Arguments, key: str = "key") -> Command:
    return Command("0" * 32, kind, "books", "DE", SUBJECT, key, arguments)


def test_a_record_is_written_on_by_the_commands_with_its_key() -> None:
    assert same_thing(command(BookCommand.UPSERT_PRODUCT, UpsertProduct("p", "Plan"), "product_stripe.p")) == ("product_stripe.p",)


def test_a_match_its_undoing_and_the_matches_made_anew_write_on_the_same_pair_and_on_no_other() -> None:
    match = same_thing(command(BookCommand.ALLOCATE, Allocate("invoice/1", "payment/1", Money(100, "EUR"))))
    assert match == same_thing(command(BookCommand.UNMATCH, Unmatch("invoice/1", "payment/1")))
    pairs = ["invoice/1+payment/1", "invoice/1+payment/1+2"]
    assert list(match[:4]) == [external_key(name, pair) for pair in pairs for name in ("alloc", "unmatch")]
    assert len({*match}) == 2 * MATCHES_MAX
    others = [Unmatch("invoice/2", "payment/1"), Unmatch("invoice/1", "payment/2"), Unmatch("payment/1", "invoice/1")]
    for other in others:
        assert not {*match} & {*same_thing(command(BookCommand.UNMATCH, other))}
