"""Raw objects are kept and shown as they are: Stripe's own sample of every resource.

Samples: github stripe/openapi, commit f6c2a48fbac2, openapi/fixtures3.json (MIT).
"""

from __future__ import annotations

import pytest

from counterfoil.connectors.stripe.sandbox.errors import StripeError

from .playing import Hands, fixture

READABLE = {
    "charge": "charges",
    "credit_note": "credit_notes",
    "customer": "customers",
    "dispute": "disputes",
    "invoice": "invoices",
    "payment_intent": "payment_intents",
    "payout": "payouts",
    "price": "prices",
    "product": "products",
    "refund": "refunds",
    "subscription": "subscriptions",
    "tax_rate": "tax_rates",
    "balance_transaction": "balance_transactions",
}


def test_every_official_sample_loads() -> None:
    hands = Hands()
    samples = [
        s for s in fixture("official-fixtures.json.gz")["resources"].values() if s.get("id") and s.get("object") and not s.get("deleted")
    ]
    loaded = hands.sandbox.load(samples)
    assert sum(loaded.values()) == len(samples) > 60
    assert hands.types() == []


@pytest.mark.parametrize("kind", sorted(READABLE))
def test_a_loaded_sample_is_shown_as_it_was_given(kind: str) -> None:
    hands = Hands()
    sample = fixture("official-fixtures.json.gz")["resources"][kind]
    hands.sandbox.load([sample])
    shown = hands.get(f"{READABLE[kind]}/{sample['id']}")
    embedded = {"lines", "items", "discount", "balance_transactions"}
    assert {k: v for k, v in shown.items() if k not in embedded} == {k: v for k, v in sample.items() if k not in embedded}
    assert [o["id"] for o in hands.get(READABLE[kind], **({"status": "all"} if kind == "subscription" else {}))["data"]] == [sample["id"]]


def test_loaded_balance_transactions_count_in_the_balance() -> None:
    hands = Hands()
    common = {
        "object": "balance_transaction",
        "created": 1,
        "currency": "usd",
        "amount": 9,
        "fee": 2,
        "net": 7,
        "type": "charge",
        "source": None,
    }
    rows = [common | {"id": f"txn_{status}", "status": status, "available_on": 1} for status in ("pending", "available")]
    hands.sandbox.load(rows)
    balance = hands.get("balance")
    assert (balance["pending"][0]["amount"], balance["available"][0]["amount"]) == (7, 7)


def test_an_object_without_an_id_is_refused() -> None:
    with pytest.raises(ValueError, match="needs `object` and `id`"):
        Hands().sandbox.load([{"object": "customer"}])


def test_what_does_not_exist_stays_missing() -> None:
    with pytest.raises(StripeError):
        Hands().get("invoices/in_no")
