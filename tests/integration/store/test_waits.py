"""Keys that commands wait for and nothing makes: all that one lacks, and of what is set aside behind many the one its row names."""

from __future__ import annotations

from datetime import UTC, datetime

from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.language.keys import NeedKey
from counterfoil.store import outbox, waits
from counterfoil.store.bindings import Binding
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import NewCommand
from counterfoil.store.pool import Conn

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
SUBJECT = INVOICE.ref("stripe:in_1")
ASIDE = "update command_standing set is_aside = true where state = 'waiting'"


def wish(number: int, kind: str, *needs: str, produces: str = "") -> NewCommand:
    """Return a wish for the books."""
    given = tuple(map(NeedKey, needs))
    return NewCommand(f"{number:032x}", kind, "books", "DE", "sales", SUBJECT, f"k{number}", b"{}", produces=NeedKey(produces), needs=given)


async def missing(conn: Conn) -> list[str]:
    """Return the keys nobody makes."""
    return [one.key for one in (await waits.missing(conn, 60.0))[1]]


async def test_of_two_keys_a_command_lacks_the_one_nobody_makes_is_told_although_its_row_names_the_other(
    conn: Conn, cipher: Cipher
) -> None:
    wishes = [wish(1, "upsert_customer", produces="customer/1"), wish(2, "post_invoice", "customer/1", "product/9")]
    await outbox.wish(conn, cipher, wishes, NOW)
    assert await missing(conn) == ["product/9"]


async def test_of_what_is_set_aside_the_key_its_row_names_is_looked_at_and_the_next_when_that_is_bound(conn: Conn, cipher: Cipher) -> None:
    await outbox.wish(conn, cipher, [wish(1, "post_invoice", "customer/1", "product/9")], NOW)
    await conn.execute(ASIDE)
    assert await missing(conn) == ["customer/1"]
    await outbox.bind_and_release(conn, [Binding("books", NeedKey("customer/1"), "7", "")], NOW)
    assert await missing(conn) == ["product/9"]


async def test_what_is_bound_is_not_missing_whatever_a_row_still_says(conn: Conn, cipher: Cipher) -> None:
    await outbox.wish(conn, cipher, [wish(1, "post_invoice", "customer/1")], NOW)
    await outbox.bind_and_release(conn, [Binding("books", NeedKey("customer/1"), "7", "")], NOW)
    assert await missing(conn) == []
