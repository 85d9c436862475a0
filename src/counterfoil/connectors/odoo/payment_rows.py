"""Pure: a payment as a row of ``account.payment``, or as an entry where a payment cannot say what happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from counterfoil.connectors.odoo.amounts import to_text
from counterfoil.connectors.odoo.catalog import CompanyCatalog
from counterfoil.connectors.odoo.detect import Dialect
from counterfoil.connectors.odoo.load import LoadRow
from counterfoil.connectors.odoo.partners import Customers
from counterfoil.core.commands.books import Account, AccountRole, EntryLine, PostEntry, PostPayment
from counterfoil.core.language.commands import Command
from counterfoil.core.language.money import Money


@dataclass(frozen=True, slots=True)
class PaymentPlan:
    """One payment to load: its row and what must come of it. ``counterpart_id``: the account its money must go to."""

    command: Command
    row: LoadRow
    amount: Money
    currency_id: int
    counterpart_id: int
    paid_on: date
    partner_id: int


def payment_of(command: Command) -> PostPayment:
    """Return the command's payment."""
    if not isinstance(command.arguments, PostPayment):
        raise TypeError(f"{command.kind} does not carry a payment")
    return command.arguments


def journal_role(account: Account) -> str:
    """Return the journal role of a payment's counterpart: the processor's connection, else the account's role."""
    return account.qualifier or account.role.value


def is_entry(payment: PostPayment, company: CompanyCatalog) -> bool:
    """Whether the payment is booked as an entry.

    So it is where the processor settled in another currency (a payment has only one), and for money received outside any
    processor while no journal is mapped to that.
    """
    if payment.settled is not None and payment.settled.currency != payment.amount.currency:
        return True
    return payment.counterpart.role is not AccountRole.CLEARING and journal_role(payment.counterpart) not in company.config.journals


def columns(dialect: Dialect) -> tuple[str, ...]:
    """Return the columns of payment rows."""
    return (
        "id",
        "payment_type",
        "partner_type",
        "partner_id/.id",
        "amount",
        "currency_id/.id",
        "date",
        "journal_id/.id",
        dialect.payment_memo,
    )


def plan_payment(command: Command, company: CompanyCatalog, customers: Customers, namespace: str) -> PaymentPlan:
    """Return the plan of one payment. Raises MissingDependency, RejectedError (unmapped journal or account, no rate)."""
    payment = payment_of(command)
    company.require_rate(payment.amount.currency, payment.paid_on)
    company.require_whole(payment.amount)
    currency_id = company.currency_id_of(payment.amount.currency)
    partner_id = customers.partner_id(payment.customer_id)
    cells = (
        f"{namespace}.{command.external_key}",
        "inbound" if payment.is_inbound else "outbound",
        "customer",
        str(partner_id),
        to_text(payment.amount),
        str(currency_id),
        payment.paid_on.isoformat(),
        str(company.journal(journal_role(payment.counterpart)).id),
        _memo(command, payment),
    )
    counterpart_id = company.account_id(payment.counterpart)
    return PaymentPlan(command, LoadRow(command.id, (cells,)), payment.amount, currency_id, counterpart_id, payment.paid_on, partner_id)


def _memo(command: Command, payment: PostPayment) -> str:
    return f"{command.subject.id.rpartition(':')[2]} {payment.memo}".strip()


def as_entry(command: Command, company: CompanyCatalog) -> PostEntry:
    """Return the payment as an entry: clearing in the settled currency against receivable in the payment's own.

    The balance is the settled amount if that is the company's currency, else the payment's, else the settled one at Odoo's rate. When the
    receivable line is matched with the invoice, Odoo books the exchange difference itself.
    """
    payment = payment_of(command)
    settled = payment.settled or payment.amount
    balance = next((money for money in (settled, payment.amount) if money.currency == company.currency), None) or company.to_company(
        settled, payment.paid_on
    )
    sign = 1 if payment.is_inbound else -1
    journal = journal_role(payment.counterpart)
    return PostEntry(
        accounting_on=payment.paid_on,
        lines=(
            _line(payment.counterpart, settled, balance, sign, payment.customer_id, payment.memo),
            _line(Account(AccountRole.RECEIVABLE), payment.amount, balance, -sign, payment.customer_id, payment.memo),
        ),
        memo=payment.memo,
        journal=journal if journal in company.config.journals else "general",
    )


def _line(account: Account, amount: Money, balance: Money, sign: int, customer_id: str, memo: str) -> EntryLine:
    signed = Money(sign * abs(amount.minor), amount.currency)
    company_amount = None if amount.currency == balance.currency else Money(sign * abs(balance.minor), balance.currency)
    return EntryLine(account, signed, memo, customer_id, company_amount)
