"""PURE: the arguments of a command as the columns of CSV rows."""

from __future__ import annotations

from counterfoil.core.commands.books import Allocate, PostDocument, PostEntry, PostPayment, Unmatch, UpsertCustomer, UpsertProduct
from counterfoil.core.kinds.customer import Customer
from counterfoil.core.language.commands import Arguments
from counterfoil.core.language.money import Money, to_major


def rows_of(arguments: Arguments) -> list[dict[str, str]]:
    """Return one row per line; one for what has no lines."""
    match arguments:
        case PostDocument():
            return _document(arguments)
        case PostPayment():
            return [_payment(arguments)]
        case PostEntry():
            return _entry(arguments)
        case UpsertCustomer():
            return [_customer(arguments.customer)]
        case UpsertProduct(product_id, name, sku):
            return [{"product_id": product_id, "name": name, "sku": sku}]
        case Allocate(debit, credit, amount):
            return [{"debit": debit, "credit": credit, "amount": _major(amount), "currency": amount.currency}]
        case Unmatch(debit, credit):
            return [{"debit": debit, "credit": credit}]
        case _:
            raise TypeError(f"the files of books have no columns for {type(arguments).__name__}")


def _customer(customer: Customer) -> dict[str, str]:
    address = customer.address
    return {
        "customer_id": customer.id,
        "name": customer.name,
        "email": customer.email,
        "phone": customer.phone,
        "line1": address.line1,
        "line2": address.line2,
        "city": address.city,
        "state": address.state,
        "postal_code": address.postal_code,
        "country": address.country,
        "tax_id": next((tax_id.value for tax_id in customer.tax_ids), ""),
        "is_deleted": str(customer.is_deleted).lower(),
    }


def _document(document: PostDocument) -> list[dict[str, str]]:
    return [
        {
            "date": document.accounting_on.isoformat(),
            "due_on": document.due_on.isoformat(),
            "number": document.number,
            "customer_id": document.customer_id,
            "account": str(line.account),
            "description": line.description,
            "amount": _major(line.amount),
            "currency": document.currency,
            "tax": _major(Money(sum(tax.amount.minor for tax in line.taxes), document.currency)),
            "total": _major(document.total),
            "reverses": document.reverses,
            "memo": document.memo,
        }
        for line in document.lines
    ]


def _payment(payment: PostPayment) -> dict[str, str]:
    sign = 1 if payment.is_inbound else -1
    return {
        "date": payment.paid_on.isoformat(),
        "customer_id": payment.customer_id,
        "account": str(payment.counterpart),
        "amount": _major(Money(sign * payment.amount.minor, payment.amount.currency)),
        "currency": payment.amount.currency,
        "memo": payment.memo,
        **_other(Money(sign * payment.settled.minor, payment.settled.currency) if payment.settled else None),
    }


def _entry(entry: PostEntry) -> list[dict[str, str]]:
    return [
        {
            "date": entry.accounting_on.isoformat(),
            "customer_id": line.customer_id,
            "account": str(line.account),
            "description": line.description,
            "amount": _major(line.amount),
            "currency": line.amount.currency,
            "memo": entry.memo,
            **_other(line.company_amount),
        }
        for line in entry.lines
    ]


def _other(amount: Money | None) -> dict[str, str]:
    return {} if amount is None else {"other_amount": _major(amount), "other_currency": amount.currency}


def _major(amount: Money) -> str:
    return f"{to_major(amount):f}"
