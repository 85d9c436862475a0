"""An account's records, what belongs together, and everything that happens to them, by a clock that can be set. No HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from counterfoil.kit.sandbox.clock import MillisecondClock

from .errors import HubspotError, invalid, not_found
from .labels import Labels
from .properties import Properties, is_number
from .types import ASSOCIATIONS, COMPUTED, STAGES, Obj, Type

KEPT_MS = 90 * 86_400_000
"""How long what is deleted can still be read and restored."""
START_MS = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)


def iso(ms: int) -> str:
    """Return an instant as HubSpot writes it."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


@dataclass
class Record:
    """One record. ``indexed``: what search knows of it, and from when on; the newest last."""

    id: str
    type: Type
    created_ms: int
    updated_ms: int
    properties: dict[str, str] = field(default_factory=dict)
    archived_ms: int | None = None
    indexed: list[tuple[int, dict[str, str] | None]] = field(default_factory=list)

    def values(self) -> dict[str, str]:
        """Return every property it has."""
        own = {"hs_object_id": self.id, "createdate": iso(self.created_ms), self.type.changed_at: iso(self.updated_ms)}
        return {**self.properties, **own}


class World(MillisecondClock):
    """One account.

    ``index_lag_ms``: how late search learns of changes. ``makes_new_on_merge``: types of which a merge makes a record of a new number.
    """

    def __init__(self, portal_id: int, *, index_lag_ms: int = 0) -> None:
        super().__init__(START_MS)
        self.portal_id = portal_id
        self.currency = "USD"
        self.index_lag_ms = index_lag_ms
        self.makes_new_on_merge = {"companies", "deals"}
        self.records: dict[tuple[str, str], Record] = {}
        self.merged: dict[tuple[str, str], str] = {}
        self.links: dict[tuple[str, str, str], dict[str, bool]] = {}
        self.labels = Labels()
        self.tell: Callable[[str, Type, Obj], None] = lambda action, type_, more: None
        self.properties = Properties()
        self._next_id = 100

    # Reading

    def find(self, type_: Type, id: str, *, is_archived: bool = False) -> Record | None:
        """Return a record by its number, or by one it had before it was merged; a deleted one only if that is asked for."""
        found = self.records.get((type_.path, self.resolve(type_, id)))
        if found is None or (found.archived_ms is not None) != is_archived or (is_archived and self._is_purged(found)):
            return None
        return found

    def resolve(self, type_: Type, id: str) -> str:
        """Return the number a record has now."""
        while (type_.path, id) in self.merged:
            id = self.merged[type_.path, id]
        return id

    def all(self, type_: Type, *, is_archived: bool = False) -> list[Record]:
        """Return all records of a type, in the order of their numbers."""
        found = [one for (path, _), one in self.records.items() if path == type_.path and (one.archived_ms is not None) == is_archived]
        return sorted((one for one in found if not (is_archived and self._is_purged(one))), key=lambda one: int(one.id))

    def _is_purged(self, record: Record) -> bool:
        return record.archived_ms is not None and self.now_ms - record.archived_ms > KEPT_MS

    def searchable(self, type_: Type) -> list[tuple[Record, dict[str, str]]]:
        """Return what search knows now of a type."""
        found = []
        for (path, _), record in self.records.items():
            known = [values for at, values in record.indexed if at <= self.now_ms] if path == type_.path else []
            if known and known[-1] is not None:
                found.append((record, known[-1]))
        return found

    # Writing

    def create(self, type_: Type, properties: Mapping[str, Any]) -> Record:
        """Make a record. Raises HubspotError."""
        values = self._checked(type_, properties)
        if type_.path == "contacts" and values.get("email") and self.by_property(type_, "email", values["email"]):
            raise HubspotError(409, "CONFLICT", "Contact already exists. Existing ID: " + self.by_property(type_, "email", values["email"]))
        at = self.tick()
        self._next_id += 1
        record = Record(str(self._next_id), type_, at, at, values)
        self.records[type_.path, record.id] = record
        self._compute(record)
        self._index(record)
        self.tell("creation", type_, {"objectId": int(record.id), "occurredAt": at})
        return record

    def update(self, type_: Type, id: str, properties: Mapping[str, Any]) -> Record:
        """Change a record; each property that changed is told by an event of its own. Raises HubspotError."""
        record = self.find(type_, id)
        if record is None:
            raise not_found(f"resource not found: {type_.name} {id}")
        values = self._checked(type_, properties)
        changed = {name: value for name, value in values.items() if record.properties.get(name, "") != value}
        if changed:
            record.properties.update(changed)
            record.updated_ms = self.tick()
            self._compute(record)
            self._index(record)
        for name, value in changed.items():
            told = {"objectId": int(record.id), "propertyName": name, "propertyValue": value, "occurredAt": record.updated_ms}
            self.tell("propertyChange", type_, told)
        return record

    def archive(self, type_: Type, id: str) -> None:
        """Delete a record; it can be restored. Deleting what is not there does nothing."""
        record = self.find(type_, id)
        if record is not None:
            record.archived_ms = self.tick()
            self._index(record)
            self.tell("deletion", type_, {"objectId": int(record.id), "occurredAt": record.archived_ms})

    def restore(self, type_: Type, id: str) -> None:
        """Take a deletion back. Raises HubspotError."""
        record = self.find(type_, id, is_archived=True)
        if record is None:
            raise not_found(f"no deleted {type_.name} {id}")
        record.archived_ms, record.updated_ms = None, self.tick()
        self._index(record)
        self.tell("restore", type_, {"objectId": int(record.id), "occurredAt": record.updated_ms})

    def erase(self, type_: Type, id: str) -> None:
        """Delete a contact for good, by the person's right: it is in no list of deleted records."""
        record = self.find(type_, id) or self.find(type_, id, is_archived=True)
        if record is None:
            raise not_found(f"resource not found: {type_.name} {id}")
        at = self.tick()
        del self.records[type_.path, record.id]
        for (path, own, _), ends in list(self.links.items()):
            if (path, own) == (type_.path, record.id):
                ends.clear()
        for (_, _, other), ends in self.links.items():
            if other == type_.path:
                ends.pop(record.id, None)
        told = {"objectId": int(record.id), "occurredAt": at}
        self.tell("privacyDeletion", type_, told)
        self.tell("deletion", type_, told)

    def merge(self, type_: Type, primary_id: str, other_id: str) -> Record:
        """Merge a record into another, whose values win; some types get a record of a new number. Raises HubspotError."""
        primary, other = self.find(type_, primary_id), self.find(type_, other_id)
        if primary is None or other is None:
            raise not_found(f"resource not found: {type_.name} {other_id if primary else primary_id}")
        if primary.id == other.id:
            raise HubspotError(400, "VALIDATION_ERROR", f"Cannot merge {type_.name} {primary.id} with itself")
        at = self.tick()
        moved = {name: value for name, value in other.properties.items() if not primary.properties.get(name)}
        survivor, gone = primary, [other]
        if type_.path in self.makes_new_on_merge:
            self._next_id += 1
            survivor = Record(str(self._next_id), type_, at, at)
            self.records[type_.path, survivor.id] = survivor
            gone = [primary, other]
        merged = [old for one in (primary, other) for old in one.properties.get("hs_merged_object_ids", "").split(";") if old]
        named = dict.fromkeys((*merged, *(one.id for one in gone)))
        survivor.properties = {**moved, **{n: v for n, v in primary.properties.items() if v}, "hs_merged_object_ids": ";".join(named)}
        survivor.updated_ms = at
        for one in gone:
            del self.records[type_.path, one.id]
            self.merged[type_.path, one.id] = survivor.id
            self._move_links(type_, one.id, survivor.id)
        self._index(survivor)
        self.tell(
            "merge",
            type_,
            {
                "objectId": int(survivor.id),
                "primaryObjectId": int(primary.id),
                "mergedObjectIds": [int(other.id)],
                "newObjectId": int(survivor.id),
                "numberOfPropertiesMoved": len(moved),
                "occurredAt": at,
            },
        )
        return survivor

    # Associations

    def associate(self, from_: Type, from_id: str, to: Type, to_id: str) -> None:
        """Let two records belong together, both ways; a record's first company is its primary one. Raises HubspotError."""
        ends = [(from_, self.find(from_, from_id)), (to, self.find(to, to_id))]
        for type_, record in ends:
            if record is None:
                raise not_found(f"resource not found: {type_.name}")
        if (from_.path, to.path) not in ASSOCIATIONS and (to.path, from_.path) not in ASSOCIATIONS:
            raise HubspotError(400, "VALIDATION_ERROR", f"{from_.name} to {to.name} is no association")
        for one, other in ((0, 1), (1, 0)):
            (type_, record), (other_type, end) = ends[one], ends[other]
            if record is not None and end is not None:
                self._link(type_, record.id, other_type, end.id)

    def _link(self, type_: Type, id: str, other: Type, other_id: str) -> None:
        known = self.links.setdefault((type_.path, id, other.path), {})
        if other_id not in known:
            known[other_id] = other.path == "companies" and not any(known.values())
            self._tell_link(type_, id, other, other_id, is_removed=False)

    def mark(self, from_: Type, from_id: str, to: Type, to_id: str, type_ids: Iterable[int]) -> None:
        """Let two records belong together in the ways of some association types; a primary one is the only one. Raises HubspotError."""
        for type_id in type_ids:
            if type_id not in ASSOCIATIONS.get((from_.path, to.path), ()) and not self.labels.has(from_, to, type_id):
                raise HubspotError(400, "VALIDATION_ERROR", f"{type_id} is no association type of {from_.name} and {to.name}")
        self.associate(from_, from_id, to, to_id)
        a, b = self.resolve(from_, from_id), self.resolve(to, to_id)
        ends = self.links[from_.path, a, to.path]
        for type_id in type_ids:
            if type_id == ASSOCIATIONS.get((from_.path, to.path), (0, 0))[1]:
                ends.update({end: end == b for end in ends})
            elif self.labels.has(from_, to, type_id):
                self.labels.put((from_.path, a, to.path, b), type_id)
        self._tell_link(from_, a, to, b, is_removed=False)

    def dissociate(self, from_: Type, from_id: str, to: Type, to_id: str) -> None:
        """Let two records not belong together any more."""
        a, b = self.resolve(from_, from_id), self.resolve(to, to_id)
        for type_, id, other, other_id in ((from_, a, to, b), (to, b, from_, a)):
            self.labels.drop((type_.path, id, other.path, other_id))
            if self.links.get((type_.path, id, other.path), {}).pop(other_id, None) is not None:
                self._tell_link(type_, id, other, other_id, is_removed=True)

    def associated(self, type_: Type, id: str, other: Type) -> dict[str, bool]:
        """Return the records of another type that belong to one and are not deleted, and whether each is its primary one."""
        known = self.links.get((type_.path, self.resolve(type_, id), other.path), {})
        return {end: is_primary for end, is_primary in known.items() if self.find(other, end) is not None}

    def _tell_link(self, type_: Type, id: str, other: Type, other_id: str, *, is_removed: bool) -> None:
        told = {
            "associationType": f"{type_.name}_to_{other.name}".upper(),
            "fromObjectId": int(id),
            "toObjectId": int(other_id),
            "associationRemoved": is_removed,
            "isPrimaryAssociation": self.links.get((type_.path, id, other.path), {}).get(other_id, False),
            "occurredAt": self.tick(),
        }
        self.tell("associationChange", type_, told)

    def _move_links(self, type_: Type, old: str, new: str) -> None:
        self.labels.move(type_, old, new)
        for (path, id, other), ends in list(self.links.items()):
            if (path, id) == (type_.path, old):
                kept = self.links.setdefault((path, new, other), {})
                for end, is_primary in ends.items():
                    kept.setdefault(end, is_primary and not any(kept.values()))
                del self.links[path, id, other]
            elif other == type_.path and old in ends:
                ends.setdefault(new, ends.pop(old))

    # Details

    def by_property(self, type_: Type, name: str, value: str) -> str:
        """Return the number of the record with a value, empty if there is none."""
        found = (one.id for one in self.all(type_) if one.properties.get(name, "").lower() == value.lower())
        return next(found, "")

    def check(self, type_: Type, properties: Mapping[str, Any]) -> None:
        """See that values could be written. Raises HubspotError."""
        self._checked(type_, properties)

    def _checked(self, type_: Type, properties: Mapping[str, Any]) -> dict[str, str]:
        values: dict[str, str] = {}
        for name, value in properties.items():
            if not self.properties.has(type_, name):
                raise invalid(f'Property "{name}" does not exist', "PROPERTY_DOESNT_EXIST", propertyName=name)
            if name in COMPUTED:
                raise invalid(f'"{name}" is a read only property', "READ_ONLY_VALUE", propertyName=name)
            if isinstance(value, dict | list):
                raise invalid(f"{name} must be a text", "INVALID_FORMAT", propertyName=name)
            text = "" if value is None else str(value)
            if name in type_.numbers and text and not is_number(text):
                raise invalid(f"{text} was not a valid number.", "INVALID_NUMBER", propertyName=name)
            self.properties.check(type_, name, text)
            values[name] = text
        return values

    def _compute(self, record: Record) -> None:
        if record.type.path == "deals":
            closed, won = STAGES.get(record.properties.get("dealstage", ""), ("false", "false"))
            record.properties.update(hs_is_closed=closed, hs_is_closed_won=won)

    def _index(self, record: Record) -> None:
        known = None if record.archived_ms is not None else record.values()
        record.indexed.append((self.now_ms + self.index_lag_ms, known))
