"""The complete model: reading, writing and ``load``, the import that commits a record and its external id together."""

from __future__ import annotations

from typing import Any

from counterfoil.connectors.odoo.sandbox.orm import columns
from counterfoil.connectors.odoo.sandbox.orm.core import model_method
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
        if not data:
            return {"ids": [], "messages": [], "nextrow": 0}
        paths = [columns.split(name) for name in fields]
        columns.check_header(env, self, paths)
        mark = env.store.mark()
        records = columns.extract(env, self, paths, data)
        messages = [_ordered(e, i) for i, record in enumerate(records) for e in record.errors]
        ids: list[int] = []
        if not messages:
            try:
                ids = self._load_all(env, records)
            except OdooError as error:
                if isinstance(error, PythonError) and not isinstance(error, _Collision):
                    raise
                env.store.rollback(mark)
                ids, messages = self._load_singly(env, records)
        if messages:
            env.store.rollback(mark)
            return {"ids": False, "messages": messages, "nextrow": 0}
        return {"ids": ids, "messages": [], "nextrow": 0}

    def _load_singly(self, env: Env, records: list[columns.Record]) -> tuple[list[int], list[Row]]:
        ids: list[int] = []
        messages: list[Row] = []
        for index, record in enumerate(records):
            mark = env.store.mark()
            try:
                ids += self._load_all(env, [record])
            except OdooError as error:
                env.store.rollback(mark)
                message = self._message(error)
                entry: Row = {"rows": {"from": record.first, "to": record.last}, "record": index, "type": "error", "message": message}
                if isinstance(error, FieldRefusal) and self.version >= 19:
                    entry["field"] = error.field
                messages.append(entry)
            if len(messages) >= 10 and len(messages) * 10 > index + 1:
                messages.append({"type": "warning", "message": TOO_MANY})
                break
        return ids, messages

    def _message(self, error: OdooError) -> str:
        """Return an error as load tells it: a constraint without its preamble, before 19 in quotes."""
        bare = error.message.removeprefix("The operation cannot be completed: ")
        return repr(bare) if bare != error.message and self.version < 19 else bare

    def _load_all(self, env: Env, records: list[columns.Record]) -> list[int]:
        update = env.context.get("mode", "init") == "update"
        noupdate = bool(env.context.get("noupdate", False))
        ids: list[int | None] = []
        fresh: list[tuple[int, columns.Record]] = []
        seen: dict[str, int] = {}
        twice: list[tuple[int, int]] = []
        for record in records:
            xid = _full(record.xid)
            row_id = record.db_id
            known = env.db.xids.find(xid) if xid else None
            if known is not None and row_id is None:
                self._check_known(env, xid, known)
                row_id = known["res_id"]
                if update and known["noupdate"]:
                    ids.append(row_id)
                    continue
            if row_id is not None:
                if xid and known is None:
                    env.db.xids.add(env, xid, self.name, row_id, noupdate)
                self.write(env, [row_id], record.values)
                ids.append(row_id)
            elif xid and xid in seen:
                twice.append((len(ids), seen[xid]))
                ids.append(None)
                fresh.append((len(ids) - 1, record))
            else:
                if xid:
                    seen[xid] = len(ids)
                ids.append(None)
                fresh.append((len(ids) - 1, record))
        repeated = dict(twice)
        news = [(at, record) for at, record in fresh if at not in repeated]
        made = self.create(env, [record.values for _at, record in news]) if news else []
        for (at, record), row_id in zip(news, made, strict=True):
            ids[at] = row_id
            if record.xid:
                self.load_named(env, _full(record.xid), row_id, noupdate)
        for at, record in fresh:
            if at in repeated:
                ids[at] = ids[repeated[at]]
                if not (update and noupdate):
                    self.write(env, [int(ids[at] or 0)], record.values)
        return [int(i or 0) for i in ids]

    def _check_known(self, env: Env, xid: str, known: Row) -> None:
        if known["model"] != self.name:
            raise OdooError(
                f"For external id {xid} when trying to create/update a record of model {self.name} found record of different model"
                f" {known['model']} ({known['id']})"
            )
        if known.get("_commit") and known["_commit"] > env.db.snapshot:
            raise _Collision(SERIALIZATION)

    def load_named(self, env: Env, xid: str, row_id: int, noupdate: bool) -> None:
        """Record the external id of a created record."""
        env.db.xids.add(env, xid, self.name, row_id, noupdate)


class _Collision(PythonError):
    """Another transaction made the same external id after this one had started."""


class FieldRefusal(OdooError):
    """A constraint whose load message names a field."""

    name = "odoo.exceptions.ValidationError"

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


def _full(xid: str) -> str:
    return xid if not xid or "." in xid else f"__import__.{xid}"


def _ordered(error: Row, index: int) -> Row:
    message = {"rows": error["rows"], "type": "error", "record": index, "field": error["field"], "message": error["message"]}
    if "moreinfo" in error:
        message["moreinfo"] = error["moreinfo"]
    if error["field"] != ".id":
        message["field_name"] = error["field_name"]
    return message
