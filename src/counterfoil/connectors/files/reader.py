"""Reads one file from a place on and groups its records into deliveries."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from counterfoil.connectors.files.config import FilesConfig
from counterfoil.connectors.files.disk import Disk, FileEntry
from counterfoil.connectors.files.layouts import Layout
from counterfoil.connectors.files.records import FileRecord, MalformedError, parse_csv, parse_json, records
from counterfoil.connectors.files.wire import Document, RowOfFile, from_micros
from counterfoil.kit.connector import Delivery

ROWS_MAX = 1000
"""Rows one document may have."""

_SHOWN = 64 * 1024


class FileReader:
    """Reads one file; keys are made of its content and the line, so the same file again gives the same keys, whatever its name."""

    def __init__(self, settings: FilesConfig, disk: Disk, entry: FileEntry, layout: Layout, content: str) -> None:
        self._settings = settings
        self._disk = disk
        self._entry = entry
        self._layout = layout
        self._content = content
        self._is_csv = entry.name.endswith(".csv")
        self._header: list[str] = []

    def read(self, offset: int, line: int, limit: int) -> tuple[list[Delivery], tuple[int, int] | None]:
        """Return up to ``limit`` deliveries from the offset (at the start of ``line``) on and where to go on; None: the file is done."""
        found: list[Delivery] = []
        with self._disk.reading(self._settings.inbox / self._entry.name) as file:
            start = 0, 1
            if self._is_csv:
                header = next(records(file, 0, 1, is_quoted=True), None)
                if header is None:
                    return [], None
                problem = self._take_header(header)
                if problem:
                    return [self._parked(header, problem)], None
                start = header.end, header.line + header.lines
            place = (offset, line) if offset else start
            for delivery, end in self._deliveries(records(file, *place, is_quoted=self._is_csv)):
                if len(found) == limit:
                    return found, place
                found.append(delivery)
                place = end
        return found, None

    def _take_header(self, record: FileRecord) -> str:
        try:
            self._header = parse_csv(record.data, self._settings.encoding, self._settings.delimiter)
        except MalformedError as error:
            return str(error)
        return record.problem or self._layout.problem(self._header)

    def _deliveries(self, found: Iterator[FileRecord]) -> Iterator[tuple[Delivery, tuple[int, int]]]:
        """Yield each delivery with the place after it."""
        group: list[RowOfFile] = []
        end = (0, 0)
        for record in found:
            row = self._row(record)
            if group and not self._belongs(row, group):
                yield self._document(group), end
                group = []
            end = (record.end, record.line + record.lines)
            if not isinstance(row, RowOfFile):
                yield self._parked(record, row), end
            elif len(group) <= ROWS_MAX:
                # One row too many is kept, and parks the document; the rest of it is not held in memory.
                group.append(row)
        if group:
            yield self._document(group), end

    def _belongs(self, row: RowOfFile | str, group: list[RowOfFile]) -> bool:
        return self._layout.is_grouped and isinstance(row, RowOfFile) and row.values["id"] == group[0].values["id"]

    def _row(self, record: FileRecord) -> RowOfFile | str:
        """Return the record's row, or what is wrong with it."""
        if record.problem:
            return record.problem
        try:
            values = self._csv_values(record.data) if self._is_csv else parse_json(record.data)
        except MalformedError as error:
            return str(error)
        problem = self._layout.unknown(values)
        if not problem and not 0 < len(values.get("id", "")) <= 200:
            problem = "the id is missing or longer than 200 characters"
        told = self._layout.told_empty
        return problem or RowOfFile(record.line, {name: value for name, value in values.items() if value or name in told})

    def _csv_values(self, data: bytes) -> dict[str, str]:
        fields = parse_csv(data, self._settings.encoding, self._settings.delimiter)
        if len(fields) != len(self._header):
            raise MalformedError(f"has {len(fields)} fields where the header has {len(self._header)}")
        return dict(zip(self._header, fields, strict=True))

    def _document(self, rows: list[RowOfFile]) -> Delivery:
        body = Document(self._layout.name, self._entry.name, self._entry.modified_us, tuple(rows))
        return Delivery(
            dedupe_key=f"{self._content}/{rows[0].line}",
            shard_key=f"{self._layout.name}/{rows[0].values['id']}",
            kind=f"{self._layout.name}.fetched",
            body=msgspec.json.encode(body, order="sorted"),
            parked=f"{self._entry.name}: more than {ROWS_MAX} rows of one id" if len(rows) > ROWS_MAX else "",
            occurred_at=from_micros(self._entry.modified_us),
            place=f"{self._entry.name} line {rows[0].line}",
        )

    def _parked(self, record: FileRecord, problem: str) -> Delivery:
        return Delivery(
            dedupe_key=f"{self._content}/{record.line}",
            shard_key=f"file/{self._content}",
            kind=f"{self._layout.name}.fetched",
            body=record.data[:_SHOWN],
            occurred_at=from_micros(self._entry.modified_us),
            parked=f"{self._entry.name}: {problem}",
            place=f"{self._entry.name} line {record.line}",
        )
