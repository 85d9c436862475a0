"""Lists of customers in CSV files: read row by row, nothing of them kept but what is compared."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from counterfoil.core.identity.matching.details import CustomerDetails
from counterfoil.kit.errors import SetupError

from .list_columns import ListColumns, columns_of

DELIMITERS = (",", ";", "\t", "|")
_ENCODINGS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_OTHER_ENCODING = "cp1252"
_CHUNK = 1 << 20
_QUOTED = re.compile(r'"[^"]*"')
CELL_MAX = 2_000
"""Characters of a cell that is compared: two names of a hundred thousand would be compared for minutes."""


@dataclass(slots=True)
class CustomerList:
    """One list of customers.

    Attributes:
        path: of the file. columns: which say what. count: of the records read so far.
        encoding, delimiter: as given, or found out.
        is_guessed: the file is not UTF-8 and says no encoding: it was taken for the most frequent other one.
    """

    path: Path
    columns: ListColumns
    encoding: str
    delimiter: str
    is_guessed: bool
    count: int = field(default=0)

    def records(self) -> Iterator[CustomerDetails]:
        """Yield the records, in the file's order.

        Raises:
            SetupError: with the row, and the column: one has too many or too few cells, no id, or another's id, or a cell is too long; or
                there is none at all.
        """
        rows = _rows(self.path, self.encoding, self.delimiter)
        _, header = next(rows)
        seen: dict[str, int] = {}
        (id_place, id_name), *_ = self.columns.places["id"]
        for row, cells in rows:
            if len(cells) != len(header):
                raise _wrong(
                    self.path, row, f"has {len(cells)} cells where row 1 has {len(header)}: a separator too many, or a quote open?"
                )
            id = cells[id_place].strip()
            if not id:
                raise _wrong(self.path, row, f"has no id in column {id_name!r}")
            if id in seen:
                raise _wrong(self.path, row, f"has the id {id!r} in column {id_name!r}, as row {seen[id]}: ids must be there once")
            seen[id] = row
            self._refuse_long(row, cells)
            self.count += 1
            yield _details(id, cells, self.columns.places)
        if not self.count:
            raise SetupError(f"{self.path}: has no rows below its header", code="identity.empty")

    def _refuse_long(self, row: int, cells: Sequence[str]) -> None:
        for place, name in (one for many in self.columns.places.values() for one in many):
            if len(cells[place]) > CELL_MAX:
                problem = f"has {len(cells[place]):,} characters in column {name!r}, and at most {CELL_MAX:,} are compared: a quote open?"
                raise _wrong(self.path, row, problem)


def customer_list(path: Path, given: Mapping[str, Sequence[str]], delimiter: str = "", encoding: str = "") -> CustomerList:
    """Return a list ready to be read; its header is read, and all of it once if its encoding is to be found out.

    Args:
        path: of a CSV file with a header.
        given: the columns the user names, by what they say.
        delimiter: empty: found out.
        encoding: empty: found out.

    Raises:
        SetupError: the file cannot be read, is empty, or its columns will not do.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise SetupError(f"{path}: is no file but a pipe or the like, and is read several times: save it first", code="identity.file")
    is_guessed = False
    if not encoding:
        encoding, is_guessed = _encoding(path)
    try:
        io.TextIOWrapper(io.BytesIO(), encoding)
    except LookupError:
        raise SetupError(f"there is no encoding {encoding!r}, such as utf-8 or cp1252", code="identity.option") from None
    delimiter = delimiter or _delimiter(path, encoding)
    _, header = next(_rows(path, encoding, delimiter), (0, None))
    if header is None:
        raise SetupError(f"{path}: is empty; its first row must name the columns", code="identity.empty")
    return CustomerList(path, columns_of(str(path), header, given), encoding, delimiter, is_guessed)


def _rows(path: Path, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each row that is not empty; the header is row 1. A row may have several lines."""
    row = 0
    try:
        with path.open(encoding=encoding, newline="") as file:
            for row, cells in enumerate(csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True), 1):
                if cells and any(cell.strip() for cell in cells):
                    yield row, cells
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}", code="identity.file") from error
    except UnicodeError as error:
        raise _wrong(path, row + 1, f"is not {encoding}; name the encoding: --encoding cp1252") from error
    except csv.Error as error:
        raise _wrong(path, row + 1, f"cannot be read: {error}") from error


def _wrong(path: Path, row: int, problem: str) -> SetupError:
    return SetupError(f"{path}: row {row} {problem}", code="identity.row")


def _details(id: str, cells: Sequence[str], places: Mapping[str, tuple[tuple[int, str], ...]]) -> CustomerDetails:
    def text(says: str) -> str:
        return " ".join(cell for place, _ in places.get(says, ()) if (cell := cells[place].strip()))

    external = [
        (_namespace(says, name), cells[place]) for says, many in places.items() if says.startswith("external_id") for place, name in many
    ]
    return CustomerDetails(
        id=id,
        name=text("name"),
        given_name=text("given_name"),
        family_name=text("family_name"),
        email=text("email"),
        domain=text("domain"),
        phone=text("phone"),
        tax_ids=tuple(cell for place, _ in places.get("tax_id", ()) for cell in re.split(r"[;|]", cells[place]) if cell.strip()),
        external_ids=tuple(external),
        national_id=text("national_id"),
        born_on=text("born_on"),
        street=text("street"),
        city=text("city"),
        state=text("state"),
        postal_code=text("postal_code"),
        country=text("country"),
    )


def _namespace(says: str, column: str) -> str:
    """Return the system external ids are of: as the user names it, else the column's name."""
    return says.partition(".")[2] or column.lower()


def _encoding(path: Path) -> tuple[str, bool]:
    """Return a file's encoding, by its mark or because all of it is UTF-8; else the most frequent other one, and that it is a guess."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            chunk = file.read(_CHUNK)
            for mark, encoding in _ENCODINGS:
                if chunk.startswith(mark):
                    return encoding, False
            while chunk:
                decoder.decode(chunk)
                chunk = file.read(_CHUNK)
            decoder.decode(b"", final=True)
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}", code="identity.file") from error
    except UnicodeDecodeError:
        return _OTHER_ENCODING, True
    return "utf-8", False


def _delimiter(path: Path, encoding: str) -> str:
    """Return what separates the cells of the first row: the sign of those in use that stands there most often, outside of quotes."""
    try:
        with path.open(encoding=encoding, newline="") as file:
            line = re.split(r"[\r\n]", _QUOTED.sub("", file.read(_CHUNK)).lstrip("\r\n "), maxsplit=1)[0]
    except UnicodeError as error:
        raise _wrong(path, 1, f"is not {encoding}; name the encoding: --encoding cp1252") from error
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}", code="identity.file") from error
    return max(DELIMITERS, key=line.count)
