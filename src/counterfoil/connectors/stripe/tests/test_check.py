"""What `counterfoil check` tries of a key: whose it is, and each scope, one row each, reads alone."""

from __future__ import annotations

from counterfoil.connectors.stripe.check import SCOPES, check_source
from counterfoil.connectors.stripe.sandbox import StripeSandbox
from counterfoil.kit.connector import Severity

from .sandboxed import opened

EVERY = {path.removeprefix("/v1/"): "read" for path, _ in SCOPES}


async def asked(sandbox: StripeSandbox, **changes: object) -> list[tuple[Severity, str, str]]:
    async with opened(sandbox, **changes) as ctx:
        return [(one.severity, one.code, one.message) for one in await check_source(ctx)]


async def test_a_secret_key_of_the_account_may_read_all() -> None:
    assert await asked(StripeSandbox()) == [
        (Severity.OK, "stripe.account", "the key belongs to acct_sandbox"),
        (Severity.OK, "stripe.permissions", "the key may read all that is needed of acct_sandbox"),
    ]


async def test_a_restricted_key_with_the_scopes_of_the_readme_is_enough_and_names_its_account_by_refusing_it() -> None:
    sandbox = StripeSandbox()
    sandbox.add_key("rk_test_enough", "acct_sandbox", EVERY)
    found = await asked(sandbox, api_key="rk_test_enough")
    assert [(severity, code) for severity, code, _ in found] == [(Severity.OK, "stripe.account"), (Severity.OK, "stripe.permissions")]


async def test_every_scope_a_restricted_key_lacks_is_named_by_its_resource() -> None:
    sandbox = StripeSandbox()
    sandbox.add_key("rk_test_few", "acct_sandbox", {"events": "read", "charges": "read", "invoices": "read"})
    found = [(code, message) for severity, code, message in await asked(sandbox, api_key="rk_test_few") if severity is Severity.ERROR]
    assert {code for code, _ in found} == {"stripe.permission_missing"}
    # Charges may be read and refunds, which Stripe grants together, may not; of invoices the payments may not: each is told with its call.
    assert [message for _, message in found] == [
        "the key may not read Balance of acct_sandbox (GET /v1/balance)",
        "the key may not read Balance transaction sources of acct_sandbox (GET /v1/balance_transactions)",
        "the key may not read Charges and refunds of acct_sandbox (GET /v1/refunds)",
        "the key may not read Customers of acct_sandbox (GET /v1/customers)",
        "the key may not read Disputes of acct_sandbox (GET /v1/disputes)",
        "the key may not read Payment intents of acct_sandbox (GET /v1/payment_intents)",
        "the key may not read Payouts of acct_sandbox (GET /v1/payouts)",
        "the key may not read Products of acct_sandbox (GET /v1/products)",
        "the key may not read Prices of acct_sandbox (GET /v1/prices)",
        "the key may not read Credit notes of acct_sandbox (GET /v1/credit_notes)",
        "the key may not read Invoices of acct_sandbox (GET /v1/invoice_payments)",
        "the key may not read Subscriptions of acct_sandbox (GET /v1/subscriptions)",
        "the key may not read Tax rates of acct_sandbox (GET /v1/tax_rates)",
    ]


async def test_a_key_of_another_account_is_an_error_that_names_both() -> None:
    for key, scopes in (("sk_test_sandbox", None), ("rk_test_enough", EVERY)):
        sandbox = StripeSandbox()
        sandbox.add_key(key, "acct_sandbox", scopes)
        (found,) = await asked(sandbox, api_key=key, account="acct_other")
        assert found[:2] == (Severity.ERROR, "stripe.account_mismatch")
        assert "belongs to acct_sandbox, and account is acct_other" in found[2]


async def test_a_connected_account_the_key_does_not_reach_is_named() -> None:
    found = await asked(StripeSandbox(), accounts=["acct_stranger"])
    assert [(severity, message) for severity, _, message in found][2:] == [
        (Severity.ERROR, "the key has no access to the connected account acct_stranger")
    ]
