"""Every booking as debits and credits: the table of domain section 6, as one function."""

from __future__ import annotations

from dataclasses import dataclass

from counterfoil.core.commands.books import Account, AccountRole, BookCommand, DocumentLine, PostDocument, PostEntry, PostPayment
from counterfoil.core.language.commands import Arguments, CommandKind
from counterfoil.core.language.money import Money, total

_GROUPED = frozenset({AccountRole.REVENUE, AccountRole.DEFERRED_REVENUE})


@dataclass(frozen=True, slots=True)
class Posting:
    """One debit (> 0) or credit (< 0). ``product_group`` and ``tax`` (the target's) are set on revenue, ``tax`` also on taxes."""

    account: Account
    amount: Money
    customer_id: str = ""
    product_group: str = ""
    tax: str = ""


def _of_line(line: DocumentLine) -> tuple[Posting, ...]:
    inclusive = total((tax.amount for tax in line.taxes if tax.is_inclusive), line.amount.currency)
    names = "+".join(tax.target_tax for tax in line.taxes)
    group = line.account.qualifier if line.account.role in _GROUPED else ""
    net = Posting(line.account, inclusive - line.amount, product_group=group, tax=names)
    taxes = (Posting(Account(AccountRole.TAX, tax.target_tax), -tax.amount, tax=tax.target_tax) for tax in line.taxes)
    return (net, *taxes)


def _of_document(document: PostDocument, *, is_credit_note: bool) -> tuple[Posting, ...]:
    receivable = Posting(Account(AccountRole.RECEIVABLE), document.total, document.customer_id)
    postings = (receivable, *(posting for line in document.lines for posting in _of_line(line)))
    if not is_credit_note:
        return postings
    return tuple(Posting(p.account, -p.amount, p.customer_id, p.product_group, p.tax) for p in postings)


def _of_payment(payment: PostPayment) -> tuple[Posting, ...]:
    sign = 1 if payment.is_inbound else -1
    amount = Money(sign * payment.amount.minor, payment.amount.currency)
    receivable = Posting(Account(AccountRole.RECEIVABLE), -amount, payment.customer_id)
    if payment.settled is None or payment.settled.currency == amount.currency:
        return (Posting(payment.counterpart, amount), receivable)
    exchange = Account(AccountRole.EXCHANGE_DIFFERENCE)
    settled = Money(sign * payment.settled.minor, payment.settled.currency)
    return (Posting(payment.counterpart, settled), Posting(exchange, -settled), Posting(exchange, amount), receivable)


def postings_of(kind: CommandKind, arguments: Arguments) -> tuple[Posting, ...]:
    """Return the debits and credits of a command; empty for commands that book nothing.

    They balance in every currency. Of a payment settled in another currency, the exchange account carries the position: credited
    what was settled, debited what was paid, so that its balance in the entity's currency is the gain or loss.
    """
    match arguments:
        case PostDocument():
            return _of_document(arguments, is_credit_note=kind is BookCommand.POST_CREDIT_NOTE)
        case PostPayment():
            return _of_payment(arguments)
        case PostEntry():
            return tuple(Posting(line.account, line.amount, line.customer_id) for line in arguments.lines)
        case _:
            return ()
