"""Whatever a call is given, it answers as Stripe would: never with an error of the simulator's own."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from counterfoil.connectors.stripe.sandbox.calls import routes
from counterfoil.connectors.stripe.sandbox.errors import StripeError
from counterfoil.connectors.stripe.sandbox.parameters import taken

from .playing import Hands, play_everything

NONSENSE: tuple[Any, ...] = (
    "",
    "x",
    "-1",
    "0",
    "99999999999999999999",
    "1.5",
    {"a": "b"},
    ["x"],
    [{"a": {"b": "c"}}],
    [{"price": "x"}],
    "true",
    "now",
)
COLLECTION = re.compile(r"^/v\d/(?:core/|billing/|test_helpers/)?([a-z_]+)/\{")
KINDS = {
    f"{kind}s": kind
    for kind in """
    charge coupon credit_note customer dispute invoice invoiceitem payment_intent payment_method payout price product promotion_code quote
    refund setup_intent subscription subscription_item subscription_schedule tax_rate webhook_endpoint
    """.split()  # noqa: SIM905 - one line per name would bury the test
}


@pytest.mark.parametrize("seed", range(3))
def test_nonsense_is_answered_with_4xx_or_ignored(seed: int) -> None:
    chance = random.Random(seed)
    hands = Hands(seed)
    play_everything(hands)
    kinds = ("customer", "invoice", "price", "charge", "payment_intent", "tax_rate")
    ids = [row["id"] for kind in kinds for row in hands.account.rows(kind)]
    statuses = set()
    for _ in range(6):
        for method, template in routes():
            found = COLLECTION.match(template)
            rows = list(hands.account.rows(KINDS.get(found[1], ""))) if found else []
            path = re.sub(r"\{[^}]*\}", lambda match: str(chance.choice(rows)["id"]) if rows else "x_1", template)  # noqa: B023
            names = sorted(taken(method, template))
            chosen = chance.sample(names, min(len(names), chance.randint(0, 5)))
            params = {name: chance.choice((*NONSENSE, chance.choice(ids), chance.choice(ids))) for name in chosen}
            try:
                hands.sandbox.request(method, path, params)
            except StripeError as error:
                statuses.add(error.status)
    assert statuses <= {400, 402, 404}
