"""The trigger scenarios of Stripe's command line tool run, and each causes the event it is named for.

Scenarios: github stripe/stripe-cli, commit f5f390bc3729, pkg/fixtures/triggers (Apache-2.0), merged into fixtures/cli-triggers.json.gz.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest

from counterfoil.connectors.stripe.sandbox.errors import StripeError
from counterfoil.connectors.stripe.sandbox.forms import decode

from .playing import Hands, fixture

SCENARIOS: dict[str, Any] = fixture("cli-triggers.json.gz")
UNSUPPORTED = {
    "cash_balance.funds_available": "cash balances of customers",
    "checkout.session.async_payment_failed": "Checkout",
    "checkout.session.async_payment_succeeded": "Checkout",
    "checkout.session.completed": "Checkout",
    "checkout.session.expired": "Checkout",
    "payment_intent.partially_funded": "cash balances of customers",
    "payment_link.created": "payment links",
    "payment_link.updated": "payment links",
    "transfer.created": "Connect transfers",
    "transfer.reversed": "Connect transfers",
    "transfer.updated": "Connect transfers",
    "v1.billing.meter.error_report_triggered": "the v2 meter event stream",
    "v1.billing.meter.no_meter_found": "the v2 meter event stream",
}
NAMED_OTHERWISE = {
    "subscription.payment_failed": "invoice.payment_failed",
    "subscription.payment_succeeded": "invoice.payment_succeeded",
}
OLD = "2023-08-16"


def encoded(value: Any, name: str = "") -> str:
    """Return parameters as the command line tool sends them."""
    if isinstance(value, dict):
        parts = [encoded(item, f"{name}[{key}]" if name else key) for key, item in value.items()]
    elif isinstance(value, list):
        parts = [encoded(item, f"{name}[{i}]") for i, item in enumerate(value)]
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return f"{quote(name, safe='[]')}={quote(text)}"
    return "&".join(part for part in parts if part)


class Run:
    """One scenario being run; answers are kept under the names the scenario gives them."""

    def __init__(self, hands: Hands) -> None:
        self.hands = hands
        self.answers: dict[str, Any] = {}

    def fill(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        return re.sub(r"\$\{([^:}]+):([^}]+)\}", self._find, value) if isinstance(value, str) else value

    def _find(self, match: re.Match[str]) -> str:
        found = self.answers[match[1]]
        for part in match[2].split("|")[0].split("."):
            found = found[int(part)] if part.isdigit() else found[part]
        return str(found)

    def step(self, step: dict[str, Any]) -> None:
        params = decode(encoded(self.fill(step.get("params", {}))))
        method, path = step["method"].upper(), self.fill(step["path"])
        try:
            self.answers[step["name"]] = self.hands.sandbox.request(method, path, params, version=OLD)
        except StripeError as error:
            if step.get("expected_error_type") != error.error["type"]:
                raise AssertionError(f"{method} {path} {params}: {error.error}") from error


@pytest.mark.parametrize("name", sorted(set(SCENARIOS) - set(UNSUPPORTED)))
def test_a_trigger_scenario_causes_its_event(name: str) -> None:
    hands = Hands()
    run = Run(hands)
    for step in SCENARIOS[name]["fixtures"]:
        run.step(step)
    hands.advance(3)
    assert NAMED_OTHERWISE.get(name, name) in hands.types()


def test_the_unsupported_scenarios_are_those_of_paths_the_sandbox_does_not_have() -> None:
    assert (len(SCENARIOS), len(UNSUPPORTED)) == (100, 13)
    for name in UNSUPPORTED:
        run = Run(Hands())
        refused = 0
        for step in SCENARIOS[name]["fixtures"]:
            try:
                run.step(step)
            except (AssertionError, KeyError):
                refused += 1
        assert refused > 0, name
