"""Tables of rows with equality indexes and an undo log: the database of the sandbox.

Rows are plain dicts of JSON values (``False`` is empty, many2many a tuple of ids, instants text with microseconds). Every change goes
through :class:`Store`, which can take back everything since a mark; ids used by undone rows are not given out again, as in PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Row = dict[str, Any]


class Table:
    """One model's rows by id, and for each indexed column the ids by value (many2many: by element)."""

    __slots__ = ("indexes", "model", "next_id", "rows")

    def __init__(self, model: str, indexed: Iterable[str]) -> None:
        self.model = model
        self.rows: dict[int, Row] = {}
        self.next_id = 1
        self.indexes: dict[str, dict[Any, dict[int, None]]] = {name: {} for name in indexed}

    def find(self, column: str, value: Any) -> list[int]:
        """Return the ids whose indexed column has (or contains) the value, oldest entry first."""
        return list(self.indexes[column].get(value, ()))

    def _enter(self, column: str, value: Any, row_id: int) -> None:
        index = self.indexes[column]
        for key in value if isinstance(value, tuple) else (value,):
            if key is not False:
                index.setdefault(key, {})[row_id] = None

    def _leave(self, column: str, value: Any, row_id: int) -> None:
        index = self.indexes[column]
        for key in value if isinstance(value, tuple) else (value,):
            if key is not False:
                ids = index.get(key)
                if ids is not None:
                    ids.pop(row_id, None)
                    if not ids:
                        del index[key]


class Store:
    """All tables and the undo log of the transaction under way."""

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {}
        self._log: list[tuple[str, Table, Row, str, Any]] = []
        self.commits = 0
        self.on_rollback: Callable[[], None] = lambda: None

    def add_table(self, model: str, indexed: Iterable[str]) -> Table:
        """Create an empty table."""
        table = self.tables[model] = Table(model, indexed)
        return table

    def mark(self) -> int:
        """Return a savepoint."""
        return len(self._log)

    def rollback(self, mark: int = 0) -> None:
        """Take back every change since the savepoint, newest first."""
        log = self._log
        if len(log) > mark:
            self.on_rollback()
        while len(log) > mark:
            kind, table, row, column, old = log.pop()
            if kind == "set":
                if column in table.indexes:
                    table._leave(column, row[column], row["id"])
                    table._enter(column, old, row["id"])
                row[column] = old
            elif kind == "insert":
                self._remove(table, row)
            else:
                self._add(table, row)

    def commit(self) -> None:
        """Make everything since the start final and number the commit."""
        if self._log:
            self.commits += 1
            for _kind, _table, row, _column, _old in self._log:
                row["_commit"] = self.commits
        self._log.clear()

    def changes(self) -> list[tuple[str, str, Row, str]]:
        """Return (insert, set or delete; model; row; column) of every change under way, oldest first."""
        return [(kind, table.model, row, column) for kind, table, row, column, _old in self._log]

    def insert(self, model: str, row: Row) -> int:
        """Add a row, giving it the next id unless it has one."""
        table = self.tables[model]
        row_id = row.get("id") or table.next_id
        row["id"] = row_id
        table.next_id = max(table.next_id, row_id + 1)
        self._add(table, row)
        self._log.append(("insert", table, row, "", None))
        return int(row_id)

    def set(self, model: str, row: Row, column: str, value: Any) -> bool:
        """Change one column; return whether it differed."""
        old = row[column]
        if old == value and type(old) is type(value):
            return False
        table = self.tables[model]
        if column in table.indexes:
            table._leave(column, old, row["id"])
            table._enter(column, value, row["id"])
        self._log.append(("set", table, row, column, old))
        row[column] = value
        return True

    def delete(self, model: str, row_id: int) -> None:
        """Remove a row."""
        table = self.tables[model]
        row = table.rows[row_id]
        self._remove(table, row)
        self._log.append(("delete", table, row, "", None))

    @staticmethod
    def _add(table: Table, row: Row) -> None:
        table.rows[row["id"]] = row
        for column in table.indexes:
            table._enter(column, row[column], row["id"])

    @staticmethod
    def _remove(table: Table, row: Row) -> None:
        del table.rows[row["id"]]
        for column in table.indexes:
            table._leave(column, row[column], row["id"])
