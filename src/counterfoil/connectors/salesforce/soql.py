"""Queries as texts. What goes into them is checked by its form: ids, instants, names of fields; nothing is quoted that could end a quote.

https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select.htm
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from .refs import is_id

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def select(fields: Iterable[str], source: str, where: str = "", order: str = "", limit: int = 0) -> str:
    """Return a query."""
    parts = [f"SELECT {', '.join(fields)} FROM {source}"]
    parts += [f"WHERE {where}"] if where else []
    parts += [f"ORDER BY {order}"] if order else []
    return " ".join([*parts, *([f"LIMIT {limit}"] if limit else [])])


def instant(at: datetime) -> str:
    """Return an instant as a condition has it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def of_ms(ms: int) -> str:
    """Return an instant, in milliseconds, as a condition has it."""
    return instant(EPOCH + timedelta(milliseconds=ms))


def quoted(id: str) -> str:
    """Return an id as a condition has it. Raises ValueError if it is none."""
    if not is_id(id):
        raise ValueError("a record's id has 15 or 18 letters and digits")
    return f"'{id}'"


def among(ids: Iterable[str]) -> str:
    """Return a list of ids as a condition has it."""
    return f"({', '.join(quoted(id) for id in ids)})"
