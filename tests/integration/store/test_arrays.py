"""Lists come back as they went, whatever their elements hold."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import DataError

from counterfoil.core.language.commands import Lane
from counterfoil.store.arrays import array_literal
from counterfoil.store.pool import Conn
from counterfoil.store.receipts import ReceiptState

TEXTS = st.lists(st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))


def test_a_literal_is_written_as_the_manual_says() -> None:
    assert array_literal([]) == "{}"
    assert array_literal(["", "NULL", None, 'a"b', "c\\d", "{e,f}", " g "]) == r'{"","NULL",NULL,"a\"b","c\\d","{e,f}"," g "}'
    assert array_literal([1, -2, None, Lane.BATCH]) == "{1,-2,NULL,30}"
    assert array_literal([True, False, ReceiptState.PENDING, b"\x00\xff", [1, 2]]) == r'{t,f,"pending","\\x00ff",{1,2}}'


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(texts=TEXTS, numbers=st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)), raw=st.lists(st.binary()))
async def test_what_is_sent_comes_back(conn: Conn, texts: list[str | None], numbers: list[int | None], raw: list[bytes]) -> None:
    cursor = await conn.execute("select %s::text[], %s::int8[], %s::bytea[]", (texts, numbers, raw))
    assert await cursor.fetchone() == (texts, numbers, raw)


async def test_instants_days_ids_and_truths_come_back(conn: Conn) -> None:
    at, day, id = datetime(2026, 3, 2, 8, 0, 0, 123456, tzinfo=UTC), date(2026, 3, 2), UUID(int=7)
    cursor = await conn.execute("select %s::timestamptz[], %s::date[], %s::uuid[], %s::bool[]", ([at, None], [day], [id], [True, None]))
    assert await cursor.fetchone() == ([at, None], [day], [id], [True, None])


async def test_a_text_with_a_nul_is_refused_before_it_is_sent(conn: Conn) -> None:
    with pytest.raises(DataError, match="NUL"):
        await conn.execute("select %s::text[]", (["a\0b"],))
