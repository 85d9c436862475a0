"""What the tests are made of: settings, deliveries as webhooks and lists give them, and what was fetched for them."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from counterfoil.connectors.stripe import CONNECTOR
from counterfoil.connectors.stripe.config import StripeConfig
from counterfoil.connectors.stripe.listing import listed
from counterfoil.connectors.stripe.source import StripeSource
from counterfoil.connectors.stripe.webhooks import delivery_of
from counterfoil.core.facts.events import Fact
from counterfoil.core.language.records import Record
from counterfoil.kit.conformance.together import Together
from counterfoil.kit.connector import Delivery, Fetched, Ignored, Normalized

FIXTURES = Path(__file__).parent / "fixtures"
SOURCE = StripeSource()
POLLS = Together(CONNECTOR)
SECRET = "whsec_test_5f8d0c3a9b7e4d21"
ACCOUNT = "acct_1"
CREATED = 1_790_000_000  # 2026-09-21T14:13:20Z
CREATED_AT = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
FETCHED_AT = CREATED_AT + timedelta(seconds=3)
VERSION = "2026-10-28.endive"

assert CONNECTOR.source is not None


def settings(**changes: Any) -> StripeConfig:
    """Return settings of a test mode connection."""
    given: dict[str, Any] = {"api_key": "sk_test_0001", "webhook_secrets": [SECRET], "account": ACCOUNT, **changes}
    return StripeConfig.model_validate(given)


@cache
def fixture(name: str) -> Any:
    """Return a fixture file's content."""
    return json.loads((FIXTURES / name).read_text())


def official(name: str) -> dict[str, Any]:
    """Return a copy of one official sample object."""
    found: dict[str, Any] = json.loads(json.dumps(fixture("official.json")["resources"][name]))
    return found


def event_body(kind: str, obj: Mapping[str, Any], *, event_id: str = "evt_1", created: int = CREATED, **more: Any) -> bytes:
    """Return a snapshot event's body; ``previous`` becomes its previous attributes."""
    data = {"object": obj, **({"previous_attributes": more.pop("previous")} if "previous" in more else {})}
    event = {"id": event_id, "object": "event", "type": kind, "created": created, "livemode": False, "api_version": VERSION, "data": data}
    return json.dumps({**event, **more}).encode()


def thin_body(kind: str, related: str, object_type: str, created: str = "2026-09-21T14:13:20.000Z") -> bytes:
    """Return a thin event's body."""
    related_object = {"id": related, "type": object_type, "url": f"/v1/x/{related}"}
    event = {"id": "evt_thin", "object": "v2.core.event", "type": kind, "created": created, "livemode": False}
    return json.dumps({**event, "related_object": related_object}).encode()


def sign(body: bytes, now: datetime, secret: str = SECRET) -> dict[str, str]:
    """Return the signature header as Stripe makes it."""
    stamp = int(now.timestamp())
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={stamp},v1={digest}"}


def delivery(kind: str, obj: Mapping[str, Any], **more: Any) -> Delivery:
    """Return the delivery of a snapshot event."""
    return delivery_of(settings(), event_body(kind, obj, **more))


def listed_delivery(obj: dict[str, Any], at: datetime = FETCHED_AT) -> Delivery:
    """Return the delivery of a listed object."""
    return listed(ACCOUNT, obj, at)


def fetched(kind: str, obj: Mapping[str, Any] | None, *, object_id: str = "", at: datetime = FETCHED_AT) -> dict[str, Fetched]:
    """Return one fetched object by its reference; None: it does not exist."""
    ref = f"{ACCOUNT}/{kind}/{object_id or (obj or {})['id']}"
    return {ref: Fetched(ref, None if obj is None else json.dumps(obj).encode(), at)}


def normalized(of: Delivery, given: Mapping[str, Fetched] | None = None) -> Normalized:
    """Return what a delivery normalizes to."""
    return SOURCE.normalize(settings(), of, given or {})


def facts(of: Delivery, given: Mapping[str, Fetched] | None = None) -> tuple[Fact, ...]:
    """Return the facts of a delivery that is not ignored."""
    found = normalized(of, given)
    assert not isinstance(found, Ignored), found
    return found


def records(of: Delivery, given: Mapping[str, Fetched] | None = None) -> list[Record]:
    """Return the records of a delivery's facts."""
    return [fact.data for fact in facts(of, given)]


def fetched_as_snapshot(of: Delivery, obj: Mapping[str, Any]) -> dict[str, Fetched]:
    """Answer every reference of a delivery: its own object with the snapshot, another one as not existing."""
    answers = {}
    for ref in SOURCE.needs(of):
        is_own = ref.rpartition("/")[2] == obj["id"] and ref.split("/")[1] == obj.get("object")
        answers[ref] = Fetched(ref, json.dumps(obj).encode() if is_own else None, FETCHED_AT)
    return answers
