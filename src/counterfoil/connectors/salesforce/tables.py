"""CSV as the Bulk API writes and reads it. Pure.

Every value is a text; in results an empty one is no value (Salesforce keeps no empty texts). In a load an empty cell leaves the
field as it is, and ``#N/A`` empties it: https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/datafiles_prepare_csv.htm
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from .wire import Row

NOTHING = "#N/A"
"""What empties a field in a load."""


def read(data: bytes) -> list[Row]:
    """Return the rows of a table, by column; quotes, commas and line breaks within a value are kept. Raises ValueError if it is none."""
    try:
        table = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"the table cannot be read: {type(error).__name__}") from None
    rows = [row for row in table if row]
    if not rows:
        raise ValueError("the table has no header")
    columns = rows[0]
    if any(len(row) != len(columns) for row in rows):
        raise ValueError("a row of the table has another number of columns than its header")
    return [dict(zip(columns, row, strict=True)) for row in rows[1:]]


def written(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> bytes:
    """Return a table with line feeds between its rows; an empty value of a row empties the field, a missing one leaves it as it is."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return text.getvalue().encode()


def _cell(value: str | None) -> str:
    return "" if value is None else value or NOTHING
