"""Fetch references, ``<account>/<kind>/<id>``: what they are made of, and which one shows a canonical object."""

from __future__ import annotations

from typing import NamedTuple

from counterfoil.core.kinds.balance_entry import BALANCE_ENTRY
from counterfoil.core.kinds.credit_note import CREDIT_NOTE
from counterfoil.core.kinds.customer import CUSTOMER
from counterfoil.core.kinds.dispute import DISPUTE
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.kinds.payment import PAYMENT
from counterfoil.core.kinds.payout import PAYOUT
from counterfoil.core.kinds.price import PRICE
from counterfoil.core.kinds.product import PRODUCT
from counterfoil.core.kinds.refund import REFUND
from counterfoil.core.kinds.subscription import SUBSCRIPTION
from counterfoil.core.kinds.tax_rate import TAX_RATE
from counterfoil.core.language.ids import ObjectRef

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


FETCH_KIND: dict[str, str] = {
    CUSTOMER.name: "customer",
    PRODUCT.name: "product",
    PRICE.name: "price",
    TAX_RATE.name: "tax_rate",
    SUBSCRIPTION.name: "subscription",
    INVOICE.name: "invoice",
    CREDIT_NOTE.name: "credit_note",
    PAYMENT.name: "charge",
    REFUND.name: "refund",
    DISPUTE.name: "dispute",
    PAYOUT.name: "payout",
    BALANCE_ENTRY.name: "balance_transaction",
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
    if ref.kind == PAYMENT.name and object_id.startswith(OOB_PREFIX):
        kind, object_id = "invoice", object_id.removeprefix(OOB_PREFIX).partition(".")[0]
    if ref.kind == REFUND.name and object_id.startswith(FAILURE_PREFIX):
        kind, object_id = "charge", object_id.removeprefix(FAILURE_PREFIX)
    return str(Ref(ANY_ACCOUNT, kind, object_id))
