"""Books made once and copied: what a sandbox holds after it was prepared, put into any fresh one of its version."""

from __future__ import annotations

import pickle

from counterfoil.connectors.odoo.sandbox import OdooSandbox


def kept(sandbox: OdooSandbox) -> bytes:
    """Return all that was committed in a sandbox, and who may call it."""
    db = sandbox.db
    tables = {name: (table.rows, table.indexes, table.next_id) for name, table in db.store.tables.items()}
    return pickle.dumps((tables, db.store.commits, db.keys, db.passwords))


def put(sandbox: OdooSandbox, copy: bytes) -> None:
    """Have a fresh sandbox hold what another of its version held; the copy stays as it is."""
    db = sandbox.db
    tables, db.store.commits, db.keys, db.passwords = pickle.loads(copy)
    for name, (rows, indexes, next_id) in tables.items():
        table = db.store.tables[name]
        table.rows, table.indexes, table.next_id = rows, indexes, next_id
    db.numbers.forget()
