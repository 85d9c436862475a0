"""A receipt that cannot be read, or whose record the database cannot hold, stops only itself, as a case."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import errors
from psycopg_pool import PoolTimeout
from tests.integration.normalize.conftest import NOW, SOURCE, drain, incoming, keep

from counterfoil.core.facts.events import Fact
from counterfoil.core.kinds.invoice import Invoice, InvoiceEvent, InvoiceLine, InvoiceState
from counterfoil.core.kinds.product import Product, ProductEvent
from counterfoil.core.language.money import Money
from counterfoil.engine.draining import is_away
from counterfoil.normalize.batch import KEY_TRIES_MAX
from counterfoil.normalize.stage import Normalizer
from counterfoil.normalize.storable import what_is_unstorable
from counterfoil.store import bundles, case_work, cases
from counterfoil.store.cases import CaseState
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Pool

LOST = Cipher({"lost": bytes(range(1, 33))})


async def states(pool: Pool) -> list[tuple[str, str, str]]:
    async with pool.connection() as conn:
        return await (await conn.execute(f"select dedupe_key, {bundles.STATE}, rule from receipt r order by id")).fetchall()


async def test_receipts_under_a_key_that_is_gone_are_one_case_and_the_others_go_on(
    pool: Pool, cipher: Cipher, normalizer: Normalizer, sources: Any, clock: Any
) -> None:
    await keep(pool, LOST, *(incoming(f"old_{n}", id="p1", sequence=n, name="x") for n in (1, 2)))
    await keep(pool, cipher, incoming("new", id="p1", sequence=3, name="x"))
    for _ in range(KEY_TRIES_MAX):
        await drain(normalizer)
        assert {state for key, state, _ in await states(pool) if key != "new"} == {"pending"}
        clock.advance_to(clock.now() + timedelta(seconds=300))
    await drain(normalizer)
    assert await states(pool) == [
        ("old_1", "parked", "store.key_unknown"),
        ("old_2", "parked", "store.key_unknown"),
        ("new", "normalized", ""),
    ]
    async with pool.connection() as conn:
        [case] = await cases.list_cases(conn)
        assert (case.code, case.count) == ("store.key_unknown", 2)
        await case_work.retry(conn, case.id, "operator", NOW)
    both = Cipher({"test": bytes(range(32)), "lost": bytes(range(1, 33))})
    await drain(Normalizer(pool, both, sources, clock, normalizer.arm, normalizer.purposes))
    assert {(state, rule) for _, state, rule in await states(pool)} == {("normalized", "")}
    async with pool.connection() as conn:
        assert [one.state for one in await cases.list_cases(conn, state=None)] == [CaseState.RESOLVED]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"id": "p" * 501, "name": "x"}, "501 characters"),
        ({"id": "p1", "name": "a\0b"}, "NUL"),
        ({"id": "p1", "name": "a\ud800b"}, "half of a surrogate pair"),
    ],
)
async def test_a_record_the_database_cannot_hold_is_parked_alone(
    pool: Pool, cipher: Cipher, normalizer: Normalizer, said: dict[str, Any], words: str
) -> None:
    await keep(pool, cipher, incoming("bad", sequence=1, **said))
    await keep(pool, cipher, incoming("good", id="p2", sequence=1, name="x"))
    await drain(normalizer)
    assert sorted(await states(pool)) == [("bad", "parked", "normalize.unstorable"), ("good", "normalized", "")]
    async with pool.connection() as conn:
        [case] = await cases.list_cases(conn, state=CaseState.OPEN)
    assert (words in case.cause, case.connection) == (True, SOURCE)


async def test_records_the_database_cannot_hold_for_one_reason_are_one_case_each_with_its_key(
    pool: Pool, cipher: Cipher, normalizer: Normalizer
) -> None:
    await keep(pool, cipher, *(incoming(f"bad_{n}", id=f"p{n}", sequence=1, name="a\0b") for n in (1, 2, 3)))
    await keep(pool, cipher, replace(incoming("other", id="p4", sequence=1, name="a\0b"), kind="article"))
    await drain(normalizer)
    async with pool.connection() as conn:
        found = await cases.list_cases(conn)
        held = [detail for case in found if (detail := await cases.show(conn, case.id)) is not None]
    words = "a text in it holds a NUL character, which neither the database nor the books can hold"
    assert {one.case.cause: sorted(subject.subject.label for subject in one.subjects) for one in held} == {
        f"product from {SOURCE}: {words}": ["bad_1", "bad_2", "bad_3"],
        f"article from {SOURCE}: {words}": ["other"],
    }


def invoice(total: int, *lines: tuple[int, int]) -> Fact:
    """Return the fact of an invoice with lines of an amount and a discount each."""
    made = tuple(
        InvoiceLine(f"l{n}", "Seats", Money(amount, "USD"), discount=Money(discount, "USD")) for n, (amount, discount) in enumerate(lines)
    )
    found = Invoice("i1", "c1", InvoiceState.ISSUED, "USD", Money(total, "USD"), Money(0, "USD"), made)
    return Fact(InvoiceEvent.ISSUED, NOW, 1, found)


@pytest.mark.parametrize(
    ("fact", "is_refused"),
    [
        (invoice(2**63 - 1), False),
        (invoice(2**63), True),
        (invoice(-(2**63)), True),
        (invoice(0, (2**62, 2**62)), True),
        (invoice(0, (2**62, 2**62 - 1)), False),
        (invoice(0, (2**63, 0), (-(2**63), 0)), True),
    ],
)
def test_amounts_fit_the_database_with_every_part_of_them(fact: Fact, is_refused: bool) -> None:
    words = "the amounts of the invoice are more than the database can hold, and than any amount can be"
    assert what_is_unstorable(b"", (fact,)) == (words if is_refused else "")


async def test_an_amount_the_database_cannot_hold_is_parked_alone(
    pool: Pool, cipher: Cipher, normalizer: Normalizer, source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = source.normalize
    monkeypatch.setattr(source, "normalize", lambda s, d, f: (invoice(2**63),) if d.dedupe_key == "bad" else plain(s, d, f))
    await keep(pool, cipher, incoming("bad", id="p1", sequence=1, name="x"))
    await keep(pool, cipher, incoming("good", id="p2", sequence=1, name="x"))
    await drain(normalizer)
    assert sorted(await states(pool)) == [("bad", "parked", "normalize.unstorable"), ("good", "normalized", "")]
    async with pool.connection() as conn:
        [case] = await cases.list_cases(conn, state=CaseState.OPEN)
    assert "more than the database can hold" in case.cause


def test_a_text_that_only_writes_about_a_nul_is_no_nul() -> None:
    fact = Fact(ProductEvent.RELEASED, NOW, 1, Product(id="p1", name="the escape \\u0000 means NUL"))
    assert what_is_unstorable(b'{"name": "the escape \\\\u0000 means NUL"}', (fact,)) == ""
    real = Fact(ProductEvent.RELEASED, NOW, 1, Product(id="p1", name="a backslash \\\0"))
    assert "NUL" in what_is_unstorable(b"\\u0000", (real,))


def test_half_of_a_surrogate_pair_is_found_however_it_was_written_and_a_whole_pair_is_a_character() -> None:
    half = Fact(ProductEvent.RELEASED, NOW, 1, Product(id="p1", name="a\ud800b"))
    for written in (b"\\ud800", b"\\uD800", "\ud800".encode("utf-8", "surrogatepass")):
        assert "half of a surrogate pair" in what_is_unstorable(written, (half,))
    named = Fact(ProductEvent.RELEASED, NOW, 1, Product(id="p\udfff", name="a"))
    assert "half of a surrogate pair" in what_is_unstorable(b"\\udfff", (named,))
    whole = Fact(ProductEvent.RELEASED, NOW, 1, Product(id="p1", name="\U0001f600"))
    assert what_is_unstorable(b"\\ud83d\\ude00", (whole,)) == ""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (psycopg.OperationalError("the server closed the connection"), True),
        (errors.AdminShutdown("terminating connection"), True),
        (errors.DiskFull("could not extend file"), True),
        (PoolTimeout("no connection"), True),
        (errors.ProgramLimitExceeded("index row size exceeds"), False),
        (errors.UntranslatableCharacter("cannot be converted to text"), False),
        (ExceptionGroup("both", [errors.AdminShutdown("a"), errors.ProgramLimitExceeded("b")]), False),
        (ValueError("ours"), False),
    ],
)
def test_what_the_item_itself_brings_about_counts_as_its_failed_try(error: Exception, expected: bool) -> None:
    assert is_away(error) is expected
