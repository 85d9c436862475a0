"""Backup and restore of the database itself: consistent, whole or not at all, and never without the keys."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from counterfoil.app.backup import Restored, back_up, gaps, mark_only, read_manifest, restore
from counterfoil.core.kinds.invoice import INVOICE as INVOICE_KIND
from counterfoil.store import audit, cursors, outbox, receipts, relearning, views
from counterfoil.store.audit import AuditLine
from counterfoil.store.cipher import Cipher
from counterfoil.store.cursors import Cursor
from counterfoil.store.errors import StoreError
from counterfoil.store.pool import connect

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
KEYS = {"k7": bytes(range(32))}
INVOICE = INVOICE_KIND.ref("stripe:in_1")


def wish(id: int, key: str) -> outbox.NewCommand:
    """Return the wish for a document."""
    return outbox.NewCommand(f"{id:032x}", "post_invoice", "books", "de", "de/sales", INVOICE, key, b"arguments of the invoice")


async def fill(url: str) -> None:
    """Keep two deliveries and wish two documents, under key k7."""
    conn = await connect(url)
    async with conn:
        incoming = [receipts.Incoming("stripe", f"evt_{n}", f"in_{n}", "invoice.paid", b"\\x00\t\n\\.\nbody", NOW) for n in (1, 2)]
        await receipts.append(conn, Cipher(KEYS), incoming, NOW)
        await outbox.wish(conn, Cipher(KEYS), [wish(1, "invoice_1"), wish(2, "invoice_2")], NOW)


async def ask(url: str, work: Callable[[Any], Any]) -> Any:
    """Ask a database something."""
    conn = await connect(url)
    async with conn:
        return await work(conn)


async def put_back(url: str, folder: Path, *, keys: dict[str, bytes] = KEYS, is_replaced: bool = False) -> Restored:
    """Restore, with `books` as the configured target."""
    return await restore(url, folder, keys, ["books"], ["stripe"], NOW, actor="ada", is_replaced=is_replaced)


async def test_what_is_restored_is_what_was_backed_up(database: str, empty_database: str, tmp_path: Path) -> None:
    await fill(database)
    manifest = await back_up(database, KEYS, tmp_path / "b")
    assert (manifest.received, manifest.wished, manifest.is_balanced) == (2, 2, True)
    assert (manifest.rows["receipt"], manifest.rows["command_body"], manifest.rows["command_standing"], manifest.rows["receipt_key"]) == (
        2,
        2,
        2,
        2,
    )
    assert [(key.id, key.payloads) for key in manifest.keys] == [("k7", 4)]
    found = await put_back(empty_database, tmp_path / "b")
    assert found.targets == ("books",)
    where = await ask(empty_database, views.conservation)
    assert where == await ask(database, views.conservation)
    (first, _second) = await ask(empty_database, lambda conn: receipts.read(conn, Cipher(KEYS), [1, 2]))
    assert first.body == b"\\x00\t\n\\.\nbody"
    # Sequences go on where they were: the next delivery gets the next number.
    incoming = [receipts.Incoming("stripe", "evt_3", "in_3", "invoice.paid", b"{}", NOW)]
    assert (await ask(empty_database, lambda conn: receipts.append(conn, Cipher(KEYS), incoming, NOW))).ids == (3,)


async def test_a_restored_hub_keeps_who_restored_it_beside_what_was_done_before(database: str, empty_database: str, tmp_path: Path) -> None:
    before = AuditLine(NOW, "eve", "waived", "case/1", {"reason": "a test"})
    await ask(database, lambda conn: audit.append(conn, before))
    manifest = await back_up(database, KEYS, tmp_path / "b")
    await put_back(empty_database, tmp_path / "b", is_replaced=True)
    line, kept = await ask(empty_database, audit.recent)
    assert (line.at, line.actor, line.action, line.subject, kept) == (NOW, "ada", "restored", "hub", before)
    assert line.detail == {
        "backup": str(tmp_path / "b"),
        "replace": True,
        "taken_at": manifest.taken_at.isoformat(),
        "version": manifest.version,
        "sha256": manifest.sha256,
        "targets": ["books"],
        "migrations": [],
    }


async def test_the_backup_shows_one_instant_though_the_hub_works(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from counterfoil.store import dump

    original = dump.dump

    async def busy(dsn: str, snapshot: str, file: Path) -> None:
        await fill(database)  # between the snapshot and the dump
        await original(dsn, snapshot, file)

    monkeypatch.setattr(dump, "dump", busy)
    manifest = await back_up(database, KEYS, tmp_path / "b")
    assert (manifest.received, manifest.wished, manifest.rows["receipt"]) == (0, 0, 0)


async def test_the_keys_are_not_in_the_backup(database: str, tmp_path: Path) -> None:
    await fill(database)
    await back_up(database, KEYS, tmp_path / "b")
    assert all(KEYS["k7"] not in file.read_bytes() for file in (tmp_path / "b").iterdir())
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "b").iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("keys", "code"),
    [({}, "restore.key_missing"), ({"k1": bytes(32)}, "restore.key_missing"), ({"k7": bytes(32)}, "restore.key_wrong")],
    ids=["none", "another", "another of the same name"],
)
async def test_a_restore_without_the_right_key_is_refused(
    database: str, empty_database: str, tmp_path: Path, keys: dict[str, bytes], code: str
) -> None:
    await fill(database)
    await back_up(database, KEYS, tmp_path / "b")
    with pytest.raises(StoreError) as refused:
        await put_back(empty_database, tmp_path / "b", keys=keys)
    assert refused.value.code == code
    assert "k7" in str(refused.value)


async def test_a_database_that_holds_a_hub_is_replaced_only_when_that_is_said(database: str, empty_database: str, tmp_path: Path) -> None:
    await fill(database)
    await back_up(database, KEYS, tmp_path / "b")
    await put_back(empty_database, tmp_path / "b")
    conn = await connect(empty_database)
    async with conn:
        await outbox.wish(conn, Cipher(KEYS), [wish(3, "invoice_3")], NOW)
    with pytest.raises(StoreError, match="--replace") as refused:
        await put_back(empty_database, tmp_path / "b")
    assert refused.value.code == "restore.not_empty"
    assert (await ask(empty_database, views.conservation)).wished == 3
    await put_back(empty_database, tmp_path / "b", is_replaced=True)
    assert (await ask(empty_database, views.conservation)).wished == 2


async def test_a_restore_while_somebody_uses_the_database_is_refused(database: str, empty_database: str, tmp_path: Path) -> None:
    await fill(database)
    await back_up(database, KEYS, tmp_path / "b")
    user = await connect(empty_database)
    async with user:
        with pytest.raises(StoreError) as refused:
            await put_back(empty_database, tmp_path / "b")
    assert refused.value.code == "restore.in_use"


async def test_a_restore_waits_for_a_program_that_is_just_ending(database: str, empty_database: str, tmp_path: Path) -> None:
    await fill(database)
    await back_up(database, KEYS, tmp_path / "b")
    user = await connect(empty_database)
    restoring = asyncio.create_task(put_back(empty_database, tmp_path / "b"))
    await asyncio.sleep(0.3)
    await user.close()
    await restoring
    assert (await ask(empty_database, views.conservation)).wished == 2


async def test_a_damaged_backup_is_refused_and_the_database_left_as_it_was(database: str, tmp_path: Path) -> None:
    await fill(database)
    await back_up(database, KEYS, tmp_path / "b")
    file = tmp_path / "b" / "database.dump"
    held = bytearray(file.read_bytes())
    held[len(held) // 2] ^= 1
    file.write_bytes(held)
    with pytest.raises(StoreError) as refused:
        await put_back(database, tmp_path / "b", is_replaced=True)
    assert refused.value.code == "restore.damaged"
    assert (await ask(database, views.conservation)).wished == 2


async def test_a_restore_that_fails_half_way_changes_nothing(database: str, tmp_path: Path) -> None:
    await fill(database)
    await back_up(database, KEYS, tmp_path / "b")
    manifest = tmp_path / "b" / "manifest.json"
    known = json.loads(manifest.read_text())
    known["rows"]["receipt"] = 3  # as if a row had been lost on the way
    manifest.write_text(json.dumps(known))
    conn = await connect(database)
    async with conn:
        await outbox.wish(conn, Cipher(KEYS), [wish(3, "invoice_3")], NOW)
    with pytest.raises(StoreError, match="receipt: 2 instead of 3") as refused:
        await put_back(database, tmp_path / "b", is_replaced=True)
    assert refused.value.code == "restore.rows_differ"
    assert (await ask(database, views.conservation)).wished == 3


async def test_tables_of_others_are_never_dropped(database: str, tmp_path: Path) -> None:
    await fill(database)
    await back_up(database, KEYS, tmp_path / "b")
    await ask(database, lambda conn: conn.execute("create table payroll (id int)"))
    with pytest.raises(StoreError, match="payroll") as refused:
        await put_back(database, tmp_path / "b", is_replaced=True)
    assert refused.value.code == "restore.foreign_tables"


async def test_a_backup_is_never_written_over(database: str, tmp_path: Path) -> None:
    await back_up(database, KEYS, tmp_path / "b")
    before = read_manifest(tmp_path / "b")
    with pytest.raises(StoreError) as refused:
        await back_up(database, KEYS, tmp_path / "b")
    assert refused.value.code == "backup.target_exists"
    assert read_manifest(tmp_path / "b") == before


async def test_a_folder_that_is_no_backup_is_refused(empty_database: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError) as refused:
        await put_back(empty_database, tmp_path)
    assert refused.value.code == "restore.no_backup"


async def test_a_database_put_back_by_other_means_is_marked(database: str) -> None:
    await fill(database)
    found = await mark_only(database, ["books", "archive"], [], NOW, actor="ada")
    assert found.targets == ("archive", "books")
    detail = {"targets": ["archive", "books"], "migrations": []}
    assert await ask(database, audit.recent) == [AuditLine(NOW, "ada", "marked to be learned again", "hub", detail)]
    assert [at.learned_at for at in await ask(database, relearning.list_all)] == [None, None]


async def test_a_gap_longer_than_the_source_keeps_changes_names_the_backfill(database: str) -> None:
    async def read(conn: Any) -> Any:
        # Read on 2 January; the source then showed 30 days back. Two months later that gap is gone from it, a week later it is not.
        read_at = datetime(2026, 1, 2, tzinfo=UTC)
        seen = Cursor("stripe", "poll", "c", covers_until=read_at, recoverable_since=datetime(2025, 12, 3, tzinfo=UTC))
        await cursors.save(conn, seen, read_at)
        return await gaps(conn, ["stripe"], NOW), await gaps(conn, ["stripe"], datetime(2026, 1, 9, tzinfo=UTC))

    (late,), (soon,) = await ask(database, read)
    assert late.command == "counterfoil backfill stripe --since 2026-01-01 --again"
    assert soon.command == ""
