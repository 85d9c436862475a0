"""The environment of one call: who asks, in which companies and context, at which instant, on which database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from counterfoil.connectors.odoo.sandbox.orm.errors import AccessError, MissingError, missing
from counterfoil.connectors.odoo.sandbox.orm.store import Row

if TYPE_CHECKING:
    from counterfoil.connectors.odoo.sandbox.database import Database
    from counterfoil.connectors.odoo.sandbox.orm.model import Model


class Env:
    """What every model method gets. ``now`` is the transaction's start with microseconds, ``today`` the server's date."""

    __slots__ = ("_companies", "context", "db", "now", "store", "su", "today", "uid", "version")

    def __init__(self, db: Database, uid: int, context: Mapping[str, Any], now: str, today: str, su: bool = False) -> None:
        self.db = db
        self.store = db.store
        self.version = db.version
        self.uid = uid
        self.context = context
        self.now = now
        self.today = today
        self.su = su
        self._companies: tuple[int, ...] | None = None

    @property
    def registry(self) -> dict[str, Model]:
        """All models of the database by name."""
        return self.db.registry

    def model(self, name: str) -> Model:
        """Return a model."""
        return self.db.registry[name]

    def rows(self, model: str) -> dict[int, Row]:
        """Return a model's rows by id."""
        return self.store.tables[model].rows

    def row(self, model: str, row_id: int) -> Row:
        """Return one row. Raises MissingError."""
        try:
            return self.store.tables[model].rows[row_id]
        except KeyError:
            raise missing(model, [row_id], self.uid) from None

    def find(self, model: str, column: str, value: Any) -> list[int]:
        """Return the ids of rows whose indexed column has the value."""
        return self.store.tables[model].find(column, value)

    def set(self, model: str, row: Row, /, **values: Any) -> bool:
        """Change columns directly (no hooks) and stamp the row when something differed."""
        changed = False
        for column, value in values.items():
            changed = self.store.set(model, row, column, value) or changed
        if changed:
            self.stamp(model, row)
        return changed

    def stamp(self, model: str, row: Row) -> None:
        """Mark a row as written by this call: the date is the transaction's start."""
        if row["write_date"] != self.now:
            self.store.set(model, row, "write_date", self.now)
        if row["write_uid"] != self.uid:
            self.store.set(model, row, "write_uid", self.uid)

    def with_context(self, **more: Any) -> Env:
        """Return the same environment with more context keys."""
        return Env(self.db, self.uid, {**self.context, **more}, self.now, self.today, self.su)

    def sudo(self) -> Env:
        """Return the same environment without access checks."""
        return Env(self.db, self.uid, self.context, self.now, self.today, su=True)

    @property
    def user(self) -> Row:
        """The calling user."""
        return self.rows("res.users")[self.uid]

    @property
    def company_ids(self) -> tuple[int, ...]:
        """The companies this call may see; the first is current. Raises AccessError on a company that is not the user's."""
        if self._companies is None:
            wanted = self.context.get("allowed_company_ids")
            mine = self.user["company_ids"]
            if wanted:
                if not self.su and any(company not in mine for company in wanted):
                    raise AccessError("Access to unauthorized or invalid companies.")
                self._companies = tuple(wanted)
            else:
                home = self.user["company_id"]
                self._companies = (home, *(c for c in mine if c != home))
        return self._companies

    @property
    def lineage_ids(self) -> frozenset[int]:
        """The companies this call may see and all those they are branches of."""
        found, companies = set(self.company_ids), self.rows("res.company")
        for company in self.company_ids:
            while companies[company]["parent_id"]:
                company = companies[company]["parent_id"]
                found.add(company)
        return frozenset(found)

    @property
    def company_id(self) -> int:
        """The current company."""
        return self.company_ids[0]

    @property
    def company(self) -> Row:
        """The current company's row."""
        return self.row("res.company", self.company_id)

    def ref(self, xid: str) -> int:
        """Return the id behind an external id. Raises MissingError."""
        found = self.db.xids.find(xid)
        if found is None:
            raise MissingError(f"External ID not found in the system: {xid}")
        return int(found["res_id"])

    def user_name(self) -> str:
        """Return the user as access errors name him."""
        return f"{self.user['name']} (id={self.uid})"

    def has_group(self, xid: str) -> bool:
        """Return whether the user is in the group (an external id)."""
        found = self.db.xids.find(xid)
        return found is not None and found["res_id"] in self.user[self.db.groups_field]
