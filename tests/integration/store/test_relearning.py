"""What a restored hub learns from a target: commands with keys it holds are in doubt from their beginning, and nothing goes before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.claiming import claim_all

from counterfoil.core.kinds.invoice import INVOICE as INVOICE_KIND
from counterfoil.core.language.keys import NeedKey
from counterfoil.store import agenda, cursors, outbox, outbox_due, receipts, relearning
from counterfoil.store.bindings import Binding
from counterfoil.store.cipher import Cipher
from counterfoil.store.cursors import Cursor
from counterfoil.store.outbox import CommandState, End, EndStatus
from counterfoil.store.pool import Conn
from counterfoil.store.relearning import Known

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
INVOICE = INVOICE_KIND.ref("stripe:in_1")


def wish(id: int, key: str, *needs: str) -> outbox.NewCommand:
    """Return the wish for a document."""
    return outbox.NewCommand(
        f"{id:032x}",
        "post_invoice",
        "books",
        "de",
        "de/sales",
        INVOICE,
        key,
        b"{}",
        produces=NeedKey(f"doc/{key}"),
        needs=tuple(map(NeedKey, needs)),
    )


async def learn(conn: Conn, *keys: str, is_blind: bool = False) -> list[tuple[str, str]]:
    """Mark the books and read their list, which is these keys, in one page."""
    await relearning.mark(conn, ["books"], None, NOW)
    found = [Known(key, f"account.move/{key}") for key in keys]
    return await relearning.take_page(conn, "books", found, "end", NOW, is_last=True, is_blind=is_blind)


async def states(conn: Conn, cipher: Cipher) -> dict[str, tuple[CommandState, bool]]:
    """Return state and doubt of every command, by external key."""
    found = await outbox.of_subjects(conn, cipher, [INVOICE])
    return {row.external_key: (row.state, row.in_doubt) for row in found}


async def test_a_wish_whose_key_the_target_holds_is_to_be_resolved_and_any_other_to_be_sent(conn: Conn, cipher: Cipher) -> None:
    await learn(conn, "invoice_1")
    wished = await outbox.wish(conn, cipher, [wish(1, "invoice_1"), wish(2, "invoice_2")], NOW)
    assert await states(conn, cipher) == {"invoice_1": (CommandState.UNKNOWN, True), "invoice_2": (CommandState.READY, False)}
    assert wished.touched == (("deliver", "books/de/sales"),)


async def test_another_target_of_the_same_key_is_not_in_doubt(conn: Conn, cipher: Cipher) -> None:
    await relearning.mark(conn, ["archive"], None, NOW)
    await relearning.take_page(conn, "archive", [Known("invoice_1", "x")], "", NOW, is_last=True)
    await outbox.wish(conn, cipher, [wish(1, "invoice_1")], NOW)
    assert await states(conn, cipher) == {"invoice_1": (CommandState.READY, False)}


async def test_commands_wished_before_the_list_was_read_are_in_doubt_too(conn: Conn, cipher: Cipher) -> None:
    await outbox.wish(conn, cipher, [wish(1, "invoice_1"), wish(2, "invoice_2", "customer/1"), wish(3, "invoice_3")], NOW)
    touched = await learn(conn, "invoice_1", "invoice_2")
    assert touched == [("deliver", "books/de/sales")]
    assert await states(conn, cipher) == {
        "invoice_1": (CommandState.UNKNOWN, True),
        "invoice_2": (CommandState.WAITING, True),
        "invoice_3": (CommandState.READY, False),
    }


async def test_one_that_waited_stays_in_doubt_when_what_it_needs_arrives(conn: Conn, cipher: Cipher) -> None:
    await learn(conn, "invoice_1")
    await outbox.wish(conn, cipher, [wish(1, "invoice_1", "customer/1"), wish(2, "invoice_2", "customer/1")], NOW)
    touched = await outbox.bind_and_release(conn, [Binding("books", NeedKey("customer/1"), "res.partner/8")], NOW)
    assert await states(conn, cipher) == {"invoice_1": (CommandState.UNKNOWN, True), "invoice_2": (CommandState.READY, False)}
    assert touched == [("deliver", "books/de/sales")]


async def test_nothing_is_claimed_for_a_target_that_was_not_learned_again(conn: Conn, cipher: Cipher) -> None:
    await outbox.wish(conn, cipher, [wish(1, "invoice_1")], NOW)
    await relearning.mark(conn, ["books"], None, NOW)
    await relearning.take_page(conn, "books", [Known("invoice_9", "x")], "page 2", NOW, is_last=False)
    assert await claim_all(conn, cipher, "books", "de/sales", NOW) == []
    assert await outbox_due.next_due(conn, "books", "de/sales") is None
    await relearning.take_page(conn, "books", [], "end", NOW, is_last=True)
    assert [row.external_key for row in await claim_all(conn, cipher, "books", "de/sales", NOW)] == ["invoice_1"]
    (at,) = await relearning.list_all(conn)
    assert (at.cursor, at.read_count, at.learned_at) == ("end", 1, NOW)


async def test_where_a_target_lists_nothing_every_wish_is_in_doubt(conn: Conn, cipher: Cipher) -> None:
    await outbox.wish(conn, cipher, [wish(1, "invoice_1")], NOW)
    await learn(conn, is_blind=True)
    await outbox.wish(conn, cipher, [wish(2, "invoice_2")], NOW)
    assert await states(conn, cipher) == {"invoice_1": (CommandState.UNKNOWN, True), "invoice_2": (CommandState.UNKNOWN, True)}


async def test_what_is_known_as_done_is_not_kept_and_what_becomes_done_is_forgotten(conn: Conn, cipher: Cipher) -> None:
    await outbox.wish(conn, cipher, [wish(1, "invoice_1")], NOW)
    (row,) = await claim_all(conn, cipher, "books", "de/sales", NOW)
    await outbox.settle(conn, [End(row.id, row.created_at, EndStatus.DONE, "account.move/1")], NOW)
    await learn(conn, "invoice_1", "invoice_2", "invoice_3")
    assert await relearning.unclaimed(conn, "books") == (
        2,
        [Known("invoice_2", "account.move/invoice_2"), Known("invoice_3", "account.move/invoice_3")],
    )
    await outbox.wish(conn, cipher, [wish(2, "invoice_2")], NOW)
    (row,) = await claim_all(conn, cipher, "books", "de/sales", NOW)
    await outbox.settle(conn, [End(row.id, row.created_at, EndStatus.DONE, "account.move/2")], NOW)
    assert await relearning.among(conn, "books", ["invoice_2", "invoice_3", "invoice_4"]) == ["invoice_3"]
    assert await relearning.forget_done(conn, "books") == 1


async def test_sources_have_caught_up_when_all_were_read_up_to_the_restore_and_that_is_decided(conn: Conn, cipher: Cipher) -> None:
    await learn(conn)
    sources = ["stripe", "books"]
    await cursors.save(conn, Cursor("stripe", "poll", "1", covers_until=NOW + timedelta(minutes=1)), NOW)
    await cursors.save(conn, Cursor("books", "poll", "1", covers_until=NOW - timedelta(minutes=1)), NOW)
    assert not await relearning.catch_up(conn, "books", sources, NOW)
    await receipts.append(conn, cipher, [receipts.Incoming("stripe", "evt_1", "in_1", "invoice.paid", b"{}", NOW)], NOW)
    await cursors.save(conn, Cursor("books", "poll", "2", covers_until=NOW), NOW)
    assert not await relearning.catch_up(conn, "books", sources, NOW + timedelta(seconds=1))
    (receipt,) = await receipts.read(conn, cipher, [row[0] for row in await (await conn.execute("select id from receipt")).fetchall()])
    await receipts.settle(conn, [receipts.ReceiptEnd(receipt.id, receipt.received_at, receipts.ReceiptState.NORMALIZED)], NOW)
    await agenda.add(conn, [agenda.Subject(INVOICE)], NOW)
    assert not await relearning.catch_up(conn, "books", sources, NOW + timedelta(seconds=2))
    await agenda.finish(conn, await _all_of_agenda(conn))
    assert await relearning.catch_up(conn, "books", sources, NOW + timedelta(seconds=3))


async def _all_of_agenda(conn: Conn) -> list[agenda.AgendaItem]:
    return [item for shard in range(16) for item in await agenda.claim(conn, [shard], NOW, 10)]
