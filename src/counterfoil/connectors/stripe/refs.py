"""Fetch references, ``<account>/<kind>/<id>``: what they are made of, and which one shows a canonical object."""

from __future__ import annotations

from typing import NamedTuple

from counterfoil.core.canonical.ids import ObjectKind, ObjectRef

NAMESPACE = "stripe"
ANY_ACCOUNT = "*"
"""Stands for the account where only the object's id is known; fetching tries the accepted accounts in order."""

OOB_PREFIX = "oob_"
REST = "rest"
"""Ends the id of what was paid outside Stripe beside payments that are on record: ``oob_<invoice>.rest``."""
FAILURE_PREFIX = "failure_"
SHIPPING_SUFFIX = "_shipping"


class Ref(NamedTuple):
    """A reference taken apart."""

    account: str
    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.account}/{self.kind}/{self.id}"


def parse(ref: str) -> Ref:
    """Return the parts of a reference. Raises ValueError if it has another form."""
    account, kind, object_id = ref.split("/", 2)
    return Ref(account, kind, object_id)


def canonical(object_id: str) -> str:
    """Return the canonical id of a Stripe id, e.g. ``stripe:in_1``; empty stays empty."""
    return f"{NAMESPACE}:{object_id}" if object_id else ""


FETCH_KIND: dict[ObjectKind, str] = {
    ObjectKind.CUSTOMER: "customer",
    ObjectKind.PRODUCT: "product",
    ObjectKind.PRICE: "price",
    ObjectKind.TAX_RATE: "tax_rate",
    ObjectKind.SUBSCRIPTION: "subscription",
    ObjectKind.INVOICE: "invoice",
    ObjectKind.CREDIT_NOTE: "credit_note",
    ObjectKind.PAYMENT: "charge",
    ObjectKind.REFUND: "refund",
    ObjectKind.DISPUTE: "dispute",
    ObjectKind.PAYOUT: "payout",
    ObjectKind.BALANCE_ENTRY: "balance_transaction",
}


def locate(ref: ObjectRef) -> str | None:
    """Return the reference that shows a canonical object, or None if it is not Stripe's or has no address of its own.

    An out-of-band payment is shown by its invoice, the return of a failed payment by its charge. A customer credit cannot be read without
    its customer's id.
    """
    namespace, _, object_id = ref.id.partition(":")
    kind = FETCH_KIND.get(ref.kind)
    if namespace != NAMESPACE or not object_id or "/" in object_id or kind is None:
        return None
    if ref.kind is ObjectKind.PAYMENT and object_id.startswith(OOB_PREFIX):
        kind, object_id = "invoice", object_id.removeprefix(OOB_PREFIX).partition(".")[0]
    if ref.kind is ObjectKind.REFUND and object_id.startswith(FAILURE_PREFIX):
        kind, object_id = "charge", object_id.removeprefix(FAILURE_PREFIX)
    return str(Ref(ANY_ACCOUNT, kind, object_id))
