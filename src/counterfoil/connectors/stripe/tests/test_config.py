"""Settings: what is refused, what is derived, what is never shown."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from counterfoil.connectors.stripe.config import StripeIntake

from .building import ACCOUNT, SECRET, settings


@pytest.mark.parametrize(("key", "is_live"), [("sk_live_1", True), ("rk_live_1", True), ("sk_test_1", False), ("rk_test_1", False)])
def test_the_mode_follows_the_keys_prefix(key: str, is_live: bool) -> None:
    assert settings(api_key=key).is_live is is_live


def test_a_key_of_unknown_kind_needs_the_mode_said() -> None:
    with pytest.raises(ValidationError, match="set livemode"):
        settings(api_key="abc")
    assert settings(api_key="abc", livemode=True).is_live


def test_a_mode_that_contradicts_the_key_is_refused() -> None:
    # An intake without the key believes what is said, and would hold every event back.
    for key, said in (("rk_live_1", False), ("sk_test_1", True)):
        with pytest.raises(ValidationError, match="every event would be held back"):
            settings(api_key=key, livemode=said)
        assert settings(api_key=key, livemode=not said).is_live is not said


def test_an_intake_needs_no_key_where_the_mode_is_said() -> None:
    given = {"webhook_secrets": [SECRET], "account": ACCOUNT}
    assert StripeIntake.model_validate({**given, "livemode": True}).is_live
    assert not StripeIntake.model_validate({**given, "api_key": "rk_test_1"}).is_live
    with pytest.raises(ValidationError, match="without the api_key the mode is not known: set livemode"):
        StripeIntake.model_validate(given)


def test_the_pace_keeps_a_margin_to_stripes_limits() -> None:
    assert settings(api_key="rk_live_1").pace_per_s == 80.0
    assert settings().pace_per_s == 20.0
    assert settings(requests_per_s=500).pace_per_s == 500.0


@pytest.mark.parametrize(
    "bad",
    [
        {"account": "1"},
        {"accounts": ["x"]},
        {"webhook_secrets": []},
        {"webhook_secrets": ["a", "b", "c"]},
        {"webhook_secrets": [""]},
        {"tolerance_s": 0},
        {"colour": "red"},
    ],
)
def test_a_wrong_setting_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        settings(**bad)


def test_secrets_do_not_show() -> None:
    shown = repr(settings(api_key="sk_test_very_secret"))
    assert "very_secret" not in shown
    assert "whsec" not in shown


def test_the_keys_own_account_comes_first_and_once() -> None:
    assert settings(accounts=["acct_2", "acct_1"]).all_accounts == ("acct_1", "acct_2")
