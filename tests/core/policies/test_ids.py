"""What a command's id and its content are made from: whoever decides the same wishes the same, and a changed source is told by it."""

from __future__ import annotations

from dataclasses import replace

from tests.core.builders import NOON, RULES, World, credit_note, eur, event_of, invoice, line, payment, refund, tax, usd, world

from counterfoil.core.language.commands import Command
from counterfoil.core.language.ids import digest
from counterfoil.core.language.text import canonical_text
from counterfoil.core.policies.decide import decide
from counterfoil.core.policies.decision import OutboxCommand

BILL = invoice(usd(9900))
VAT = tax(eur(1900), eur(10000), "19")
SEATS = line(eur(12000), discount=2000, taxes=[VAT])
SETUP = line(eur(11900), taxes=[replace(VAT, is_inclusive=True)], id="il_2")


def of_bill(command: Command, replaced: str = "") -> str:
    """Return the id of a command that posts the invoice, in place of an earlier one."""
    return digest("post_invoice", "odoo", "invoice_stripe.in_1", canonical_text(command.arguments), replaced)


def test_an_id_is_made_of_what_is_wanted_of_which_target_under_which_key() -> None:
    [command] = world().decide(BILL).commands
    assert (command.id, command.rules_version) == (of_bill(command), 7)


def test_the_id_of_what_replaces_an_earlier_wish_is_made_of_that_too() -> None:
    books = world()
    [first] = books.decide(BILL).commands
    books.wishes = {key: OutboxCommand(wish.command, is_open=True) for key, wish in books.wishes.items()}
    [second] = books.decide(invoice(usd(9800))).commands
    assert second.id == of_bill(second, first.id)


def test_the_id_of_what_was_canceled_each_time_is_made_of_the_canceled_one() -> None:
    def wished(*canceled: str) -> Command:
        [command] = decide(event_of(BILL), replace(world().view(), canceled=frozenset(canceled)), RULES).commands
        return command

    first = wished()
    second = wished(first.id)
    third = wished(first.id, second.id)
    assert second.id == of_bill(second, first.id)
    assert third.id == of_bill(third, second.id)


def contents(books: World) -> dict[str, str]:
    """Return the contents of what was wished, by external key."""
    return {command.external_key: command.content for command in books.sent if command.content}


def test_the_content_of_a_bill_is_its_sums_its_day_and_its_lines_in_any_order() -> None:
    books = world()
    books.decide(invoice(eur(23800), SEATS, SETUP, tax=3800))
    books.decide(credit_note(eur(11900), replace(SEATS, amount=eur(10000), discount=eur(0)), tax=1900))
    bill = digest(
        canonical_text(("EUR", eur(23800), eur(3800), NOON)),
        canonical_text((eur(11900), eur(0), (("stripe:txr_1", eur(1900), True),))),
        canonical_text((eur(12000), eur(2000), (("stripe:txr_1", eur(1900), False),))),
    )
    note = digest(
        canonical_text(("EUR", eur(11900), eur(1900), credit_note(eur(1)).issued_at)),
        canonical_text((eur(10000), eur(0), (("stripe:txr_1", eur(1900)),))),
    )
    assert contents(books) == {"invoice_stripe.in_1": bill, "credit_note_stripe.cn_1": note}


def test_the_content_of_money_is_its_amount() -> None:
    books = world()
    books.decide(invoice(usd(700), id="stripe:in_9"))
    books.sent.clear()
    books.decide(payment(usd(3000)))
    books.decide(refund(usd(500)))
    by_hand = payment(usd(700), ("stripe:in_9", 700), id="stripe:ch_7", settlement=None, is_out_of_band=True)
    books.decide(replace(by_hand, earlier_parts=usd(0), first_part_id="stripe:ch_7"))
    assert contents(books) == {
        "payment_stripe.ch_1": digest(canonical_text(usd(3000))),
        "refund_stripe.re_1": digest(canonical_text(usd(500))),
        "payment_stripe.ch_7": digest(canonical_text(usd(700))),
    }
