"""An org's records and everything that happens to them, by a clock that can be set: transactions, merges, deletions, locks. No HTTP.

What one transaction changed is told together (``tell``), as change data capture does. A stamp is a second: what changes twice in one has
one stamp.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from counterfoil.kit.sandbox.clock import MillisecondClock

from . import checking
from .errors import SalesforceError
from .ids import make_id, to_18
from .schema import STAGES, SObject, types, with_currencies, with_person_accounts

Obj = dict[str, Any]

START_MS = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
KEPT_MS = 15 * 86_400_000
"""How long the recycle bin keeps what is deleted, unless a world says otherwise (``kept_ms``)."""
SYSTEM = {"Id", "IsDeleted", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp"}


@lru_cache(maxsize=4_096)
def stamp(ms: int) -> str:
    """Return an instant as Salesforce writes it."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}+0000"


@dataclass
class Record:
    """One record. ``deleted_ms``: since when it is in the recycle bin."""

    id: str
    type: str
    created_ms: int
    created_by: str
    modified_ms: int
    modified_by: str
    system_ms: int
    values: Obj = field(default_factory=dict)
    deleted_ms: int | None = None

    def get(self, name: str) -> Any:
        """Return the value of a field; instants are milliseconds."""
        if name not in SYSTEM:
            return self.values.get(name)
        return {
            "Id": self.id,
            "IsDeleted": self.deleted_ms is not None,
            "CreatedDate": self.created_ms,
            "CreatedById": self.created_by,
            "LastModifiedDate": self.modified_ms,
            "LastModifiedById": self.modified_by,
            "SystemModstamp": self.system_ms,
        }[name]


@dataclass(frozen=True)
class Changed:
    """What a transaction did to one record. ``fields``: those that have another value now."""

    type: str
    id: str
    action: str
    fields: tuple[str, ...] = ()


@dataclass
class Transaction:
    """Who does something, from where, at which instant; and what was done."""

    user_id: str
    origin: str
    at_ms: int
    changes: list[Changed] = field(default_factory=list)


