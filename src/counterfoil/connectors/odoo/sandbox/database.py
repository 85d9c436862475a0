"""One simulated database: registry of models, store, external ids, users' keys, settings, and transactions around calls."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from counterfoil.connectors.odoo.sandbox.books.sequences import Numbers
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import OdooError, ValidationError
from counterfoil.connectors.odoo.sandbox.orm.model import Model
from counterfoil.connectors.odoo.sandbox.orm.store import Row, Store

if TYPE_CHECKING:
    from counterfoil.connectors.odoo.sandbox.books.sync import Snapshot

VERSIONS = (17, 18, 19, 20)
BUILDS = {17: "17.0-20240709", 18: "18.0-20250702", 19: "19.0", 20: "20.0"}


class WorkerKilled(Exception):
    """The call ran into the time limit: its worker is killed, the connection drops, nothing is committed."""


@dataclass
class Settings:
    """What the control interface can switch."""

    enterprise: bool = False  # account_accountant: no entry for payments without outstanding account, in_payment
    documents_max: int = 0  # kill calls creating or posting more records than this (0: never)
    record_ms: float = 0.0  # duration of a call per record it concerns
    call_ms: float = 0.0  # fixed duration of a call


class Xids:
    """External ids: the ir.model.data table, found by complete name or by record."""

    model = "ir.model.data"

    def __init__(self, store: Store) -> None:
        self.store = store

    def find(self, xid: str) -> Row | None:
        """Return the row of an external id."""
        table = self.store.tables[self.model]
        ids = table.indexes["complete_name"].get(xid)
        return table.rows[next(iter(ids))] if ids else None

    def add(self, env: Env, xid: str, model: str, res_id: int, noupdate: bool) -> None:
        """Insert an external id. Raises on a space or a duplicate, as the database's constraints do."""
        module, _, name = xid.partition(".")
        if " " in name:
            raise OdooError(
                'new row for relation "ir_model_data" violates check constraint "ir_model_data_name_nospaces"\nDETAIL:  Failing row'
                " contains"
                f" ({self.store.tables[self.model].next_id}, null, {env.now}, {env.now}, null, {res_id}, {'t' if noupdate else 'f'},"
                f" {name},"
                f" {module}, {model}).\n"
            )
        if self.find(xid) is not None:
            raise ValidationError(
                'The operation cannot be completed: duplicate key value violates unique constraint "ir_model_data_module_name_uniq_index"\n'
                f"DETAIL:  Key (module, name)=({module}, {name}) already exists.\n"
            )
        row: Row = {
            "module": module,
            "name": name,
            "complete_name": xid,
            "model": model,
            "res_id": res_id,
            "noupdate": noupdate,
            "_commit": None,
            "create_date": env.now,
            "write_date": env.now,
            "create_uid": env.uid,
            "write_uid": env.uid,
        }
        self.store.insert(self.model, row)

    def of(self, model: str, res_id: int) -> list[Row]:
        """Return the external ids of a record."""
        table = self.store.tables[self.model]
        return [table.rows[i] for i in table.find("res_id", res_id) if table.rows[i]["model"] == model]

    def name_of(self, env: Env, model: str, res_id: int) -> str:
        """Return a record's external id, making one as an export does when it has none."""
        found = self.of(model, res_id)
        if found:
            return str(found[0]["complete_name"])
        xid = f"__export__.{model.replace('.', '_')}_{res_id}_{hashlib.sha256(f'{model}{res_id}'.encode()).hexdigest()[:8]}"
        self.add(env, xid, model, res_id, noupdate=False)
        return xid

    def forget(self, _env: Env, model: str, res_id: int) -> None:
        """Remove the external ids of a deleted record."""
        for row in self.of(model, res_id):
            self.store.delete(self.model, row["id"])

    def repoint(self, env: Env, model: str, old: int, new: int) -> None:
        """Let the external ids of one record name another (partner merge)."""
        for row in self.of(model, old):
            env.set(self.model, row, res_id=new)


