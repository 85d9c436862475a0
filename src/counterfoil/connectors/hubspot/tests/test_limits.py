"""Limits, scopes and refusals: what HubSpot says is followed, and what a token lacks is named."""

from __future__ import annotations

import json

import pytest

from counterfoil.connectors.hubspot import CONNECTOR
from counterfoil.connectors.hubspot.client import rate_seen
from counterfoil.connectors.hubspot.sandbox import HubspotSandbox
from counterfoil.connectors.hubspot.sandbox.control import SCOPES
from counterfoil.kit.connector import Finding, Severity
from counterfoil.kit.errors import SetupError, TransientError
from counterfoil.kit.http import RetryPolicy
from counterfoil.kit.rate_headers import RateSeen
from counterfoil.kit.sandbox import Fault

from .sandboxed import POLLS, opened


def _headers(remaining: str, limit: str = "190") -> dict[str, str]:
    return {
        "X-HubSpot-RateLimit-Max": limit,
        "X-HubSpot-RateLimit-Remaining": remaining,
        "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
    }


@pytest.mark.parametrize(
    ("headers", "seen"),
    [
        (_headers("189"), None),
        (_headers("48"), None),  # a quarter of 190 is 47.5
        (_headers("20"), RateSeen(20.0, 10.0)),
        (_headers("0"), RateSeen(0.0, 10.0)),
        (_headers("-1"), None),
        (_headers("20", "many"), None),
        ({}, None),
    ],
)
def test_what_is_left_of_the_limit_is_followed_below_a_quarter(headers: dict[str, str], seen: RateSeen | None) -> None:
    assert rate_seen(headers, 0.0) == seen


@pytest.mark.parametrize(("policy", "wait_s"), [("DAILY", 900.0), ("TEN_SECONDLY_ROLLING", 10.0), ("SECONDLY", 1.0), ("NEW", 10.0)])
async def test_a_refusal_is_waited_out_by_the_policy_it_names(policy: str, wait_s: float) -> None:
    sandbox = HubspotSandbox()
    async with opened(sandbox) as ctx:
        ctx.http.retry = RetryPolicy(tries_max=1)
        sandbox.switch.faults.append(Fault("status", status=429, body=json.dumps({"policyName": policy, "message": "slow down"})))
        with pytest.raises(TransientError) as refused:
            await POLLS.poll(ctx, "")
    assert (refused.value.code, refused.value.retry_after_s, refused.value.is_unavailable) == ("hubspot.rate_limited", wait_s, True)


async def test_more_searches_than_allowed_are_refused_and_tried_again() -> None:
    sandbox = HubspotSandbox()
    sandbox.limits.is_enforced, sandbox.limits.searches_per_s = True, 2
    async with opened(sandbox, deleted_every_s=1) as ctx:
        ctx.http.retry = RetryPolicy(base_s=0.01)
        page = await POLLS.poll(ctx, "")
        while page.has_more:
            page = await POLLS.poll(ctx, page.cursor)
    # Four searches, two a second: the third was refused, and came through a second later.
    assert sandbox.limits.used_today == 4 + 3


async def findings(sandbox: HubspotSandbox, **changes: object) -> list[Finding]:
    assert CONNECTOR.source_check is not None
    async with opened(sandbox, **changes) as ctx:
        return list(await CONNECTOR.source_check(ctx))


async def test_a_check_names_the_scope_that_is_missing_and_tries_all_of_them() -> None:
    sandbox = HubspotSandbox()
    assert [one.code for one in await findings(sandbox, client_id=sandbox.client_id)] == [
        "hubspot.account",
        "hubspot.scopes",
        "hubspot.journal",
    ]
    sandbox.scopes = set(SCOPES) - {"crm.objects.deals.read", "crm.objects.line_items.read"}
    missing = [one for one in await findings(sandbox) if one.severity is Severity.ERROR]
    assert [(one.code, one.remedy.rpartition(" ")[2]) for one in missing] == [
        ("hubspot.scope_missing", "crm.objects.deals.read"),
        ("hubspot.scope_missing", "crm.objects.line_items.read"),
    ]


async def test_a_check_tells_another_account_another_currency_and_a_journal_that_is_refused() -> None:
    sandbox = HubspotSandbox()
    assert [one.code for one in await findings(sandbox, portal_id=815)] == ["hubspot.account_mismatch"]
    assert "hubspot.currency_mismatch" in [one.code for one in await findings(sandbox, currency="EUR")]
    assert "hubspot.journal_refused" in [one.code for one in await findings(sandbox, client_id="another")]


async def test_a_token_that_is_refused_and_a_version_that_has_ended_are_told() -> None:
    for changes, code in (({"access_token": "another"}, "hubspot.token_refused"), ({"api_version": "2024-03"}, "hubspot.address_unknown")):
        async with opened(HubspotSandbox(), **changes) as ctx:
            with pytest.raises(SetupError) as refused:
                await POLLS.poll(ctx, "")
        assert refused.value.code == code


def test_a_record_has_an_address_in_hubspots_pages_and_a_sandbox_has_none() -> None:
    assert CONNECTOR.link is not None
    ours = {"base_url": "https://api.hubapi.com"}
    assert CONNECTOR.link(ours, "deal/4711.512") == "https://app.hubspot.com/contacts/4711/record/0-3/512"
    assert [CONNECTOR.link(ours, "invoice/4711.512"), CONNECTOR.link({"base_url": "http://127.0.0.1:1"}, "deal/4711.512")] == ["", ""]
