"""The door: verify a delivery's signature over its raw bytes, read the few fields intake needs, say which account it belongs to.

Sources: https://docs.stripe.com/webhooks#verify-manually (scheme, tolerance), https://docs.stripe.com/webhooks#roll-endpoint-secrets,
https://docs.stripe.com/event-destinations (thin events),
https://docs.stripe.com/connect/webhooks (``account``, test events on live endpoints).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from counterfoil.kit.connector import Delivery
from counterfoil.kit.errors import IntakeRefused

from .config import StripeIntake
from .wire import id_of
from .wire.events import Head

HEADER = "stripe-signature"
SIGNATURES_MAX = 16
_HEAD = msgspec.json.Decoder(Head)


def verify(settings: StripeIntake, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[Delivery, ...]:
    """Return the one delivery a webhook carries, or none for a signed empty body.

    Raises IntakeRefused: 413 too large; 400 no readable signature, stale, not JSON or not an event; 401 signed with another secret.
    """
    if len(body) > settings.body_size_max:
        raise IntakeRefused(f"the body has {len(body)} bytes, more than {settings.body_size_max}", code="stripe.body_too_large", status=413)
    check_signature(settings, _header(headers), body, now)
    if not body.strip():
        return ()
    return (delivery_of(settings, body),)


def delivery_of(settings: StripeIntake, body: bytes, own_account: str = "") -> Delivery:
    """Return the delivery of one event, as delivered or as listed. Raises IntakeRefused (400) if it is none.

    An event that names no account belongs to ``own_account``, by default the key's own.
    """
    try:
        head = _HEAD.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise IntakeRefused(f"the body is not a Stripe event: {error}", code="stripe.body_invalid", status=400) from error
    if not head.id.strip():  # all events without one would be one and the same
        raise IntakeRefused("the event has no id", code="stripe.body_invalid", status=400)
    named = head.account or (head.context if head.context and head.context.startswith("acct_") else None)
    account = named or own_account or settings.account
    return Delivery(
        dedupe_key=f"{account}/{head.id}",
        shard_key=_shard(head),
        kind=head.type,
        body=body,
        occurred_at=_created(head),
        account=account,
        api_version=head.api_version or "",
        parked=_parked(settings, head, account),
    )


def check_signature(settings: StripeIntake, header: str, body: bytes, now: datetime) -> None:
    """Raise IntakeRefused unless one of the header's ``v1`` signatures was made with one of our secrets within the tolerance.

    Other schemes (``v0``) are ignored. Comparison takes constant time. An instant further in the future than the tolerance is refused too.
    """
    stamp, signatures = _parts(header)
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12 or not signatures:
        raise IntakeRefused("no readable Stripe-Signature header", code="stripe.signature_missing", status=400)
    signed = stamp.encode() + b"." + body
    is_ours = False
    for secret in settings.webhook_secrets:
        expected = hmac.digest(secret.get_secret_value().encode(), signed, "sha256").hex().encode()
        for given in signatures:
            is_ours |= hmac.compare_digest(expected, given.encode("utf-8", "replace"))
    if not is_ours:
        raise IntakeRefused("the signature was not made with this endpoint's secret", code="stripe.signature_mismatch", status=401)
    if abs(now.timestamp() - int(stamp)) > settings.tolerance_s:
        raise IntakeRefused(f"the signature is more than {settings.tolerance_s} s old or ahead", code="stripe.signature_stale", status=400)


def _header(headers: Mapping[str, str]) -> str:
    found = headers.get(HEADER) or headers.get("Stripe-Signature")
    if found is None:
        found = next((value for name, value in headers.items() if name.lower() == HEADER), "")
    return found


def _parts(header: str) -> tuple[str, list[str]]:
    stamp = ""
    signatures: list[str] = []
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name == "t":
            stamp = value
        elif name == "v1" and len(signatures) < SIGNATURES_MAX:
            signatures.append(value)
    return stamp, signatures


def _shard(head: Head) -> str:
    """One customer's objects stay in one shard where the payload tells the customer; else the object is its own shard."""
    if head.data is not None:
        return id_of(head.data.object.customer) or head.data.object.id or head.id
    return head.related_object.id if head.related_object is not None else head.id


def _created(head: Head) -> datetime:
    try:
        if isinstance(head.created, int):
            return datetime.fromtimestamp(head.created, UTC)
        instant = datetime.fromisoformat(head.created)
    except (ValueError, OverflowError, OSError) as error:
        raise IntakeRefused("the event's time of creation is not readable", code="stripe.body_invalid", status=400) from error
    if instant.tzinfo is None:
        raise IntakeRefused("the event's time of creation has no zone", code="stripe.body_invalid", status=400)
    return instant.astimezone(UTC)


def _parked(settings: StripeIntake, head: Head, account: str) -> str:
    if account not in settings.all_accounts:
        return f"unknown account {account}: add it to accounts of this connection, or take it out of the webhook endpoint"
    if head.livemode != settings.is_live:
        mode, own = ("live", "test") if head.livemode else ("test", "live")
        return f"{mode} mode event on a {own} mode connection: its money is not booked here"
    return ""
