"""`counterfoil quality`: the last count against a week and a month ago, for people and programs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from counterfoil.store import quality
from counterfoil.store.pool import Conn
from counterfoil.store.quality import QualityCount

from .conftest import Program
from .seeds import in_database

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)


async def _counted(conn: Conn) -> None:
    for ago, count in ((30, 9), (7, 4), (0, 2)):
        day = (NOW - timedelta(days=ago)).date()
        assert await quality.begin(conn, day) == ""
        told = [QualityCount("customers", "de", "", 120)]
        told += [QualityCount("wrong_tax_ids", "de", "finance", count, ("customer/stripe:cus_1", "customer/stripe:cus_2"))]
        told += [QualityCount("unlike_names", "", "crm", 1, ("customer/stripe:cus_3",))] if ago == 7 else []
        await quality.add(conn, day, told, "stripe:cus_3")
        await quality.end(conn, day, NOW)


def test_what_is_to_be_set_right_is_told_with_its_trend_its_examples_and_what_to_do(program: Program, database: str) -> None:
    assert "Nothing was counted yet" in program.run("quality").err
    assert program.run("quality", "--json").json() == {"day": None, "customers": 0, "lines": []}
    in_database(database, _counted)
    shown = program.run("quality")
    assert shown.code == 0
    assert all(word in shown.out for word in ("wrong tax ids", "finance", "120", "customer/stripe:cus_1", "customer/stripe:cus_2"))
    assert "Wrong tax ids: Compare the number" in shown.err
    assert "Unlike names" not in shown.err  # none any more
    told = program.run("quality", "--json").json()
    assert (told["day"], told["customers"]) == ("2026-03-31", 120)
    named = [(one["measure"], one["entity"], one["count"], one["of"], one["week_ago"], one["month_ago"]) for one in told["lines"]]
    assert named == [("wrong_tax_ids", "de", 2, 120, 4, 9), ("unlike_names", "", 0, 0, 1, 0)]
    assert [one["owner"] for one in program.run("quality", "--owner", "crm", "--json").json()["lines"]] == ["crm"]
    assert [one["entity"] for one in program.run("quality", "--entity", "de", "--json").json()["lines"]] == ["de"]
    assert program.run("quality", "--entity", "fr", "--json").json()["lines"] == []
