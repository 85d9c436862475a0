"""Encryption at rest: envelopes that cannot be read, moved or confused, and keys that can be rotated."""

from __future__ import annotations

import base64
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.store import events, objects, outbox, receipts, receipts_fetched, rotation
from counterfoil.store.cipher import KEY_FILE, KEY_VARIABLE, Cipher, load_cipher, parse_keys
from counterfoil.store.errors import StoreError
from counterfoil.store.events import EventRow
from counterfoil.store.objects import ObjectRow
from counterfoil.store.outbox import NewCommand
from counterfoil.store.pool import Conn
from counterfoil.store.receipts import Incoming
from counterfoil.store.receipts_fetched import FetchedFor

OLD = Cipher({"old": bytes(range(32))})
BOTH = Cipher({"new": bytes(32), "old": bytes(range(32))})
NEW = Cipher({"new": bytes(32)})
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@given(st.binary(max_size=2000), st.text(max_size=40))
def test_law_what_is_decrypted_is_what_was_encrypted(body: bytes, aad: str) -> None:
    key_id, envelope = OLD.encrypt(body, aad)
    assert BOTH.decrypt(key_id, envelope, aad) == body


def test_a_long_repetitive_body_takes_less_room_than_it_has_bytes() -> None:
    _, envelope = OLD.encrypt(b"invoice " * 1000, "x")
    assert len(envelope) < 400


def test_equal_bodies_have_different_envelopes() -> None:
    assert OLD.encrypt(b"body", "x") != OLD.encrypt(b"body", "x")


@pytest.mark.parametrize("place", [0, 1, 13, -1])
def test_a_changed_byte_is_noticed(place: int) -> None:
    key_id, envelope = OLD.encrypt(b"body", "receipt/1")
    changed = bytearray(envelope)
    changed[place] ^= 1
    with pytest.raises(StoreError) as caught:
        OLD.decrypt(key_id, bytes(changed), "receipt/1")
    assert caught.value.code == "store.payload_damaged"


def test_a_payload_moved_to_another_row_is_noticed() -> None:
    key_id, envelope = OLD.encrypt(b"body", "receipt/1")
    with pytest.raises(StoreError, match="receipt/2"):
        OLD.decrypt(key_id, envelope, "receipt/2")


def test_an_unknown_key_is_named_with_the_remedy() -> None:
    key_id, envelope = OLD.encrypt(b"body", "receipt/1")
    with pytest.raises(StoreError, match=f"'old'.*not configured.*known: new.*{KEY_VARIABLE}") as caught:
        NEW.decrypt(key_id, envelope, "receipt/1")
    assert caught.value.code == "store.key_unknown"


def test_the_first_key_given_is_for_writing() -> None:
    text = f"b:{base64.b64encode(bytes(32)).decode()}, a:{base64.b64encode(bytes(range(32))).decode()}"
    assert Cipher(parse_keys(text)).key_id == "b"


@pytest.mark.parametrize("text", ["", "nocolon", ":AAAA", "a:!!!", "a:AAAA", f"a:{base64.b64encode(bytes(32)).decode()},a:x"])
def test_wrong_keys_are_refused_without_telling_them(text: str) -> None:
    with pytest.raises(StoreError) as caught:
        Cipher(parse_keys(text))
    assert caught.value.code in ("store.key_invalid", "store.key_missing")
    assert "AAAA" not in str(caught.value)


