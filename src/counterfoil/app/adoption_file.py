"""Plans of adoption as CSV files, in which people answer what is doubtful: for their owner alone, read as a spreadsheet leaves them."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from counterfoil.app.adoption_plan import AdoptionPlan, PlanRow
from counterfoil.app.customer_lists import DELIMITERS
from counterfoil.core.identity.adoption import LinkVerdict
from counterfoil.core.language.money import format_money
from counterfoil.kit.errors import SetupError

COLUMNS = (
    "kind", "id", "name", "entity", "verdict", "record", "record_name", "at_source", "in_books", "reasons", "changes", "answer", "rests_on",
)  # fmt: skip
_READ_BACK = ("kind", "id", "entity", "verdict", "record", "answer", "rests_on")
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would take for a formula: a name that begins so gets an apostrophe before it."""
SIZE_MAX = 512 * 1024 * 1024
"""Bytes of a file that is read: a million rows have half of that. What is larger is no plan, and would take the memory of the machine."""
_HEADER_MAX = 10_000


def write_plan(path: Path, plan: AdoptionPlan) -> int:
    """Write a plan for people to answer, for its owner's eyes alone; return how many answers of the file's former plan still hold.

    It takes the place of the former as a whole, or nothing is changed.

    Raises:
        SetupError: the file is there and no plan, or cannot be written.
    """
    kept = answers_of(path)
    try:
        _replace(path, _text_of(plan, kept))
    except OSError as error:
        raise SetupError(f"{path}: cannot be written: {error.strerror}", code="adopt.file") from error
    return sum(row.rests_on in kept for row in plan.rows)


def answers_of(path: Path) -> dict[str, str]:
    """Return what was answered in a file, by what the rows rest on; nothing where there is none.

    Raises:
        SetupError: it is there and no plan.
    """
    if not os.path.lexists(path):
        return {}
    return {row.rests_on: row.answer for row in read_plan(path) if row.answer}


def _text_of(plan: AdoptionPlan, answers: Mapping[str, str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in plan.rows:
        money = [" + ".join(format_money(one) for one in side) for side in (row.at_source, row.in_books)]
        told = [row.name, row.entity, row.verdict.value, row.external_id, row.record_name, *money]
        told += ["; ".join(row.reasons), "; ".join(row.changes)]
        writer.writerow([row.kind, row.id, *map(_harmless, told), answers.get(row.rests_on, ""), row.rests_on])
    return text.getvalue()


def _replace(path: Path, text: str) -> None:
    """Put a text in the place of a file, readable by its owner alone; raises OSError, and leaves nothing of its own behind then."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8-sig", newline="") as file:
        beside = Path(file.name)
        try:
            file.write(text)
            file.flush()
            beside.chmod(0o600)
            os.replace(beside, path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def read_plan(path: Path) -> list[PlanRow]:
    """Return the rows of a plan as people answered it; what only informs is not read back.

    Raises:
        SetupError: it is no plan, or a row of it is none.
    """
    file = _opened(path)
    header = file.readline(_HEADER_MAX)
    file.seek(0)
    number = 0
    rows: list[PlanRow] = []
    try:
        found = csv.DictReader(file, delimiter=max(DELIMITERS, key=header.count), skipinitialspace=True)
        missing = [name for name in _READ_BACK if name not in (found.fieldnames or ())]
        if missing:
            raise SetupError(f"{path}: is no plan of adoption: it has no column {', '.join(missing)}", code="adopt.file")
        for number, cells in enumerate(found, start=2):
            rows.append(_row(path, number, cells))
    except csv.Error as error:
        raise SetupError(f"{path}: row {number + 1} is none of a plan: {error}", code="adopt.file") from error
    return rows


def _opened(path: Path) -> TextIO:
    """Return the text of a file as a spreadsheet leaves it."""
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_MAX + 1)
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}", code="adopt.file") from error
    if len(data) > SIZE_MAX:
        raise SetupError(f"{path}: has more than {SIZE_MAX:,} bytes, and is no plan of adoption", code="adopt.file")
    return io.TextIOWrapper(io.BytesIO(data), _encoding_of(data), newline="")


def _encoding_of(data: bytes) -> str:
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"


def _row(path: Path, number: int, cells: Mapping[str, str | None]) -> PlanRow:
    told = {name: (cells.get(name) or "").strip() for name in _READ_BACK}
    try:
        verdict = LinkVerdict(told["verdict"])
        is_whole = told["rests_on"].count("-") == 2 and told["kind"] and told["id"]
    except ValueError:
        is_whole, verdict = False, LinkVerdict.MISSING
    if not is_whole:
        raise SetupError(f"{path}: row {number} is none of a plan; change no column but answer", code="adopt.file")
    return PlanRow(told["kind"], told["id"], verdict, told["record"], told["rests_on"], entity=told["entity"], answer=told["answer"])


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULAS) else cell
