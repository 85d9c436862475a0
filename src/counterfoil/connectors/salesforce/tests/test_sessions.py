"""Tokens: how they are got, renewed once however many calls find them ended, and never sent to another org or address."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError

from counterfoil.connectors.salesforce.api import Api
from counterfoil.connectors.salesforce.client import EXPIRED
from counterfoil.connectors.salesforce.sandbox import SalesforceSandbox
from counterfoil.kit.errors import SetupError, TransientError
from counterfoil.kit.http import HttpClient, Response, RetryPolicy
from counterfoil.kit.sandbox import Fault

from .sandboxed import opened, settings_of

ACCOUNTS = "SELECT Id FROM Account"


def keys() -> tuple[str, str]:
    """Return a private and its public key, in PEM."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


async def test_twenty_calls_that_find_their_session_ended_log_in_once() -> None:
    sandbox = SalesforceSandbox()
    async with opened(sandbox, concurrency_max=20) as ctx:
        api = Api(ctx)
        await api.rows(ACCOUNTS)
        sandbox.sessions.end_all()
        await asyncio.gather(*(api.rows(ACCOUNTS) for _ in range(20)))
        assert sandbox.sessions.issued == 2  # the first one, and one for all twenty
        sandbox.sessions.end_all()
        await api.rows(ACCOUNTS)
        assert sandbox.sessions.issued == 3


