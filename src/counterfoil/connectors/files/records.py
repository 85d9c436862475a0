"""From bytes to records: splits a file into records with their line and offset, and a record into named texts.

CSV as in RFC 4180 (https://www.rfc-editor.org/rfc/rfc4180): quoted fields may hold delimiters, doubled quotes and line breaks.
JSON Lines as in https://jsonlines.org: one flat object per line.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

RECORD_SIZE_MAX = 1024 * 1024
"""Bytes a record may have; a longer one is malformed."""


class MalformedError(ValueError):
    """A record that cannot be read; the message says why, without the line number."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One record as it stands in the file. ``line``: its first, from 1. ``end``: offset after it. ``problem``: why it is unreadable."""

    data: bytes
    line: int
    lines: int
    end: int
    problem: str = ""


def records(file: BinaryIO, offset: int, line: int, *, is_quoted: bool) -> Iterator[FileRecord]:
    """Yield the records from an offset on (which is at the start of ``line``); blank lines are passed over.

    ``is_quoted``: line breaks inside double quotes belong to the record. A record over RECORD_SIZE_MAX is yielded cut, with a problem.
    """
    file.seek(offset)
    while True:
        data, lines, is_cut = _next(file, is_quoted=is_quoted)
        if not data:
            return
        first, line = line, line + lines
        if is_cut:
            yield FileRecord(
                data, first, lines, file.tell(), f"the record is longer than {RECORD_SIZE_MAX} bytes, or a quote is not closed"
            )
        elif data.strip():
            yield FileRecord(data, first, lines, file.tell())


def _next(file: BinaryIO, *, is_quoted: bool) -> tuple[bytes, int, bool]:
    """Return the next record's bytes, how many lines it has, and whether it was cut."""
    data = file.readline(RECORD_SIZE_MAX + 1)
    lines = 1
    start = file.tell()
    while is_quoted and data.count(b'"') % 2 and len(data) <= RECORD_SIZE_MAX:
        more = file.readline(RECORD_SIZE_MAX + 1)
        if not more:
            # The quote is never closed: only the first line is bad, the rest may be good.
            file.seek(start)
            return data.partition(b"\n")[0] + b"\n", 1, True
        data += more
        lines += 1
    if len(data) <= RECORD_SIZE_MAX:
        return data, lines, False
    if not data.endswith(b"\n"):
        while (rest := file.readline(RECORD_SIZE_MAX)) and not rest.endswith(b"\n"):
            pass
    return data, lines, True


def parse_csv(data: bytes, encoding: str, delimiter: str) -> list[str]:
    """Return the fields of one CSV record, stripped. Raises MalformedError."""
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode(encoding)
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except UnicodeDecodeError as error:
        raise MalformedError(f"is not {encoding} at byte {error.start + 1} of the record") from error
    except csv.Error as error:
        raise MalformedError(f"is not CSV: {error}") from error
    if "\0" in text:
        raise MalformedError("holds a NUL character")
    if len(rows) != 1:
        raise MalformedError("is not one CSV record")
    return [field.strip() for field in rows[0]]


def parse_json(data: bytes) -> dict[str, str]:
    """Return the members of one JSON object as texts: numbers as written, null as nothing. Raises MalformedError."""
    try:
        value = json.loads(data.removeprefix(codecs.BOM_UTF8).decode("utf-8"), parse_float=str, parse_int=str, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise MalformedError(f"is not UTF-8 at byte {error.start + 1} of the record") from error
    except MalformedError:
        raise
    except (ValueError, RecursionError) as error:
        raise MalformedError("is not JSON") from error
    if not isinstance(value, dict):
        raise MalformedError("is not a JSON object")
    texts = {name: _as_text(name, inner) for name, inner in value.items()}
    for name, text in texts.items():
        if not (_is_whole(name) and _is_whole(text)):
            shown = name.encode("ascii", "backslashreplace").decode()
            raise MalformedError(f"{shown} holds half of a surrogate pair (\\ud800 to \\udfff), which is no character")
        if "\0" in name or "\0" in text:
            raise MalformedError("holds a NUL character")
    return texts


def _is_whole(text: str) -> bool:
    """Tell whether a text is characters only: JSON's escapes can write half of a surrogate pair, which no encoding can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _as_text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value.strip()
    shown = name.encode("utf-8", "backslashreplace").decode()
    raise MalformedError(f"{shown} must be a text, a number, true, false or null")


def _no_constant(name: str) -> str:
    raise MalformedError(f"{name} is not a number")
