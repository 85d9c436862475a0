"""Looking for words in all a hub has stored: every column of every table, what is encrypted decrypted first, and its server's log."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Conn
from counterfoil.store.rotation import _PAYLOADS


async def found_in(conn: Conn, cipher: Cipher, words: Sequence[str]) -> list[str]:
    """Return where one of the words stands, ``table.column`` each once: in plain text, as bytes, or in what is encrypted."""
    places: set[str] = set()
    rows = await conn.execute(
        "select table_name, column_name from information_schema.columns join information_schema.tables using (table_schema, table_name)"
        " where table_schema = 'public' and table_type = 'BASE TABLE' order by 1, 2"
    )
    columns: list[tuple[str, str]] = await rows.fetchall()
    for table, column in columns:
        values = await (await conn.execute(f'select "{column}" from "{table}" where "{column}" is not null'.encode())).fetchall()
        if any(_holds(value, words) for (value,) in values):
            places.add(f"{table}.{column}")
    sealed = {("key_check", "key_id"), *((one.table, one.key_column) for one in _PAYLOADS)}
    keys = {(table, column) for table, column in columns if column.endswith("key_id") and not _is_part(table)}
    assert keys <= sealed, f"what is encrypted in {keys - sealed} is not looked into"
    for one in _PAYLOADS:
        given = f"{one.key_column} <> '' and {one.column} is not null"
        rows = await conn.execute(f"select {one.key_column}, {one.column}, {one.aad} from {one.table} where {given}".encode())
        for key_id, envelope, aad in await rows.fetchall():
            if _holds(cipher.decrypt(key_id, bytes(envelope), aad), words):
                places.add(f"{one.table}.{one.column}")
    return sorted(places)


async def server_log(conn: Conn) -> str:
    """Return the log of the embedded server."""
    row: Any = await (await conn.execute("show data_directory")).fetchone()
    log = Path(row[0]).parent / "log"
    return log.read_text(errors="replace") if log.exists() else ""


def _is_part(table: str) -> bool:
    """Tell whether a table is a part of another one, by its month or for the rest."""
    return table.endswith("_default") or table[-7:-3].isdigit()


def _holds(value: Any, words: Sequence[str]) -> bool:
    text = bytes(value).decode(errors="replace") if isinstance(value, bytes | memoryview) else str(value)
    return any(word.casefold() in text.casefold() for word in words)
