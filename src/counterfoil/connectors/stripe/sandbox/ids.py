"""Ids that look like Stripe's and are the same for the same seed; what kind of object an id names."""

from __future__ import annotations

import random

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_SHORT = frozenset(("cus", "prod", "si"))

KIND_OF_PREFIX = {
    "acct": "account",
    "ba": "bank_account",
    "card": "payment_method",
    "cbtxn": "customer_balance_transaction",
    "ch": "charge",
    "clock": "test_helpers.test_clock",
    "cn": "credit_note",
    "cnli": "credit_note_line_item",
    "cus": "customer",
    "di": "discount",
    "dp": "dispute",
    "du": "dispute",
    "evt": "event",
    "ii": "invoiceitem",
    "il": "line_item",
    "in": "invoice",
    "inpay": "invoice_payment",
    "mtr": "billing.meter",
    "pi": "payment_intent",
    "pm": "payment_method",
    "po": "payout",
    "price": "price",
    "prod": "product",
    "promo": "promotion_code",
    "py": "charge",
    "pyr": "refund",
    "qt": "quote",
    "re": "refund",
    "seti": "setup_intent",
    "si": "subscription_item",
    "sub": "subscription",
    "sub_sched": "subscription_schedule",
    "tu": "topup",
    "txi": "tax_id",
    "txn": "balance_transaction",
    "txr": "tax_rate",
    "we": "webhook_endpoint",
}


def kind_of(object_id: str) -> str:
    """Return the kind of object an id names by its prefix, empty if the prefix says nothing (coupons, plans)."""
    prefix = object_id.rpartition("_")[0]
    return KIND_OF_PREFIX.get(prefix, "")


class Ids:
    """Makes ids from a seeded source of chance."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def new(self, prefix: str) -> str:
        """Return a fresh id with a prefix (``in`` gives ``in_1...``)."""
        if prefix in _SHORT:
            return f"{prefix}_{self.letters(14)}"
        return f"{prefix}_1{self.letters(23)}"

    def letters(self, length: int) -> str:
        """Return that many letters and digits."""
        return "".join(self._random.choices(_ALPHABET, k=length))

    def hexadecimal(self, length: int) -> str:
        """Return that many hexadecimal digits in upper case."""
        return f"{self._random.getrandbits(4 * length):0{length}X}"

    def uuid(self) -> str:
        """Return a string formed like a version 4 UUID."""
        raw = f"{self._random.getrandbits(128):032x}"
        return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-a{raw[17:20]}-{raw[20:]}"
