"""Settings of one HubSpot connection, and the part of them its webhooks need; secrets never appear in messages or logs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

_DOCUMENT = re.compile(r"[a-z][a-z0-9_]*/(invoice|subscription)")


class HubspotIntake(BaseModel):
    """What verifying webhooks needs, and no token of the API; see :class:`HubspotConfig`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    portal_id: int = Field(gt=0)
    client_secrets: tuple[SecretStr, ...] = Field(default=(), max_length=2)
    webhook_url: str = Field(default="", pattern=r"^(https?://[^\s]+)?$", examples=["https://hub.example.com/in/hubspot"])
    tolerance_s: int = Field(default=300, ge=1, le=300)
    body_size_max: int = Field(default=1_048_576, ge=1_024)

    @field_validator("client_secrets")
    @classmethod
    def _are_secrets(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(not secret.get_secret_value() for secret in secrets):
            raise ValueError("a client secret is empty; copy it from the app's page under Auth")
        return secrets

    @model_validator(mode="after")
    def _webhooks_are_whole(self) -> Self:
        if self.webhook_url and not self.client_secrets:
            raise ValueError(
                "webhooks need both client_secrets and webhook_url: set client_secrets, or neither and changes are polled alone"
            )
        return self

    @property
    def takes_webhooks(self) -> bool:
        """Whether deliveries can be told from forged ones."""
        return bool(self.client_secrets and self.webhook_url)


class HubspotConfig(HubspotIntake):
    """One HubSpot account (portal).

    Attributes:
        portal_id: the account's number (Hub ID); events of another one are held back.
        access_token: a service key or the token of a private app, with the read scopes of the README; or else ``refresh_token``.
        refresh_token: of an app that was installed in the account by OAuth: its tokens are renewed by it, with ``client_id`` and the first
            of ``client_secrets``.
        client_secrets: the app's client secret, which signs webhooks; two of them while it is rotated. Left out: no webhooks are taken.
        webhook_url: the address webhooks are sent to, letter by letter as it stands in the app: it is part of what is signed.
        currency: the account's company currency, of deals that name none.
        customer_ids: properties of companies that hold a customer's id in another system, and that system's namespace: with
            ``billing_customer_id = "billing"``, a company with ``cus_1`` there is the customer ``billing:cus_1``. ``;`` parts several.
        deal_documents: properties of deals that hold the id of an invoice or subscription that came of it, with the system and which of
            both it is: with ``billing_invoice_id = "billing/invoice"``, a deal with ``in_1`` there shows what became of that invoice.
        customer_labels: labels of companies on a deal that say which of them is its customer, in the order in which they count; ``Primary``
            is HubSpot's own: with ``["Billing", "Primary"]`` the company labelled so, else the primary one. Left out: all of them are.
        client_id: the app's client id, to renew its token, and to read the webhooks journal.
        reads_quotes: whether quotes are read, which needs the scope ``crm.objects.quotes.read``.
        reads_journal: whether the webhooks journal is read; left out: where there is ``client_id`` and no ``refresh_token``.
        api_version: the date in the paths of the API.
        tolerance_s: how old a delivery's signature may be, in seconds; HubSpot says to take none older than 300.
        body_size_max: largest webhook body taken, in bytes.
        base_url: HubSpot's API, or a sandbox's address.
        poll_overlap_s: how far each poll looks back behind the newest change it has seen, for changes the search index learns of late.
        first_poll_back_s: how far the very first poll looks back; 0: as far as every poll.
        deleted_every_s: how often the lists of deleted records are read through: search does not tell of them.
        requests_per_s: calls per second spent at most.
        searches_per_s: searches per second spent at most, which have a limit of their own.
        concurrency_max: calls in flight at most.
    """

    access_token: SecretStr | None = None
    refresh_token: SecretStr | None = None
    currency: str = Field(pattern=r"^[A-Z]{3}$", examples=["EUR"])
    customer_ids: Mapping[str, str] = Field(default_factory=dict, examples=[{"billing_customer_id": "billing"}])
    deal_documents: Mapping[str, str] = Field(default_factory=dict, examples=[{"billing_invoice_id": "billing/invoice"}])
    customer_labels: tuple[str, ...] = Field(default=(), max_length=20, examples=[["Billing", "Primary"]])
    client_id: str = ""
    reads_quotes: bool = False
    reads_journal: bool | None = None
    api_version: str = Field(default="2026-03", pattern=r"^\d{4}-\d{2}$", examples=["2026-03"])
    base_url: str = "https://api.hubapi.com"
    poll_overlap_s: int = Field(default=300, ge=0, le=86_400)
    first_poll_back_s: int = Field(default=0, ge=0)
    deleted_every_s: int = Field(default=600, ge=0)
    requests_per_s: float = Field(default=9.0, gt=0)
    searches_per_s: float = Field(default=4.0, gt=0)
    concurrency_max: int = Field(default=4, ge=1, le=64)

    @field_validator("customer_labels")
    @classmethod
    def _are_labels(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        named = [label.strip().casefold() for label in labels]
        if "" in named or len(set(named)) < len(named):
            raise ValueError("a label is empty or stands there twice; take the labels of deals and companies as HubSpot shows them")
        return labels

    @field_validator("deal_documents")
    @classmethod
    def _are_documents(cls, documents: Mapping[str, str]) -> Mapping[str, str]:
        wrong = [document for document in documents.values() if not _DOCUMENT.fullmatch(document)]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is no system and kind: write billing/invoice or billing/subscription, with the system's name")
        return documents

    @property
    def follows_journal(self) -> bool:
        """Whether the webhooks journal is read."""
        return bool(self.client_id) and self.refresh_token is None if self.reads_journal is None else self.reads_journal

    @model_validator(mode="after")
    def _can_call(self) -> Self:
        if (self.access_token is None) == (self.refresh_token is None):
            raise ValueError("calls need access_token (a service key or a private app), or else refresh_token (an installed app): set one")
        if self.refresh_token is not None and not (self.client_id and self.client_secrets):
            raise ValueError("refresh_token renews an app's token, which needs client_id and client_secrets of that app: set them")
        return self

    @model_validator(mode="after")
    def _app_is_whole(self) -> Self:
        if (self.client_id or self.reads_journal) and not (self.client_id and self.client_secrets):
            raise ValueError("client_id reads the webhooks journal, which needs client_secrets: set them, or leave client_id out")
        if self.client_secrets and not self.webhook_url and not self.client_id:
            raise ValueError(
                "webhooks need both client_secrets and webhook_url: set the missing one, or neither and changes are polled alone"
            )
        return self
