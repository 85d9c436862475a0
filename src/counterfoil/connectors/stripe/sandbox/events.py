"""The record of events: rendered once, when they happen, in every version somebody listens in; listed for thirty days.

Sources: https://docs.stripe.com/api/events, https://docs.stripe.com/webhooks#events-overview.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from .forms import Obj
from .render import build
from .timeline import iso

if TYPE_CHECKING:
    from .world import Account

_encode = msgspec.json.encode
KEPT_MAX = 50_000
"""Events of an account kept before those past retention are forgotten."""


@dataclass(slots=True)
class Recorded:
    """One event. ``data`` holds the encoded ``data`` object per API version; ``undelivered`` counts webhooks that have not taken it yet."""

    id: str
    number: int
    account: str
    type: str
    created: int
    api_version: str
    object_id: str
    object_kind: str
    data: dict[str, bytes]
    request_id: str | None
    idempotency_key: str | None
    undelivered: int = 0
    failed: int = 0
    thin_id: str = ""

    def snapshot(self, version: str = "") -> Obj:
        """Return the event object with its data in a version (empty: the account's), as it was when it happened."""
        version = version if version in self.data else self.api_version
        return {
            "id": self.id,
            "object": "event",
            "api_version": version,
            "created": self.created,
            "data": msgspec.Raw(self.data[version]),
            "livemode": False,
            "pending_webhooks": self.undelivered,
            "request": {"id": self.request_id, "idempotency_key": self.idempotency_key},
            "type": self.type,
        }

    def thin(self) -> Obj:
        """Return the v2 event that only names the object (https://docs.stripe.com/api/v2/core/events/object)."""
        collection = {"invoiceitem": "invoiceitems", "invoice_payment": "invoice_payments"}.get(self.object_kind, f"{self.object_kind}s")
        request = {"id": self.request_id, "idempotency_key": self.idempotency_key or ""}
        return {
            "id": self.thin_id,
            "object": "v2.core.event",
            "type": f"v1.{self.type}",
            "created": iso(self.created),
            "livemode": False,
            "context": None,
            "reason": {"type": "request", "request": request} if self.request_id else None,
            "related_object": {"id": self.object_id, "type": self.object_kind, "url": f"/v1/{collection}/{self.object_id}"},
            "snapshot_event": self.id,
        }


def _difference(old: Any, new: Any) -> Any:
    """Return the old values of what differs, nested objects by key, or None if nothing does."""
    changed: Obj = {}
    for key, value in old.items():
        now = new.get(key)
        if value == now:
            continue
        if isinstance(value, dict) and isinstance(now, dict):
            changed[key] = _difference(value, now)
        else:
            changed[key] = value
    for key in new:
        if key not in old:
            changed[key] = None
    return changed


class Journal:
    """All events of all accounts, and who is told of them."""

    def __init__(self) -> None:
        self.events: dict[str, list[Recorded]] = {}
        self.by_id: dict[str, Recorded] = {}
        self.versions: Callable[[Account], set[str]] = lambda account: {account.api_version}
        self.publish: Callable[[Account, Recorded], None] = lambda account, event: None
        self.is_muted = False

    def look(self, account: Account, obj: Obj) -> dict[str, bytes]:
        """Return how an object looks now in every version somebody listens in."""
        return {version: _encode(build(account, obj, version)) for version in self.versions(account)}

    def record(self, account: Account, event_type: str, obj: Obj, before: dict[str, bytes] | None) -> None:
        """Keep an event and publish it. ``before`` makes previous_attributes; an update without a difference is dropped."""
        if self.is_muted:
            return
        data: dict[str, bytes] = {}
        for version in self.versions(account):
            now = build(account, obj, version)
            whole: Obj = {"object": now}
            if before is not None:
                encoded = _encode(now)
                old = before.get(version) or before[account.api_version]
                if encoded == old:
                    return
                whole = {"object": msgspec.Raw(encoded)}
                whole["previous_attributes"] = _difference(msgspec.json.decode(old), msgspec.json.decode(encoded))
            data[version] = _encode(whole)
        self._keep(account, event_type, obj, data)

    def _keep(self, account: Account, event_type: str, obj: Obj, data: dict[str, bytes]) -> None:
        world = account.world
        kept = self.events.setdefault(account.id, [])
        event = Recorded(
            id=account.new_id("evt"),
            number=next(world.sequence),
            account=account.id,
            type=event_type,
            created=world.timeline.now,
            api_version=account.api_version,
            object_id=obj.get("id", ""),
            object_kind=obj.get("object", ""),
            data=data,
            request_id=world.cause.request_id,
            idempotency_key=world.cause.idempotency_key,
            thin_id=f"evt_test_{account.world.ids.letters(24)}",
        )
        kept.append(event)
        if len(kept) > KEPT_MAX:
            self._prune(kept, world.timeline.now)
        self.by_id[event.id] = event
        self.by_id[event.thin_id] = event
        self.publish(account, event)

    def _prune(self, kept: list[Recorded], now: int) -> None:
        """Forget the older half of what retention hides anyway."""
        from .world import RETENTION_S

        half = len(kept) // 2
        gone = [event for event in kept[:half] if event.created < now - RETENTION_S]
        for event in gone:
            del self.by_id[event.id], self.by_id[event.thin_id]
        del kept[: len(gone)]

    def newest_first(self, account: Account) -> Iterator[Recorded]:
        """Yield an account's events within retention, the newest first."""
        from .world import RETENTION_S

        oldest = account.world.timeline.now - RETENTION_S
        for event in reversed(self.events.get(account.id, [])):
            if event.created < oldest:
                return
            yield event

    def find(self, account: Account, event_id: str) -> Recorded | None:
        """Return an event by its id (snapshot or thin), within retention."""
        from .world import RETENTION_S

        event = self.by_id.get(event_id)
        if event is None or event.account != account.id or event.created < account.world.timeline.now - RETENTION_S:
            return None
        return event
