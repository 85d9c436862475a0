"""The connector against its sandbox: a context, the trigger scenarios of Stripe's command line tool, and whole walks of pages."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from counterfoil.connectors.stripe import CONNECTOR
from counterfoil.connectors.stripe.client import STATUSES, explain
from counterfoil.connectors.stripe.config import StripeConfig
from counterfoil.connectors.stripe.sandbox import StripeSandbox
from counterfoil.connectors.stripe.sandbox.errors import StripeError
from counterfoil.connectors.stripe.sandbox.forms import decode
from counterfoil.connectors.stripe.wire import API_VERSION
from counterfoil.core.facts.events import Fact
from counterfoil.kit.clock import SettableClock
from counterfoil.kit.connector import Delivery, Ignored, Page
from counterfoil.kit.context import Context
from counterfoil.kit.forms import encode_form
from counterfoil.kit.http import HttpClient, RetryPolicy
from counterfoil.kit.limits import LocalBudget

from .building import SOURCE, fixture

ACCOUNT, KEY = "acct_sandbox", "sk_test_sandbox"
TRIGGER_VERSION = "2023-08-16"
"""The scenarios pass parameters that later versions no longer take (``payment_method_types``, ``coupon``)."""

_TEMPLATE = re.compile(r"\$\{([^:}]+):([^}|]+)(?:\|([^}]*))?\}")


def settings_of(sandbox: StripeSandbox, **changes: Any) -> StripeConfig:
    """Return settings that reach the sandbox."""
    given: dict[str, Any] = {"api_key": KEY, "webhook_secrets": ["whsec_sandbox"], "account": ACCOUNT, "base_url": sandbox.url}
    return StripeConfig.model_validate({**given, "requests_per_s": 10_000, "concurrency_max": 8, **changes})


def client_of(settings: StripeConfig) -> HttpClient:
    """Return the connector's client with retries that do not wait."""
    key = settings.api_key.get_secret_value()
    return HttpClient(
        settings.base_url,
        budget=LocalBudget(rate_per_s=10_000, burst=100, concurrency_max=8, failures_max=1_000),
        headers={"Stripe-Version": API_VERSION},
        auth=lambda: {"Authorization": f"Bearer {key}"},
        statuses=STATUSES,
        explain=explain,
        retry=RetryPolicy(tries_max=1),
        timeout_s=5.0,
    )


@asynccontextmanager
async def opened(sandbox: StripeSandbox, **changes: Any) -> AsyncIterator[Context]:
    """Serve the sandbox and give a context whose clock stands a minute after the sandbox's."""
    await sandbox.start()
    settings = settings_of(sandbox, **changes)
    assert CONNECTOR.client is not None
    http = CONNECTOR.client(settings)
    clock = SettableClock(datetime.fromtimestamp(sandbox.now, UTC) + timedelta(seconds=60))
    try:
        async with http:
            yield Context("stripe", settings, http, clock)
    finally:
        await sandbox.stop()


def run_trigger(sandbox: StripeSandbox, name: str) -> None:
    """Make the calls of one trigger scenario. Raises what the sandbox raises."""
    answers: dict[str, Any] = {}
    for step in fixture("cli-triggers.json")[name]["fixtures"]:
        path = _filled(step["path"], answers)
        params = decode(encode_form(_filled(step.get("params", {}), answers)).decode())
        try:
            answers[step["name"]] = sandbox.request(step["method"].upper(), path, params, version=TRIGGER_VERSION)
        except StripeError as error:
            if error.error["type"] != "card_error":
                raise


def _filled(value: Any, answers: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, answers) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, answers) for inner in value]
    if not isinstance(value, str):
        return value
    return _TEMPLATE.sub(lambda match: str(_found(answers, match)), value)


def _found(answers: dict[str, Any], match: re.Match[str]) -> Any:
    node: Any = answers.get(match.group(1), {})
    for part in match.group(2).split("."):
        node = node[int(part)] if isinstance(node, list) else node.get(part)
        if node is None:
            return match.group(3) or ""
    return node


async def walk(fetch: Callable[[str], Awaitable[Page]], cursor: str = "") -> tuple[list[Delivery], Page]:
    """Return all deliveries from a cursor on, and the last page."""
    found: list[Delivery] = []
    for _ in range(500):
        page = await fetch(cursor)
        found.extend(page.deliveries)
        cursor = page.cursor
        if not page.has_more:
            return found, page
    raise AssertionError("the pages do not end")


async def normalized_all(ctx: Context, deliveries: list[Delivery]) -> tuple[list[Fact], list[Ignored]]:
    """Fetch and normalize deliveries as the hub does, one batch; return all facts and all rules."""
    refs = list(dict.fromkeys(ref for d in deliveries for ref in SOURCE.needs(d)))
    answers = {answer.ref: answer for answer in await SOURCE.fetch(ctx, refs)}
    facts: list[Fact] = []
    ignored: list[Ignored] = []
    for one in deliveries:
        result = SOURCE.normalize(ctx.settings, one, {ref: answers[ref] for ref in SOURCE.needs(one)})
        if isinstance(result, Ignored):
            ignored.append(result)
        else:
            facts.extend(result)
    return facts, ignored