@pytest.mark.parametrize(("is_blocked", "code"), [(False, "salesforce.forbidden"), (True, "salesforce.login_refused")])
async def test_what_was_in_doubt_before_its_session_ended_stays_so(is_blocked: bool, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = SalesforceSandbox()
    async with opened(sandbox) as ctx:
        await Api(ctx).rows(ACCOUNTS)
        sandbox.sessions.is_blocked = is_blocked
        ended, refused = SetupError("the session ended", code=EXPIRED), SetupError("no rights", code="salesforce.forbidden")
        ended.is_outcome_unknown = True  # a try before it got no answer
        errors, sent = iter([ended, refused]), HttpClient.request

        async def request(self: HttpClient, method: str, path: str, **options: Any) -> Response:
            if self is ctx.http:
                raise next(errors)
            return await sent(self, method, path, **options)

        monkeypatch.setattr(HttpClient, "request", request)
        with pytest.raises(SetupError) as caught:
            await Api(ctx).write("PATCH", "/composite/sobjects", {})
        assert (caught.value.code, caught.value.is_outcome_unknown) == (code, True)


async def test_the_first_calls_of_a_process_log_in_once() -> None:
    sandbox = SalesforceSandbox()
    async with opened(sandbox) as ctx:
        await asyncio.gather(*(Api(ctx).rows(ACCOUNTS) for _ in range(8)))
        assert sandbox.sessions.issued == 1


async def test_a_session_that_ends_at_once_again_is_the_owners_to_mend_and_asks_no_third_time() -> None:
    sandbox = SalesforceSandbox()
    sandbox.sessions.life_s = 0.0
    async with opened(sandbox) as ctx:
        with pytest.raises(SetupError) as ended:
            await Api(ctx).rows(ACCOUNTS)
        assert (ended.value.code, sandbox.sessions.issued) == ("salesforce.session_ended", 2)


async def test_an_app_whose_access_is_revoked_while_it_is_used_stops_with_what_to_do() -> None:
    sandbox = SalesforceSandbox()
    async with opened(sandbox) as ctx:
        await Api(ctx).rows(ACCOUNTS)
        sandbox.sessions.is_blocked = True
        sandbox.sessions.end_all()
        with pytest.raises(SetupError, match="integration user of the app be active again") as refused:
            await Api(ctx).rows(ACCOUNTS)
        assert refused.value.code == "salesforce.login_refused"
        asked = [line for line in sandbox.asked if "oauth2" in line]
        refusals = await asyncio.gather(*(Api(ctx).rows(ACCOUNTS) for _ in range(4)), return_exceptions=True)
        assert [type(one) for one in refusals] == [SetupError] * 4
        assert len([line for line in sandbox.asked if "oauth2" in line]) == len(asked) + 1  # one asks for all who wait
        sandbox.sessions.is_blocked = False
        assert await Api(ctx).rows(ACCOUNTS) == []  # goes on by itself


async def test_a_login_that_gets_no_answer_is_tried_again_later() -> None:
    sandbox = SalesforceSandbox()
    async with opened(sandbox) as ctx:
        sandbox.switch.faults.append(Fault("status", path="^POST .*/oauth2/token", status=503, times=-1))
        ctx.http.login.retry = RetryPolicy(tries_max=1)  # type: ignore[attr-defined]
        with pytest.raises(TransientError) as away:
            await Api(ctx).rows(ACCOUNTS)
        assert away.value.is_unavailable


async def test_a_signed_assertion_logs_in_as_a_secret_does() -> None:
    private, public = keys()
    sandbox = SalesforceSandbox()
    sandbox.sessions.public_key = public
    given: dict[str, Any] = {"client_secret": None, "username": sandbox.username, "private_key": private}
    async with opened(sandbox, **given) as ctx:
        assert await Api(ctx).rows(ACCOUNTS) == []
        sandbox.sessions.public_key = keys()[1]  # the certificate was replaced
        sandbox.sessions.end_all()
        with pytest.raises(SetupError, match="Compare username, private_key and audience") as refused:
            await Api(ctx).rows(ACCOUNTS)
        assert private.splitlines()[1] not in str(refused.value)


@pytest.mark.parametrize("ahead_s", [-60, 60])
async def test_a_clock_that_is_a_minute_off_logs_in_with_a_signed_assertion(ahead_s: int, monkeypatch: pytest.MonkeyPatch) -> None:
    private, public = keys()
    sandbox = SalesforceSandbox()
    sandbox.sessions.public_key = public
    given: dict[str, Any] = {"client_secret": None, "username": sandbox.username, "private_key": private}
    async with opened(sandbox, **given) as ctx:
        monkeypatch.setattr(ctx.http.session, "now", lambda: time.time() + ahead_s)  # type: ignore[attr-defined]
        assert await Api(ctx).rows(ACCOUNTS) == []


async def test_a_key_that_is_none_is_told_without_showing_it() -> None:
    async with opened(SalesforceSandbox(), client_secret=None, username="hub@x.example", private_key="very secret") as ctx:
        with pytest.raises(SetupError, match="no RSA key in PEM") as refused:
            await Api(ctx).rows(ACCOUNTS)
        assert "very secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"org_id": "00D5000000Gv7qJEAR"}, "salesforce.other_org"),
        ({"client_secret": "another"}, "salesforce.login_refused"),
        ({"client_id": "another"}, "salesforce.login_refused"),
    ],
)
async def test_an_app_of_another_org_or_a_wrong_secret_reads_nothing(change: dict[str, str], code: str) -> None:
    sandbox = SalesforceSandbox()
    async with opened(sandbox, **change) as ctx:
        with pytest.raises(SetupError) as refused:
            await Api(ctx).rows(ACCOUNTS)
        assert (refused.value.code, sandbox.limits.used) == (code, 0)


@pytest.mark.parametrize(
    ("told", "words"), [("https://elsewhere.example", r"the org answers at elsewhere\.example"), ("https://[", "at no address")]
)
async def test_a_token_is_not_sent_to_an_address_the_settings_do_not_name(told: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = SalesforceSandbox()
    async with opened(sandbox) as ctx:
        monkeypatch.setattr(sandbox, "url", told)
        with pytest.raises(SetupError, match=words) as refused:
            await Api(ctx).rows(ACCOUNTS)
        assert (refused.value.code, sandbox.limits.used) == ("salesforce.other_address", 0)


@pytest.mark.parametrize(
    "change",
    [
        {"client_secret": None},
        {"private_key": "x"},
        {"client_secret": None, "private_key": "x"},
        {"username": "hub@x.example"},
        {"org_id": "0015000000Gv7qJ"},
        {"base_url": "https://acme.my.salesforce.com/services"},
        {"customer_ids": {"Bad Name": "billing"}},
    ],
)
def test_settings_that_cannot_work_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings_of(SalesforceSandbox(), **change)