class Database:
    """Everything one simulated server knows. ``clock`` gives the present instant; an offset set by the control interface moves "today"."""

    def __init__(self, name: str, version: int, clock: Callable[[], datetime] | None = None) -> None:
        if version not in VERSIONS:
            raise ValueError(f"Odoo version {version} is not simulated; one of {VERSIONS}")
        self.name = name
        self.version = version
        self.settings = Settings()
        self.store = Store()
        self.store.on_rollback = self.after_rollback
        self.xids = Xids(self.store)
        self.registry: dict[str, Model] = {}
        self.keys: dict[str, int] = {}
        self.passwords: dict[str, str] = {}
        self.expired: set[str] = set()
        self.snapshot = 0
        self.pending: Callable[[str], None] | None = None  # loads what a running load still holds back
        self.groups_field = "group_ids" if version >= 19 else "groups_id"
        self.queue_pushes: Callable[[Env], list[tuple[str, Row]]] = lambda _env: []
        self.leaked_pushes: Callable[[Env], list[tuple[str, Row]]] = lambda _env: []  # before 19: sent although rolled back
        self.after_commit: list[Callable[[], None]] = []
        self.open_moves: dict[int, Snapshot] = {}
        self.reversals: list[int] = []
        self.numbers = Numbers()
        self.script: list[Row] = []  # what the interfering human waits to do
        self.outbox: list[tuple[str, Row]] = []  # webhooks to send
        self.pushes: list[Row] = []  # webhooks sent, with their outcome
        self.offset = timedelta(0)
        self._clock = clock or (lambda: datetime.now(UTC))

    def register(self, models: list[type[Model]]) -> None:
        """Make the models of this version known and their tables."""
        for kind in models:
            model = kind(self.version)
            self.registry[model.name] = model
            self.store.add_table(model.name, model.indexes)

    def has_language(self, code: str) -> bool:
        """Return whether a language is installed."""
        rows = self.store.tables["res.lang"].rows
        return any(rows[i]["active"] for i in self.store.tables["res.lang"].find("code", code))

    def instant(self) -> datetime:
        """Return the server's present instant (aware UTC)."""
        return self._clock() + self.offset

    def env(self, uid: int = 1, context: Mapping[str, Any] | None = None, started: datetime | None = None, su: bool = False) -> Env:
        """Return an environment whose transaction starts now or at the given instant."""
        moment = started or self.instant()
        return Env(self, uid, dict(context or {}), moment.strftime("%Y-%m-%d %H:%M:%S.%f"), moment.date().isoformat(), su)

    @contextmanager
    def transaction(self, snapshot: int | None = None, env: Env | None = None) -> Iterator[None]:
        """Commit what the block does, or take all of it back when it raises. ``snapshot``: the commit number the caller started at."""
        self.snapshot = self.store.commits if snapshot is None else snapshot
        try:
            yield
        except BaseException:
            leaked = self.leaked_pushes(env) if env is not None and self.version < 19 else []
            self.store.rollback()
            self.after_rollback()
            self.outbox += leaked
            raise
        self.store.commit()
        waiting, self.after_commit = self.after_commit, []
        for action in waiting:
            action()

    def after_rollback(self) -> None:
        """Forget what was derived from changes that were taken back."""
        self.after_commit.clear()
        self.reversals.clear()
        self.open_moves.clear()
        self.numbers.forget()

    def watch(self, env: Env) -> None:
        """Queue the webhooks this transaction causes; they are sent only if it commits."""
        for call in self.queue_pushes(env):
            self.after_commit.append(partial(self.outbox.append, call))

    def check_documents(self, count: int) -> None:
        """Raise WorkerKilled where a call concerns more documents than the server's time limit lets through."""
        if self.settings.documents_max and count > self.settings.documents_max:
            raise WorkerKilled
