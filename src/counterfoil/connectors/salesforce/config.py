"""Settings of one Salesforce connection; secrets never appear in messages or logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from .refs import DOCUMENT, EVENT_TOPIC, FIELD_NAME, to_18


class SalesforceConfig(BaseModel):
    """One Salesforce org.

    Attributes:
        base_url: the org's My Domain address, or a sandbox's. Nothing is sent anywhere else.
        org_id: the org's id; a token of another org is refused. 15 or 18 characters.
        client_id: the consumer key of the external client app.
        client_secret: its consumer secret, for the client credentials flow.
        username: with ``private_key``: the integration user, for the JWT bearer flow.
        private_key: with ``username``: the RSA key, in PEM, whose certificate stands in the app.
        audience: who a JWT is for: ``https://test.salesforce.com`` for a sandbox.
        currency: the org's corporate currency, of amounts of an org that has only one.
        customer_ids: fields of accounts that hold a customer's id in another system, and that system's namespace: with
            ``Billing_Id__c = "billing"``, an account with ``cus_1`` there is the customer ``billing:cus_1``. ``;`` parts several.
        deal_documents: fields of opportunities that hold the id of an invoice or subscription that came of it, with the system and which of
            both it is: with ``Billing_Invoice__c = "billing/invoice"``, an opportunity with ``in_1`` there shows what became of that
            invoice. ``;`` parts several.
        api_version: the version in the paths of the API.
        poll_overlap_s: how far each poll looks back behind the newest change it has seen: a record is stamped before its commit.
        first_poll_back_s: how far the very first poll looks back; 0: as far as every poll.
        requests_per_s: calls per second spent at most.
        concurrency_max: calls in flight at most.
        pubsub_address: where changes are streamed from (``api.pubsub.salesforce.com:7443``); left out: they are polled alone.
        change_topic: the channel of change data capture that is listened to.
        event_topics: platform events that are listened to, and the field of each that holds the id of the record to be read again.
        load_from: from so many accounts, or opportunities, on that show something else, they are written by one load job in place of
            collections of 200.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str = Field(pattern=r"^https?://[^\s/?#]+$", examples=["https://acme.my.salesforce.com"])
    org_id: str = Field(pattern=r"^00D[A-Za-z0-9]{12}([A-Z0-5]{3})?$", examples=["00D5000000Gv7qJEAR"])
    client_id: str = Field(min_length=1, max_length=256)
    client_secret: SecretStr | None = None
    username: str = ""
    private_key: SecretStr | None = None
    audience: str = Field(default="https://login.salesforce.com", pattern=r"^https?://[^\s]+$", examples=["https://test.salesforce.com"])
    currency: str = Field(pattern=r"^[A-Z]{3}$", examples=["USD"])
    customer_ids: Mapping[str, str] = Field(default_factory=dict, examples=[{"Billing_Id__c": "billing"}])
    deal_documents: Mapping[str, str] = Field(default_factory=dict, examples=[{"Billing_Invoice__c": "billing/invoice"}])
    api_version: str = Field(default="67.0", pattern=r"^\d{2,3}\.0$", examples=["67.0"])
    poll_overlap_s: int = Field(default=600, ge=0, le=86_400)
    first_poll_back_s: int = Field(default=0, ge=0)
    requests_per_s: float = Field(default=10.0, gt=0)
    concurrency_max: int = Field(default=4, ge=1, le=25)
    pubsub_address: str = Field(default="", pattern=r"^([^\s/:]+:\d{1,5})?$", examples=["api.pubsub.salesforce.com:7443"])
    change_topic: str = Field(default="/data/ChangeEvents", pattern=r"^/data/\w{1,80}$", examples=["/data/ChangeEvents"])
    event_topics: Mapping[str, str] = Field(default_factory=dict, examples=[{"/event/Order_Confirmed__e": "Opportunity_Id__c"}])
    load_from: int = Field(default=1_000, ge=1, le=150_000)

    @field_validator("org_id")
    @classmethod
    def _is_18_long(cls, id: str) -> str:
        return to_18(id)

    @field_validator("customer_ids", "deal_documents")
    @classmethod
    def _are_fields(cls, fields: Mapping[str, str]) -> Mapping[str, str]:
        for name in fields:
            if not FIELD_NAME.fullmatch(name):
                raise ValueError(f"{name[:80]!r} is no name of a field; take the API name, such as Billing_Id__c")
        return fields

    @field_validator("deal_documents")
    @classmethod
    def _are_documents(cls, documents: Mapping[str, str]) -> Mapping[str, str]:
        wrong = [document for document in documents.values() if not DOCUMENT.fullmatch(document)]
        if wrong:
            raise ValueError(
                f"{wrong[0][:80]!r} is no system and kind: write billing/invoice or billing/subscription, with the system's name"
            )
        return documents

    @field_validator("event_topics")
    @classmethod
    def _are_topics(cls, topics: Mapping[str, str]) -> Mapping[str, str]:
        for topic, name in topics.items():
            if not EVENT_TOPIC.fullmatch(topic) or not FIELD_NAME.fullmatch(name):
                raise ValueError(f"{topic[:80]!r} with field {name[:80]!r}: a topic is /event/Name__e, and its field an API name")
        return topics

    @model_validator(mode="after")
    def _can_log_in(self) -> Self:
        has_secret, has_key = self.client_secret is not None, self.private_key is not None
        if has_secret == has_key or has_key != bool(self.username):
            raise ValueError(
                "logging in needs client_secret (client credentials), or else username and private_key (JWT bearer): set one of both"
            )
        return self
