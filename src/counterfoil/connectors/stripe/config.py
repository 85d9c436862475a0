"""Settings of one Stripe connection; secrets never appear in messages or logs."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

_LIVE_PREFIXES = ("sk_live_", "rk_live_")
_TEST_PREFIXES = ("sk_test_", "rk_test_")


class StripeConfig(BaseModel):
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
        livemode: whether live (true) or test mode (false) events are expected; left out: as the key's prefix says.
        requests_per_s: calls per second spent at most; left out: 80 in live and 20 in test mode, of the 100 and 25 that Stripe allows
            (https://docs.stripe.com/rate-limits).
        concurrency_max: calls in flight at most.
        sku_key, group_key: metadata keys of a product that hold its SKU and its product group.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    api_key: SecretStr
    webhook_secrets: tuple[SecretStr, ...] = Field(min_length=1, max_length=2)
    account: str = Field(pattern=r"^acct_[A-Za-z0-9_]+$")
    accounts: tuple[str, ...] = ()
    base_url: str = "https://api.stripe.com"
    tolerance_s: int = Field(default=300, ge=1, le=86_400)
    body_size_max: int = Field(default=1_048_576, ge=1_024)
    poll_overlap_s: int = Field(default=120, ge=0, le=86_400)
    first_poll_back_s: int = Field(default=0, ge=0, le=30 * 86_400)
    gap_relist_days: int = Field(default=90, ge=0)
    livemode: bool | None = None
    requests_per_s: float | None = Field(default=None, gt=0)
    concurrency_max: int = Field(default=8, ge=1, le=64)
    sku_key: str = "sku"
    group_key: str = "group"

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
        key = self.api_key.get_secret_value()
        if self.livemode is None and not key.startswith(_LIVE_PREFIXES + _TEST_PREFIXES):
            raise ValueError("api_key starts with none of sk_live_, rk_live_, sk_test_, rk_test_: set livemode to true or false")
        return self

    @property
    def is_live(self) -> bool:
        """Whether live mode events are expected."""
        if self.livemode is not None:
            return self.livemode
        return self.api_key.get_secret_value().startswith(_LIVE_PREFIXES)

    @property
    def pace_per_s(self) -> float:
        """Calls per second at full speed."""
        if self.requests_per_s is not None:
            return self.requests_per_s
        return 80.0 if self.is_live else 20.0

    @property
    def all_accounts(self) -> tuple[str, ...]:
        """Every accepted account, the key's own first."""
        return (self.account, *(a for a in self.accounts if a != self.account))
