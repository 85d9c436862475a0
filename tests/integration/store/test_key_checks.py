"""A key of the right name that is another key is found before anything is read or written under it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from counterfoil.app.database import open_database
from counterfoil.store import key_checks, receipts
from counterfoil.store.cipher import KEY_FILE, Cipher
from counterfoil.store.errors import StoreError
from counterfoil.store.pool import Conn
from counterfoil.store.receipts import Incoming

NOW = datetime(2026, 3, 1, tzinfo=UTC)
OURS = Cipher({"k1": bytes(32)})
ANOTHER = Cipher({"k1": bytes(range(32))})


async def keep(conn: Conn, cipher: Cipher) -> None:
    await receipts.append(conn, cipher, [Incoming("stripe", "evt_1", "cus_1", "invoice.paid", b"body", NOW)], NOW)


async def test_another_key_of_the_same_name_is_refused(conn: Conn) -> None:
    await key_checks.check(conn, OURS)
    await key_checks.check(conn, OURS)
    with pytest.raises(StoreError, match="is not the key 'k1' this database was written with") as caught:
        await key_checks.check(conn, ANOTHER)
    assert caught.value.code == "store.key_differs"


async def test_a_database_of_before_the_checks_is_judged_by_its_payloads(conn: Conn) -> None:
    await keep(conn, OURS)
    with pytest.raises(StoreError) as caught:
        await key_checks.check(conn, ANOTHER)
    assert caught.value.code == "store.key_differs"
    await key_checks.check(conn, OURS)


async def test_a_new_key_beside_the_former_one_is_taken_and_known_from_then_on(conn: Conn) -> None:
    await key_checks.check(conn, OURS)
    await key_checks.check(conn, Cipher({"k2": bytes(range(32)), "k1": bytes(32)}))
    with pytest.raises(StoreError):
        await key_checks.check(conn, Cipher({"k2": bytes(32)}))


async def test_no_key_is_made_where_payloads_wait_for_the_former_one(database: str, home: Path) -> None:
    async with open_database(home, database) as first:
        before = first.cipher
        async with first.pool.connection() as conn:
            await keep(conn, before)
    kept = (home / KEY_FILE).read_text()
    (home / KEY_FILE).unlink()
    with pytest.raises(StoreError, match="put that file back") as caught:
        async with open_database(home, database):
            pass
    assert caught.value.code == "store.key_missing"
    assert not (home / KEY_FILE).exists()
    (home / KEY_FILE).write_text(kept)
    async with open_database(home, database) as again:
        assert again.cipher.key_id == before.key_id


async def test_a_hub_that_holds_nothing_yet_may_begin_anew_under_a_new_key(database: str, home: Path) -> None:
    async with open_database(home, database) as first:
        before = first.cipher.key_id
    (home / KEY_FILE).unlink()
    async with open_database(home, database) as again:
        assert again.cipher.key_id != before
