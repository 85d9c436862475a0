"""Settings of one Stripe connection, and the part of them its webhooks need; secrets never appear in messages or logs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

_LIVE_PREFIXES = ("sk_live_", "rk_live_")
_TEST_PREFIXES = ("sk_test_", "rk_test_")
_PLACE = re.compile(r"[a-z][a-z0-9_]*:[^\s.]+")
KEY_MAX = 40
"""Longest key of metadata: https://docs.stripe.com/metadata."""


class StripeIntake(BaseModel):
    """What verifying webhooks needs; see :class:`StripeConfig`. The key only tells the mode, where ``livemode`` does not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    api_key: SecretStr | None = None
    webhook_secrets: tuple[SecretStr, ...] = Field(min_length=1, max_length=2)
    account: str = Field(pattern=r"^acct_[A-Za-z0-9_]+$", examples=["acct_1ABC"])
    accounts: tuple[str, ...] = ()
    tolerance_s: int = Field(default=300, ge=1, le=86_400)
    body_size_max: int = Field(default=1_048_576, ge=1_024)
    livemode: bool | None = None

    @field_validator("accounts")
    @classmethod
    def _are_accounts(cls, accounts: tuple[str, ...]) -> tuple[str, ...]:
        for account in accounts:
            if not account.startswith("acct_"):
                raise ValueError(f"{account!r} is not an account id; they start with acct_")
        return accounts

    @field_validator("webhook_secrets")
    @classmethod
    def _are_secrets(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(not secret.get_secret_value() for secret in secrets):
            raise ValueError("a webhook secret is empty; copy it from the endpoint's page (it starts with whsec_)")
        return secrets

    @model_validator(mode="after")
    def _mode_is_known(self) -> Self:
        by_key = self._mode_of_key()
        if self.livemode is None and by_key is None:
            if self.api_key is None:
                raise ValueError("without the api_key the mode is not known: set livemode to true or false")
            raise ValueError("api_key starts with none of sk_live_, rk_live_, sk_test_, rk_test_: set livemode to true or false")
        if self.livemode is not None and by_key not in (None, self.livemode):
            said, own = ("true", "a test") if self.livemode else ("false", "a live")
            raise ValueError(f"livemode is {said}, but api_key is {own} mode key: every event would be held back; correct one of them")
        return self

    def _mode_of_key(self) -> bool | None:
        """Return whether the key's prefix says live (True) or test mode (False); None: there is no key, or it does not say."""
        key = "" if self.api_key is None else self.api_key.get_secret_value()
        if key.startswith(_LIVE_PREFIXES):
            return True
        return False if key.startswith(_TEST_PREFIXES) else None

    @property
    def is_live(self) -> bool:
        """Whether live mode events are expected."""
        return self.livemode if self.livemode is not None else bool(self._mode_of_key())

    @property
    def all_accounts(self) -> tuple[str, ...]:
        """Every accepted account, the key's own first."""
        return (self.account, *(a for a in self.accounts if a != self.account))


class StripeConfig(StripeIntake):
    """One Stripe account, and the Connect accounts reached through it.

    Attributes:
        api_key: a restricted key (``rk_...``) with the read scopes of the README, or a secret key.
        webhook_secrets: the endpoint's signing secret; two of them while it is rotated.
        account: the ``acct_...`` id the key belongs to; events that name no account are its own.
        accounts: further connected accounts that are accepted; they are fetched with the ``Stripe-Account`` header.
        base_url: Stripe's API, or a sandbox's address.
        tolerance_s: how old a delivery's signature may be, in seconds (https://docs.stripe.com/webhooks#verify-official-libraries).
        body_size_max: largest webhook body taken, in bytes.
        poll_overlap_s: how far each poll looks back behind the newest event it has seen, for events that become visible late.
        first_poll_back_s: how far the very first poll looks back, at most the 30 days Stripe keeps events; 0: as far as every poll.
        gap_relist_days: after a gap longer than Stripe keeps events, objects created up to this long before the gap are listed again.
        livemode: whether live (true) or test mode (false) events are expected; left out: as the key's prefix says. Set it, and a
            process that only takes deliveries needs no ``api_key``.
        requests_per_s: calls per second spent at most; left out: 80 in live and 20 in test mode, of the 100 and 25 that Stripe allows
            (https://docs.stripe.com/rate-limits).
        concurrency_max: calls in flight at most.
        sku_key, group_key: metadata keys of a product that hold its SKU and its product group.
        deal_keys: metadata keys of invoices and subscriptions that hold the id of the deal they came of, and what stands before that id in
            the hub: with ``deal = "crm:4711"``, an invoice with ``512`` there came of the deal ``crm:4711.512``. ``;`` parts several.
    """

    api_key: SecretStr
    base_url: str = "https://api.stripe.com"
    poll_overlap_s: int = Field(default=120, ge=0, le=86_400)
    first_poll_back_s: int = Field(default=0, ge=0, le=30 * 86_400)
    gap_relist_days: int = Field(default=90, ge=0)
    requests_per_s: float | None = Field(default=None, gt=0)
    concurrency_max: int = Field(default=8, ge=1, le=64)
    sku_key: str = "sku"
    group_key: str = "group"
    deal_keys: Mapping[str, str] = Field(default_factory=dict, examples=[{"deal": "crm:4711"}])

    @field_validator("deal_keys")
    @classmethod
    def _are_places(cls, keys: Mapping[str, str]) -> Mapping[str, str]:
        for key, place in keys.items():
            if not key.strip() or len(key) > KEY_MAX or not _PLACE.fullmatch(place):
                message = f"{key[:60]!r} with {place[:60]!r}: a metadata key, and the system with its account, such as crm:4711"
                raise ValueError(message)
        return keys

    @property
    def pace_per_s(self) -> float:
        """Calls per second at full speed."""
        if self.requests_per_s is not None:
            return self.requests_per_s
        return 80.0 if self.is_live else 20.0
