"""Tables as text: CSV as the Bulk API writes and reads it. Values are texts; an instant ends in ``Z``.

https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/datafiles_understanding_csv.htm
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

DELIMITERS = {"COMMA": ",", "SEMICOLON": ";", "TAB": "\t", "PIPE": "|", "CARET": "^", "BACKQUOTE": "`"}
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}


def written(columns: Sequence[str], rows: Iterable[Sequence[str]], delimiter: str = "COMMA", line_ending: str = "LF") -> str:
    """Return a table: every value quoted, an empty one as two quotes."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=DELIMITERS[delimiter], lineterminator=LINE_ENDINGS[line_ending], quoting=csv.QUOTE_ALL)
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def read(text: str, delimiter: str = "COMMA") -> tuple[list[str], list[list[str]]]:
    """Return the columns and rows of a table. Raises ValueError."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=DELIMITERS[delimiter], strict=True)
    try:
        table = [row for row in reader if row]
    except csv.Error as error:
        raise ValueError(str(error)) from None
    if not table:
        raise ValueError("the table has no header")
    if any(len(row) != len(table[0]) for row in table):
        raise ValueError("a row has another number of columns than the header")
    return table[0], table[1:]


def shown(value: Any) -> str:
    """Return a value of a record, as JSON has it, as a table does."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return f"{text[:-5]}Z" if text.endswith("+0000") and text[10:11] == "T" else text