class World(MillisecondClock):
    """One org.

    ``hidden``: fields the hub's user may not see, by type; ``closed``: may see and not write. ``can_customize``: whether that user may make
    fields. ``rules``: validation rules. ``locks``: how many more writes each locked record
    refuses. ``tell``: is told what each transaction did.
    """

    def __init__(self, *, currency: str, has_currencies: bool, has_person_accounts: bool) -> None:
        super().__init__(START_MS)
        self.types = types()
        self.currency = currency
        self.records: dict[str, Record] = {}
        self.kept_ms = KEPT_MS
        self.hidden: set[tuple[str, str]] = set()
        self.closed: set[tuple[str, str]] = set()
        self.can_customize = True
        self.rules: list[checking.Rule] = []
        self.locks: dict[str, int] = {}
        self.tell: Callable[[Transaction], None] = lambda _transaction: None
        self._numbers = itertools.count(1)
        self._current: Transaction | None = None
        self.org_id = make_id("00D", 5)
        self.user_id = self.person_id = ""
        with self.acting(""):
            self.user_id = self.create("User", {"Username": "hub@blueharbor.example", "Name": "Hub", "IsActive": True}).id
            self.person_id = self.create("User", {"Username": "mira@blueharbor.example", "Name": "Mira Sand", "IsActive": True}).id
        if has_currencies:
            with_currencies(self.types)
            self._currencies()
        if has_person_accounts:
            with_person_accounts(self.types)

    def _currencies(self) -> None:
        """Make three currencies, and a rate of yen that changed during the year."""
        with self.acting(self.person_id):
            for code, rate, places in (("USD", 1.0, 2), ("EUR", 0.9, 2), ("JPY", 150.0, 0)):
                is_own = code == self.currency
                given = {"IsoCode": code, "ConversionRate": rate, "DecimalPlaces": places, "IsActive": True, "IsCorporate": is_own}
                self.create("CurrencyType", given)
            for rate, start, end in ((140.0, "2025-01-01", "2026-01-01"), (150.0, "2026-01-01", "9999-12-31")):
                self.create("DatedConversionRate", {"IsoCode": "JPY", "ConversionRate": rate, "StartDate": start, "NextStartDate": end})

    # Time and transactions

    @contextmanager
    def acting(self, user_id: str, origin: str = "", at_ms: int | None = None) -> Iterator[Transaction]:
        """Do several things as one transaction. ``at_ms``: when it began, if it is committed late."""
        if self._current is not None:
            yield self._current
            return
        began = self.tick() if at_ms is None else at_ms
        self._current = Transaction(user_id, origin, began // 1000 * 1000)
        try:
            yield self._current
            done = self._current
        finally:
            self._current = None
        if done.changes:
            self.tell(done)

    def begin(self) -> Late:
        """Begin a transaction that is committed later, with the stamp it began at."""
        return Late(self)

    # Reading

    def type_of(self, name: str, code: str = "NOT_FOUND") -> SObject:
        """Return a type by its name. Raises SalesforceError."""
        found = next((one for key, one in self.types.items() if key.lower() == name.lower()), None)
        if found is None:
            words = f"sObject type '{name}' is not supported." if code == "INVALID_TYPE" else "The requested resource does not exist"
            raise SalesforceError(400 if code == "INVALID_TYPE" else 404, code, words)
        return found

    def is_hidden(self, type_name: str, field_name: str) -> bool:
        """Tell whether the hub's user may not see a field."""
        return (type_name, field_name) in self.hidden

    def all(self, type_name: str, *, is_all: bool = False) -> list[Record]:
        """Return the records of a type, in the order they were made; with ``is_all`` also what the recycle bin holds."""
        found = (one for one in self.records.values() if one.type == type_name)
        return [one for one in found if one.deleted_ms is None or (is_all and self.now_ms - one.deleted_ms <= self.kept_ms)]

    def find(self, type_name: str, id: str) -> Record:
        """Return a record that is there. Raises SalesforceError."""
        found = self.records.get(to_18(id))
        if found is None or found.type != type_name:
            raise SalesforceError(404, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: " + id)
        if found.deleted_ms is not None:
            raise SalesforceError(404, "ENTITY_IS_DELETED", "entity is deleted")
        return found

    def by_value(self, type_name: str, field_name: str, value: Any) -> list[Record]:
        """Return the records with a value in a field, without regard to case."""
        text = str(value).lower()
        return [one for one in self.all(type_name) if str(one.get(field_name) or "").lower() == text]

    # Writing

    def create(self, type_name: str, values: Mapping[str, Any]) -> Record:
        """Make a record. Raises SalesforceError."""
        type_ = self.type_of(type_name)
        with self.acting(self.person_id) as by:
            given = checking.checked(self, type_, values, None)
            record = Record(make_id(type_.prefix, next(self._numbers)), type_.name, by.at_ms, by.user_id, by.at_ms, by.user_id, by.at_ms)
            record.values = given
            if "CurrencyIsoCode" in type_.fields:
                record.values.setdefault("CurrencyIsoCode", self.currency)
            self._computed(record)
            self._lock_of(record)
            checking.obeyed(self, type_, record)
            self.records[record.id] = record
            self._note(by, record, "CREATE", tuple(name for name, value in record.values.items() if value is not None))
            self._made(record, by)
        return record

    def update(self, type_name: str, id: str, values: Mapping[str, Any]) -> Record:
        """Change a record. Raises SalesforceError."""
        with self.acting(self.person_id) as by:
            record = self.find(type_name, id)
            before = dict(record.values)
            given = checking.checked(self, self.types[type_name], values, record)
            self._lock_of(record)
            record.values.update(given)
            self._computed(record)
            try:
                checking.obeyed(self, self.types[type_name], record)
            except SalesforceError:
                record.values = before
                raise
            self._touched(record, by, before)
        return record

    def _touched(self, record: Record, by: Transaction, before: Obj) -> None:
        """Stamp a record that was saved, whether or not anything differs, as Salesforce does; tell what does."""
        record.modified_ms = record.system_ms = max(record.system_ms, by.at_ms)
        record.modified_by = by.user_id
        changed = tuple(name for name in record.values if record.values[name] != before.get(name))
        if changed:
            self._note(by, record, "UPDATE", changed)
        self._made(record, by)

    def delete(self, type_name: str, id: str) -> None:
        """Put a record, and what belongs to it, into the recycle bin. Raises SalesforceError."""
        with self.acting(self.person_id) as by:
            record = self.find(type_name, id)
            self._lock_of(record)
            self._bin(record, by)

    def _bin(self, record: Record, by: Transaction) -> None:
        record.deleted_ms = record.system_ms = by.at_ms
        record.modified_ms, record.modified_by = by.at_ms, by.user_id
        self._note(by, record, "DELETE")
        for child in self._children(record):
            if child.deleted_ms is None:
                self._bin(child, by)
        self._made(record, by)

    def undelete(self, id: str) -> None:
        """Take a record, and what went with it, out of the recycle bin. Raises SalesforceError."""
        record = self.records.get(to_18(id))
        if record is None or record.deleted_ms is None or record.values.get("MasterRecordId"):
            raise SalesforceError(400, "UNDELETE_FAILED", "Entity is not in the recycle bin")
        with self.acting(self.person_id) as by:
            self._unbin(record, record.deleted_ms, by)

    def _unbin(self, record: Record, at_ms: int, by: Transaction) -> None:
        record.deleted_ms, record.system_ms, record.modified_ms = None, by.at_ms, by.at_ms
        self._note(by, record, "UNDELETE")
        for child in self._children(record):
            if child.deleted_ms == at_ms:
                self._unbin(child, at_ms, by)

    def purge(self, id: str) -> None:
        """Delete for good what is in the recycle bin."""
        self.records.pop(to_18(id), None)

    def merge(self, winner_id: str, *loser_ids: str) -> Record:
        """Merge up to two records into another, whose values win. Raises SalesforceError."""
        winner = self.records[to_18(winner_id)]
        type_ = self.types[winner.type]
        if not type_.can_merge or not 0 < len(loser_ids) <= 2 or winner.id in map(to_18, loser_ids):
            raise SalesforceError(400, "INVALID_OPERATION", "merges take one winner and up to two other records of one type")
        with self.acting(self.person_id) as by:
            for loser in [self.find(winner.type, id) for id in loser_ids]:
                before = dict(winner.values)
                for name, value in loser.values.items():
                    if winner.values.get(name) in (None, "") and name != "MasterRecordId":
                        winner.values[name] = value
                for child in self._children(loser):
                    self._move(child, loser.id, winner.id, by)
                loser.values["MasterRecordId"] = winner.id
                loser.deleted_ms = loser.system_ms = loser.modified_ms = by.at_ms
                self._note(by, loser, "DELETE")
                self._computed(winner)
                self._touched(winner, by, before)
        return winner

    def _move(self, child: Record, old: str, new: str, by: Transaction) -> None:
        before = dict(child.values)
        for name, value in before.items():
            if value == old and self.types[child.type].fields[name].type == "reference":
                child.values[name] = new
        child.system_ms = by.at_ms
        self._note(by, child, "UPDATE", tuple(name for name in before if before[name] != child.values[name]))

    # Details

    def _children(self, record: Record) -> list[Record]:
        kinds = self.types[record.type].children.values()
        return [one for other, name in kinds for one in self.records.values() if one.type == other and one.get(name) == record.id]

    def _lock_of(self, record: Record) -> None:
        """Refuse a write to a record that somebody else holds, or whose parent somebody does. Raises SalesforceError."""
        parents = (record.values.get(name) for name in ("ParentId", "AccountId", "OpportunityId"))
        for id in (record.id, *(one for one in parents if one)):
            if self.locks.get(id, 0) > 0:
                self.locks[id] -= 1
                raise SalesforceError(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")

    def _computed(self, record: Record) -> None:
        values = record.values
        if record.type == "Opportunity":
            values["IsClosed"], values["IsWon"] = STAGES.get(values.get("StageName") or "", (False, False))
        elif record.type == "OpportunityLineItem":
            price, count = values.get("UnitPrice") or 0.0, values.get("Quantity") or 0.0
            values["TotalPrice"] = round(price * count * (1 - (values.get("Discount") or 0.0) / 100), 2)
            product = self.records.get(values.get("Product2Id") or "")
            values["ProductCode"] = None if product is None else product.values.get("ProductCode")
        elif record.type == "Contact" or values.get("LastName"):
            values["Name"] = " ".join(part for part in (values.get("FirstName"), values.get("LastName")) if part)

    def _made(self, record: Record, by: Transaction) -> None:
        """Let what hangs on a record follow: the amount of an opportunity its lines, a person's contact its account."""
        if record.type == "OpportunityLineItem":
            deal = self.records.get(record.values["OpportunityId"])
            lines = [one for one in self.all("OpportunityLineItem") if one.values.get("OpportunityId") == record.values["OpportunityId"]]
            amount = round(sum(one.values["TotalPrice"] for one in lines), 2)
            if deal is not None and deal.deleted_ms is None and deal.values.get("Amount") != amount:
                before = dict(deal.values)
                deal.values.update(Amount=amount, HasOpportunityLineItem=bool(lines))
                self._touched(deal, by, before)
        elif record.type in ("FieldPermissions", "PermissionSetAssignment"):
            self._granted()
        elif record.type == "Account" and "IsPersonAccount" in self.types["Account"].fields:
            self._person(record)

    def need_customizing(self) -> None:
        """Refuse what only somebody may do who may make fields. Raises SalesforceError."""
        if not self.can_customize:
            raise SalesforceError(403, "INSUFFICIENT_ACCESS", "insufficient access rights on object")

    def _granted(self) -> None:
        """Let the hub's user see and write what the permission sets that are assigned to it say."""
        own = {one.values["PermissionSetId"] for one in self.all("PermissionSetAssignment") if one.values["AssigneeId"] == self.user_id}
        for one in self.all("FieldPermissions"):
            if one.values["ParentId"] in own:
                place = (one.values["SobjectType"], one.values["Field"].partition(".")[2])
                self.hidden.discard(place)
                (self.closed.discard if one.values.get("PermissionsEdit") else self.closed.add)(place)

    def _person(self, record: Record) -> None:
        values = record.values
        values["IsPersonAccount"] = bool(values.get("LastName"))
        if not values["IsPersonAccount"]:
            return
        given = {"FirstName": values.get("FirstName"), "LastName": values["LastName"], "Email": values.get("PersonEmail")}
        if values.get("PersonContactId"):
            contact = self.records[values["PersonContactId"]]
            if any(contact.values.get(name) != value for name, value in given.items()) and record.deleted_ms is None:
                self.update("Contact", contact.id, given)
            return
        contact = self.create("Contact", {**given, "AccountId": record.id})
        contact.values["IsPersonAccount"] = True
        values["PersonContactId"] = contact.id

    def _note(self, by: Transaction, record: Record, action: str, fields: Iterable[str] = ()) -> None:
        by.changes.append(Changed(record.type, record.id, action, tuple(fields)))


class Late:
    """A transaction that goes on for a while: what it does is seen by nobody until it is committed, and stamped as of its beginning."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._at_ms = world.tick()
        self._done: list[Callable[[], Any]] = []

    def create(self, type_name: str, **values: Any) -> None:
        """Make a record."""
        self._done.append(lambda: self._world.create(type_name, values))

    def update(self, record: Record, **values: Any) -> None:
        """Change a record."""
        self._done.append(lambda: self._world.update(record.type, record.id, values))

    def commit(self) -> None:
        """Let all of it be seen."""
        with self._world.acting(self._world.person_id, at_ms=self._at_ms):
            for do in self._done:
                do()
