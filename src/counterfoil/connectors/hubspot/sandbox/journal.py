"""The webhooks journal: entries in order, each with a file of events, for three days.

https://developers.hubspot.com/docs/api-reference/latest/webhooks-journal/guide.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from .types import Obj, Type
from .world import iso

KEPT_MS = 3 * 86_400_000
EVENTS_MAX = 50
OPEN_MS = 60_000
"""How long what happens goes into one entry, unless somebody asks for it."""
ACTIONS = {
    "creation": "CREATE",
    "propertyChange": "UPDATE",
    "deletion": "DELETE",
    "merge": "MERGE",
    "restore": "RESTORE",
    "privacyDeletion": "GDPR_DELETE",
}


@dataclass
class Entry:
    """One entry."""

    offset: str
    at_ms: int
    events: list[Obj] = field(default_factory=list)


class Journal:
    """What happened, as the app's subscriptions to everything see it."""

    def __init__(self, portal_id: int, now_ms: Callable[[], int]) -> None:
        self._portal_id = portal_id
        self._now_ms = now_ms
        self.entries: list[Entry] = []
        self._is_open = False

    def add(self, action: str, type_: Type, told: Obj) -> None:
        """Note what happened."""
        if not self._is_open or len(self.entries[-1].events) >= EVENTS_MAX or self._now_ms() - self.entries[-1].at_ms > OPEN_MS:
            number = f"{self._portal_id}/{len(self.entries)}"
            digest = hashlib.sha256(number.encode()).hexdigest()
            offset = f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
            self.entries.append(Entry(offset, self._now_ms()))
            self._is_open = True
        self.entries[-1].events.append(self._event(action, type_, told))

    def _event(self, action: str, type_: Type, told: Obj) -> Obj:
        name = ACTIONS.get(action, "ASSOCIATION_REMOVED" if told.get("associationRemoved") else "ASSOCIATION_ADDED")
        event: Obj = {
            "type": "association" if action == "associationChange" else "crmObject",
            "portalId": self._portal_id,
            "occurredAt": iso(told["occurredAt"]),
            "action": name,
            "objectTypeId": type_.type_id,
            "objectId": told.get("objectId", told.get("fromObjectId")),
        }
        if action == "associationChange":
            event |= {"fromObjectId": told["fromObjectId"], "toObjectId": told["toObjectId"], "associationType": told["associationType"]}
        if action == "propertyChange":
            event["propertyChanges"] = {told["propertyName"]: told["propertyValue"]}
        return event

    def kept(self) -> list[Entry]:
        """Return the entries there are; what is asked for is closed: what happens later goes into the next one."""
        self._is_open = False
        return [entry for entry in self.entries if self._now_ms() - entry.at_ms <= KEPT_MS]

    def file(self, offset: str) -> Obj | None:
        """Return the file of an entry."""
        found = next((entry for entry in self.kept() if entry.offset == offset), None)
        if found is None:
            return None
        return {"offset": found.offset, "journalEvents": found.events, "publishedAt": iso(found.at_ms)}
