"""The complete model: reading, writing and ``load``, the import that commits a record and its external id together."""

from __future__ import annotations

from typing import Any

from counterfoil.connectors.odoo.sandbox.orm import columns, rights
from counterfoil.connectors.odoo.sandbox.orm.core import model_method, record_method
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import OdooError, PythonError
from counterfoil.connectors.odoo.sandbox.orm.store import Row
from counterfoil.connectors.odoo.sandbox.orm.writing import Writing

SERIALIZATION = "could not serialize access due to concurrent update\n"
TOO_MANY = "Found more than 10 errors and more than one error per 10 records, interrupted to avoid showing too many errors."


class Model(Writing):
    """Base of all models."""

    @model_method
    def load(self, env: Env, fields: list[str], data: list[list[Any]]) -> Row:
        """Create or update records by external id; all or nothing, failures are messages (HTTP 200)."""
        paths = [columns.split(name) for name in fields]
        columns.check_header(env, self, paths)
        mark = env.store.mark()
        loading = Loading(env, self)
        env.db.pending = loading.settle
        try:
            for record in columns.extract(env, self, paths, data):
                loading.take(record)
            loading.flush()
        finally:
            env.db.pending = None
        if any(m["type"] == "error" for m in loading.messages):
            env.store.rollback(mark)
            return {"ids": False, "messages": loading.messages, "nextrow": 0}
        return {"ids": loading.ids, "messages": loading.messages, "nextrow": 0}

    @record_method
    def has_access(self, env: Env, ids: list[int], operation: str) -> bool:
        """Return whether the user may do an operation on records of this model."""
        return rights.allowed(env, self.name, operation)

    @model_method
    def check_access_rights(self, env: Env, operation: str, raise_exception: bool = True) -> bool:
        """Return whether the user may do an operation, or raise."""
        if raise_exception:
            rights.check(env, self, operation)
        return rights.allowed(env, self.name, operation)

    def load_named(self, env: Env, xid: str, row_id: int, noupdate: bool) -> None:
        """Record the external id of a created record."""
        env.db.xids.add(env, xid, self.name, row_id, noupdate)


class Loading:
    """One load under way: converted records wait here until a later row needs them, or the end."""

    def __init__(self, env: Env, model: Model) -> None:
        self.env = env
        self.model = model
        self.ids: list[int] = []
        self.messages: list[Row] = []
        self.waiting: list[columns.Record] = []
        self.update = env.context.get("mode", "init") == "update"
        self.noupdate = bool(env.context.get("noupdate", False))

    def take(self, record: columns.Record) -> None:
        """Take a record in, or what is wrong with it."""
        for error in record.errors:
            self.messages.append(_ordered(error, record.index))
        if not record.errors:
            self.waiting.append(record)

    def settle(self, xid: str) -> None:
        """Load what waits, if it has the external id a later row refers to."""
        if any(full_name(record.xid) == xid for record in self.waiting):
            self.flush()

    def flush(self) -> None:
        """Load what waits: all at once, after a refusal one by one."""
        records, self.waiting = self.waiting, []
        if not records:
            return
        mark = self.env.store.mark()
        try:
            rights.check(self.env, self.model, "create")
            self.ids += self._all(records)
        except OdooError as error:
            self.env.store.rollback(mark)
            if self._singly(records) and self.env.version >= 18 and _is_raised(error):
                # What the whole batch failed with is told, too, in the name of its first row, whose fault it need not be.
                head = self._message(error, records[0])
                if head not in self.messages:
                    self.messages.insert(0, head)

    def _singly(self, records: list[columns.Record]) -> int:
        """Load one by one and return how many failed."""
        errors = 0
        for position, record in enumerate(records):
            mark = self.env.store.mark()
            try:
                rights.check(self.env, self.model, "create")
                self.ids += self._all([record])
            except OdooError as error:
                self.env.store.rollback(mark)
                errors += 1
                self.messages.append(self._message(error, record))
            if errors >= 10 and errors * 10 > position + 1:
                self.messages.append({"type": "warning", "message": TOO_MANY})
                break
        return errors

    def _message(self, error: OdooError, record: columns.Record) -> Row:
        """Return an error as load tells it: a constraint without its preamble, before 19 in quotes."""
        text = error.message.removeprefix("The operation cannot be completed: ")
        if text != error.message and self.env.version < 19:
            text = repr(text)
        if isinstance(error, PythonError) and not isinstance(error, Collision):
            text = f"Unknown error during import: <class '{error.name.removeprefix('builtins.')}'>: {error.message}"
        entry: Row = {"rows": {"from": record.first, "to": record.last}, "record": record.index, "type": "error", "message": text}
        if isinstance(error, FieldRefusal) and self.env.version >= 19:
            entry["field"] = error.field
        return entry

    def _all(self, records: list[columns.Record]) -> list[int]:
        ids: list[int] = [0] * len(records)
        seen: dict[str, int] = {}
        fresh: list[int] = []
        again: list[int] = []
        for position, record in enumerate(records):
            xid = full_name(record.xid)
            known = self.env.db.xids.find(xid) if xid else None
            if known is not None or (record.db_id is not None and not xid):
                ids[position] = self._existing(record, xid, known)
            elif xid and xid in seen:
                again.append(position)
            else:
                seen.setdefault(xid, position)
                fresh.append(position)
        made = self.model.create(self.env, [records[p].values for p in fresh]) if fresh else []
        for position, row_id in zip(fresh, made, strict=True):
            ids[position] = row_id
            if records[position].xid:
                self.model.load_named(self.env, full_name(records[position].xid), row_id, self.noupdate)
        for position in again:
            ids[position] = ids[seen[full_name(records[position].xid)]]
            if not (self.update and self.noupdate):
                self.model.write(self.env, [ids[position]], records[position].values)
        return ids

    def _existing(self, record: columns.Record, xid: str, known: Row | None) -> int:
        """Update an existing record, unless it is protected from updates and this load only inserts."""
        if known is not None:
            if known["model"] != self.model.name:
                raise OdooError(
                    f"For external id {xid} when trying to create/update a record of model {self.model.name} found record of different"
                    " model"
                    f" {known['model']} ({known['id']})"
                )
            if known.get("_commit") and known["_commit"] > self.env.db.snapshot:
                raise Collision(SERIALIZATION)
            if self.update and known["noupdate"]:
                return int(known["res_id"])
        row_id = int(known["res_id"]) if known is not None else record.db_id or 0
        self.model.write(self.env, [row_id], record.values)
        return row_id


class Collision(PythonError):
    """Another transaction made the same external id after this one had started."""


class FieldRefusal(OdooError):
    """A constraint whose load message names a field."""

    name = "odoo.exceptions.ValidationError"

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


def _is_raised(error: OdooError) -> bool:
    """Whether Odoo itself refuses (a UserError or a kind of it), and not its database."""
    database = ("The operation cannot be completed: ", "new row for relation ")
    is_database = isinstance(error, FieldRefusal) or error.message.startswith(database)
    return error.name.startswith("odoo.exceptions.") and not is_database


def full_name(xid: str) -> str:
    """Return an external id with its module."""
    return xid if not xid or "." in xid else f"__import__.{xid}"


def _ordered(error: Row, index: int) -> Row:
    message = {"rows": error["rows"], "type": "error", "record": index, "field": error["field"], "message": error["message"]}
    if "moreinfo" in error:
        message["moreinfo"] = error["moreinfo"]
    if error["field"] != ".id":
        message["field_name"] = error["field_name"]
    return message