def test_a_key_is_made_on_first_run_for_the_owner_only_and_stays(home: Path) -> None:
    first = load_cipher(home, {})
    key_id, envelope = first.encrypt(b"body", "x")
    assert load_cipher(home, {}).decrypt(key_id, envelope, "x") == b"body"
    assert stat.S_IMODE((home / KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == [KEY_FILE]


def test_configured_keys_win_over_the_file(home: Path) -> None:
    text = f"mine:{base64.b64encode(bytes(32)).decode()}"
    assert load_cipher(home, {KEY_VARIABLE: text}).key_id == "mine"
    assert not home.exists()


async def test_after_rotation_everything_is_readable_with_the_new_key_alone(conn: Conn) -> None:
    ref = INVOICE.ref("stripe:in_1")
    event = EventRow("e" * 32, NOW, 1, "invoice.paid", 1, "stripe", "invoice", ref.id, NOW, 1, b"event")
    state = ObjectRow(ref, "stripe", 1, 1, b"digest", NOW, NOW, b"state")
    names = ("evt_1", "evt_2")
    incoming = [Incoming("stripe", name, "cus_1", "invoice.paid", b"body", NOW) for name in names]
    ids = [id for id in (await receipts.append(conn, OLD, incoming, NOW)).ids if id is not None]
    for cipher, id, name in zip((BOTH, OLD), ids, names, strict=True):  # of the first the body old, what was fetched new
        await receipts_fetched.put(conn, cipher, [FetchedFor(id, NOW, "stripe", name, b"fetched")])
    await events.append(conn, OLD, [event])
    await objects.upsert(conn, OLD, [state])
    await outbox.wish(conn, OLD, [NewCommand("c" * 32, "post_invoice", "odoo", "DE01", "DE01", ref, "invoice_1", b"arguments")], NOW)
    assert await rotation.payloads_by_key(conn) == {"new": 1, "old": 6}
    assert await rotation.reencrypt(conn, BOTH) == 6
    assert await rotation.reencrypt(conn, BOTH) == 0
    assert await rotation.payloads_by_key(conn) == {"new": 7}
    assert [(receipt.body, receipt.fetched) for receipt in await receipts.read(conn, NEW, ids)] == [(b"body", b"fetched")] * 2
    assert await events.read(conn, NEW, [event.id]) == [event]
    assert await objects.load(conn, NEW, [ref]) == {ref: replace(state)}
    assert [row.arguments for row in await outbox.read(conn, NEW, ["c" * 32])] == [b"arguments"]


async def test_what_programs_of_before_fetched_is_under_the_new_key_after_one_rotation(conn: Conn) -> None:
    [id] = (await receipts.append(conn, BOTH, [Incoming("stripe", "evt_1", "cus_1", "invoice.paid", b"body", NOW)], NOW)).ids
    assert id is not None
    key_id, envelope = OLD.encrypt(b"fetched", "fetched/stripe/evt_1")
    await conn.execute("alter table receipt disable trigger receipt_fetched_apart")  # as it was before schema 32
    await conn.execute("update receipt set fetched_key_id = %s, fetched = %s", (key_id, envelope))
    await conn.execute("alter table receipt enable trigger receipt_fetched_apart")
    assert [await rotation.reencrypt(conn, BOTH), await rotation.reencrypt(conn, BOTH)] == [1, 0]
    assert await rotation.payloads_by_key(conn) == {"new": 2}
    [receipt] = await receipts.read(conn, NEW, [id])
    assert (receipt.body, receipt.fetched) == (b"body", b"fetched")


async def test_a_rotation_leaves_what_was_fetched_again_since_programs_of_before(conn: Conn) -> None:
    [id] = (await receipts.append(conn, BOTH, [Incoming("stripe", "evt_1", "cus_1", "invoice.paid", b"body", NOW)], NOW)).ids
    assert id is not None
    key_id, envelope = OLD.encrypt(b"before", "fetched/stripe/evt_1")
    await conn.execute("alter table receipt disable trigger receipt_fetched_apart")  # as it was before schema 32
    await conn.execute("update receipt set fetched_key_id = %s, fetched = %s", (key_id, envelope))
    await conn.execute("alter table receipt enable trigger receipt_fetched_apart")
    await receipts_fetched.put(conn, OLD, [FetchedFor(id, NOW, "stripe", "evt_1", b"since")])
    while await rotation.reencrypt(conn, BOTH):
        pass
    assert [receipt.fetched for receipt in await receipts.read(conn, NEW, [id])] == [b"since"]
