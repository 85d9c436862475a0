"""How a posted document is written: one JSON line, or CSV rows. Both can be read back far enough to know what is whole."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

import msgspec

from counterfoil.connectors.files.records import MalformedError, parse_csv, records

COLUMNS = (
    *("external_key", "content", "row", "rows", "entity", "subject", "date", "due_on", "number", "customer_id", "account", "description"),
    *("amount", "currency", "tax", "total", "other_amount", "other_currency", "reverses", "memo"),
)
"""Columns of CSV files written. Amounts are in major units; on journal entries a debit is positive; money going out is negative."""
_EVERY = COLUMNS[:6]
OTHER_COLUMNS: dict[str, tuple[str, ...]] = {
    "upsert_customer": (
        *_EVERY,
        *("customer_id", "name", "email", "phone", "line1", "line2", "city", "state", "postal_code", "country", "tax_id", "is_deleted"),
    ),
    "upsert_product": (*_EVERY, "product_id", "name", "sku"),
    "allocate": (*_EVERY, "debit", "credit", "amount", "currency"),
    "unmatch": (*_EVERY, "debit", "credit"),
}
"""Columns of the files that post nothing, by kind of command."""


@dataclass(frozen=True, slots=True)
class OutgoingDocument:
    """One document to be written. ``content``: digest of its arguments; ``document``: their JSON; ``rows``: the same as columns."""

    kind: str
    external_key: str
    content: str
    entity: str
    subject: str
    document: bytes
    rows: Sequence[dict[str, str]]


class Format(Protocol):
    """Writes items, and finds whole ones in a file."""

    suffix: str

    def header(self, kind: str) -> bytes:
        """Return what a new file of a kind of command begins with."""
        ...

    def write(self, item: OutgoingDocument) -> bytes:
        """Return the item's lines."""
        ...

    def read(self, file: BinaryIO) -> Iterator[tuple[str, str, int]]:
        """Yield external key, content digest and the offset after it of each whole item, up to the first that is not."""
        ...


class _Line(msgspec.Struct):
    """One line of a JSON Lines file."""

    external_key: str
    content: str
    entity: str
    subject: str
    document: msgspec.Raw


class JsonLines:
    """One JSON object per document, its arguments as canonical JSON: amounts are whole minor units."""

    suffix = ".jsonl"

    def header(self, kind: str) -> bytes:
        """Return nothing."""
        del kind
        return b""

    def write(self, item: OutgoingDocument) -> bytes:
        """Return one line."""
        return msgspec.json.encode(_Line(item.external_key, item.content, item.entity, item.subject, msgspec.Raw(item.document))) + b"\n"

    def read(self, file: BinaryIO) -> Iterator[tuple[str, str, int]]:
        """Yield whole lines."""
        for record in records(file, 0, 1, is_quoted=False):
            if not record.data.endswith(b"\n"):
                return
            try:
                line = msgspec.json.decode(record.data, type=_Line)
            except msgspec.DecodeError:
                return
            yield line.external_key, line.content, record.end


class CsvRows:
    """One row per line of the document; ``row`` of ``rows`` says whether it is whole."""

    suffix = ".csv"

    def header(self, kind: str) -> bytes:
        """Return the names of the columns."""
        return _csv_line(_columns(kind))

    def write(self, item: OutgoingDocument) -> bytes:
        """Return the document's rows."""
        shared = {"external_key": item.external_key, "content": item.content, "entity": item.entity, "subject": item.subject}
        lines = []
        for number, row in enumerate(item.rows, start=1):
            values = {**shared, **row, "row": str(number), "rows": str(len(item.rows))}
            lines.append(_csv_line([values.get(column, "") for column in _columns(item.kind)]))
        return b"".join(lines)

    def read(self, file: BinaryIO) -> Iterator[tuple[str, str, int]]:
        """Yield documents all of whose rows are there."""
        names: list[str] | None = None
        for record in records(file, 0, 1, is_quoted=True):
            if record.problem or not record.data.endswith(b"\n"):
                return
            try:
                fields = parse_csv(record.data, "utf-8", ",")
                if names is None:
                    names = fields
                    continue
                values = dict(zip(names, fields, strict=True))
            except (MalformedError, ValueError):
                return
            if values["row"] == values["rows"]:
                yield values["external_key"], values["content"], record.end


def _columns(kind: str) -> tuple[str, ...]:
    return OTHER_COLUMNS.get(kind, COLUMNS)


def _csv_line(values: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(values)
    return text.getvalue().encode("utf-8")


FORMATS: dict[str, Format] = {"jsonl": JsonLines(), "csv": CsvRows()}
