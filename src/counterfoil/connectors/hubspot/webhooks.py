"""The door: verify a delivery's signature over its raw bytes, and split it into its events.

Signature: https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation (v3: base64 of the
HMAC-SHA256 of method, address, body and time). The address is the one HubSpot was told, so it is a setting: what a proxy made of it
does not count.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from counterfoil.core.language.ids import digest
from counterfoil.kit.connector import Delivery
from counterfoil.kit.errors import IntakeRefused

from .config import HubspotIntake
from .normalize.events import kept, kind_of, shard_of
from .wire import Head

SIGNATURE, STAMP = "x-hubspot-signature-v3", "x-hubspot-request-timestamp"
EVENTS_MAX = 1_000
"""Of one delivery; HubSpot sends up to 100."""
UNREADABLE = "webhook.event"
"""Kind of an event of another shape."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DECODED = (("%3A", ":"), ("%2F", "/"), ("%3F", "?"), ("%40", "@"), ("%21", "!"), ("%24", "$"), ("%27", "'"), ("%28", "("), ("%29", ")"),
            ("%2A", "*"), ("%2C", ","), ("%3B", ";"))  # fmt: skip
"""What is decoded of the address before it is signed."""
_EVENTS = msgspec.json.Decoder(list[msgspec.Raw])
_HEAD = msgspec.json.Decoder(Head)
_ENCODER = msgspec.json.Encoder(order="sorted")


def verify(settings: HubspotIntake, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[Delivery, ...]:
    """Return the deliveries of a webhook, one for each event; what stands in it twice is one.

    An event that cannot be read is held back: HubSpot would send its neighbors with it until it gives them all up.

    Raises IntakeRefused: 404 no webhooks are taken; 413 too large; 400 no signature or time, stale, not a list of events, or of none that
    can be read; 401 signed with another secret or for another address.
    """
    if not settings.takes_webhooks:
        raise IntakeRefused(
            "this connection takes no webhooks: it has no client_secrets and webhook_url", code="hubspot.webhooks_off", status=404
        )
    if len(body) > settings.body_size_max:
        raise IntakeRefused(
            f"the body has {len(body)} bytes, more than {settings.body_size_max}", code="hubspot.body_too_large", status=413
        )
    check_signature(settings, _header(headers, SIGNATURE), _header(headers, STAMP), body, now)
    try:
        events = _EVENTS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise IntakeRefused(f"the body is not a list of events: {error}", code="hubspot.body_invalid", status=400) from error
    if len(events) > EVENTS_MAX:
        raise IntakeRefused(f"the body holds {len(events)} events, more than {EVENTS_MAX}", code="hubspot.body_invalid", status=400)
    found = tuple({one.dedupe_key: one for one in (_delivery(settings, bytes(raw), now) for raw in events)}.values())
    if found and all(one.kind == UNREADABLE for one in found):
        raise IntakeRefused("no event in the body can be read", code="hubspot.body_invalid", status=400)
    return found


def check_signature(settings: HubspotIntake, signature: str, stamp: str, body: bytes, now: datetime) -> None:
    """Raise IntakeRefused unless the body was signed with one of the secrets, for this address, not long ago."""
    if not signature or not stamp.isascii() or not stamp.isdecimal() or len(stamp) > 15:
        raise IntakeRefused("the delivery has no readable v3 signature and time", code="hubspot.signature_missing", status=400)
    expected = [sign(secret.get_secret_value(), settings.webhook_url, body, stamp) for secret in settings.client_secrets]
    if sum(hmac.compare_digest(one.encode(), signature.encode("utf-8", "replace")) for one in expected) == 0:
        raise IntakeRefused(
            "the signature was not made with this app's client secret for webhook_url", code="hubspot.signature_mismatch", status=401
        )
    if abs(now - _EPOCH - timedelta(milliseconds=int(stamp))) > timedelta(seconds=settings.tolerance_s):
        raise IntakeRefused(f"the signature is more than {settings.tolerance_s} s old or ahead", code="hubspot.signature_stale", status=400)


def sign(secret: str, url: str, body: bytes, stamp: str) -> str:
    """Return the v3 signature of a body posted to an address at a time (milliseconds)."""
    for code, char in _DECODED:
        url = url.replace(code, char).replace(code.lower(), char)
    signed = b"POST" + url.encode() + body + stamp.encode()
    return base64.b64encode(hmac.digest(secret.encode(), signed, "sha256")).decode()


def _header(headers: Mapping[str, str], name: str) -> str:
    return headers.get(name) or next((value for key, value in headers.items() if key.lower() == name), "")


def _delivery(settings: HubspotIntake, body: bytes, now: datetime) -> Delivery:
    """Return an event as a delivery; one of another shape as one that is held back."""
    try:
        head = _HEAD.decode(body)
        fields: dict[str, Any] = msgspec.json.decode(body)
        occurred_at = _EPOCH + timedelta(milliseconds=head.occurredAt)
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError):
        key = f"{settings.portal_id}/event/{digest(body.decode(errors='replace'))[:24]}"
        return Delivery(key, "0", UNREADABLE, body, now, account=str(settings.portal_id), parked="an event of another shape")
    kind = kind_of(head.subscriptionType, head.objectTypeId or head.fromObjectTypeId or "")
    return Delivery(
        dedupe_key=f"{head.portalId}/event/{_identity(fields)}",
        shard_key=shard_of(body),
        kind=kind,
        body=kept(kind, body),
        occurred_at=occurred_at,
        account=str(head.portalId),
        parked=_parked(settings, head),
    )


def _identity(fields: dict[str, Any]) -> str:
    """Return what is the same of an event each time it is tried; ``eventId`` alone is not guaranteed to be unique."""
    told = {name: value for name, value in fields.items() if name != "attemptNumber"}
    return f"{fields.get('eventId') or 0}-{digest(_ENCODER.encode(told).decode())[:16]}"


def _parked(settings: HubspotIntake, head: Head) -> str:
    if head.portalId == settings.portal_id:
        return ""
    return f"event of account {head.portalId}, and this connection is of {settings.portal_id}: give it a connection of its own"
