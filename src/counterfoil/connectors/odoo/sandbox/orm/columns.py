"""Import cells: rows of strings with column paths become field values, or error messages in the server's shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from counterfoil.connectors.odoo.sandbox.orm.errors import InvalidText, OdooError, PythonError
from counterfoil.connectors.odoo.sandbox.orm.fields import Field
from counterfoil.connectors.odoo.sandbox.orm.store import Row

if TYPE_CHECKING:
    from counterfoil.connectors.odoo.sandbox.orm.env import Env
    from counterfoil.connectors.odoo.sandbox.orm.reading import Reading

Path = tuple[str, ...]
TRUE = ("1", "true", "yes")
FALSE = ("", "0", "false", "no")


class CellError(Exception):
    """A cell that cannot be converted."""

    def __init__(self, message: str, moreinfo: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.moreinfo = moreinfo


@dataclass
class Record:
    """One record to load: its values, external id, database id and the rows it came from."""

    values: dict[str, Any]
    xid: str = ""
    db_id: int | None = None
    first: int = 0
    last: int = 0
    index: int = 0
    errors: list[Row] = field(default_factory=list)


def split(name: str) -> Path:
    """Return the parts of a column header (``partner_id/.id``; ``partner_id.id`` is the same)."""
    return tuple(part for part in name.replace(".id", "/.id").replace("//", "/").split("/") if part)


def blank(cell: Any) -> bool:
    """Return whether a cell is empty."""
    return cell is None or cell is False or cell == ""


def check_header(env: Env, model: Reading, paths: list[Path]) -> None:
    """Raise the server's error for an unknown column."""
    for path in paths:
        current: Reading = model
        for part in path:
            if part in ("id", ".id"):
                break
            declared = current.fields.get(part)
            if declared is None:
                raise PythonError(part, "KeyError") if env.version == 17 else PythonError(f"Invalid field name '{part}'")
            if declared.relation:
                current = env.model(declared.relation)


def extract(env: Env, model: Reading, paths: list[Path], data: list[list[Any]]) -> Iterator[Record]:
    """Yield the records of a table; a row whose own columns are all empty continues the record above."""
    nested = [i for i, p in enumerate(paths) if p[0] in model.fields and model.fields[p[0]].kind == "one2many"]
    own = [i for i in range(len(paths)) if i not in set(nested)]
    index = number = 0
    while index < len(data):
        end = index + 1
        while nested and end < len(data) and all(blank(data[end][i]) for i in own) and any(not blank(data[end][i]) for i in nested):
            end += 1
        if nested or any(not blank(cell) for cell in data[index]):
            record = _record(env, model, paths, own, nested, data, index, end)
            record.index = number
            number += 1
            yield record
        index = end


def _record(
    env: Env, model: Reading, paths: list[Path], own: list[int], nested: list[int], data: list[list[Any]], start: int, end: int
) -> Record:
    record = Record({}, first=start, last=end - 1)
    groups: dict[str, list[tuple[Path, Any]]] = {}
    for i in own:
        groups.setdefault(paths[i][0], []).append((paths[i][1:], data[start][i]))
    for name, cells in groups.items():
        _own_cell(env, model, record, name, cells)
    lists: dict[str, list[int]] = {}
    for i in nested:
        lists.setdefault(paths[i][0], []).append(i)
    for name, columns in lists.items():
        declared = model.fields[name]
        other = env.model(declared.relation)
        inner = extract(
            env, other, [paths[i][1:] or (other.rec_name,) for i in columns], [[data[r][i] for i in columns] for r in range(start, end)]
        )
        commands = []
        for line in inner:
            if not line.errors and not any(not blank(v) for v in (*line.values.values(), line.xid, line.db_id)):
                continue
            for error in line.errors:
                message = error["message"].replace(f"field '{error['field_name']}'", f"field '{declared.label}/{error['field_name']}'")
                record.errors.append({**error, "field": name, "field_name": declared.label, "message": message})
            commands.append(_line_command(env, other, line))
        if commands:
            record.values[name] = commands
    for error in record.errors:
        error["rows"] = {"from": record.first, "to": record.last}
    return record


def _line_command(env: Env, other: Reading, line: Record) -> list[Any]:
    if line.db_id is not None:
        return [1, line.db_id, line.values]
    if line.xid:
        found = env.db.xids.find(line.xid)
        if found is not None and found["model"] == other.name:
            return [1, found["res_id"], line.values]
        return [0, line.xid, line.values]
    return [0, 0, line.values]


def _own_cell(env: Env, model: Reading, record: Record, name: str, cells: list[tuple[Path, Any]]) -> None:
    if name == "id":
        record.xid = "" if blank(cells[0][1]) else str(cells[0][1])
        return
    if name == ".id":
        cell = cells[0][1]
        if not blank(cell):
            if not str(cell).isdigit():
                raise InvalidText(f'invalid input syntax for type integer: "{cell}"\n')
            number = int(cell)
            if number not in env.rows(model.name):
                record.errors.append(
                    {"type": "error", "field": ".id", "field_name": ".id", "message": f"Unknown database identifier '{cell}'"}
                )
            record.db_id = number
        return
    declared = model.fields[name]
    path, cell = cells[0]
    if blank(cell):
        record.values[name] = False
        return
    try:
        record.values[name] = convert(env, model, declared, path, cell)
    except CellError as error:
        message: Row = {"type": "error", "field": name, "message": error.message, "field_name": declared.label}
        if error.moreinfo is not None:
            message["moreinfo"] = error.moreinfo
        record.errors.append(message)


def convert(env: Env, model: Reading, declared: Field, path: Path, cell: Any) -> Any:
    """Return a cell's value for a field. Raises CellError."""
    kind, label = declared.kind, declared.label
    if kind == "many2one":
        return _linked(env, declared, path, cell)
    if kind == "many2many":
        return [[6, 0, [_linked(env, declared, path, part.strip()) for part in str(cell).split(",")]]]
    if kind == "boolean":
        folded = str(cell).lower()
        if folded in TRUE or folded in FALSE:
            return folded in TRUE
        raise CellError(f"Unknown value '{cell}' for boolean field '{label}'", "Use '1' for yes and '0' for no")
    if kind in ("integer", "float", "monetary"):
        return _number(kind, label, cell)
    if kind == "date":
        try:
            return date.fromisoformat(str(cell)).isoformat()
        except ValueError:
            raise CellError(f"'{cell}' does not seem to be a valid date for field '{label}'", "Use the format '2012-12-31'") from None
    if kind == "datetime":
        try:
            return datetime.fromisoformat(str(cell)).strftime("%Y-%m-%d %H:%M:%S")
        except ValueError:
            raise CellError(
                f"'{cell}' does not seem to be a valid datetime for field '{label}'", "Use the format '2012-12-31 23:59:59'"
            ) from None
    if kind == "selection":
        options = model.options(env, declared)
        for key, shown in options:
            if str(cell).lower() in (key.lower(), shown.lower()):
                return key
        raise CellError(f"Value '{cell}' not found in selection field '{label}'", [shown for _key, shown in options])
    return str(cell)


def _number(kind: str, label: str, cell: Any) -> float | int:
    try:
        return int(cell) if kind == "integer" else float(cell)
    except (TypeError, ValueError):
        what = "an integer" if kind == "integer" else "a number"
        raise CellError(f"'{cell}' does not seem to be {what} for field '{label}'") from None


def _linked(env: Env, declared: Field, path: Path, cell: Any) -> int:
    how = path[0] if path else ""
    if how == "id":
        xid = str(cell) if "." in str(cell) else f"__import__.{cell}"
        found = env.db.xids.find(xid)
        if found is None and env.db.pending is not None:  # perhaps an earlier row of the same load
            env.db.pending(xid)
            found = env.db.xids.find(xid)
        if found is not None and found["model"] == declared.relation and found["res_id"] in env.rows(declared.relation):
            return int(found["res_id"])
        kind = "external id"
    elif how == ".id":
        if not str(cell).isdigit():
            raise CellError(f"Invalid database id '{cell}' for the field '{declared.label}'", _possible(env, declared, True))
        if int(cell) in env.rows(declared.relation):  # the server asks whether it exists: no rule hides it
            return int(cell)
        kind = "database id"
    else:
        try:
            rows = env.model(declared.relation).name_find(env, str(cell), [], "=", 2)
        except OdooError as error:
            raise CellError(error.message) from None
        if rows:
            return int(rows[0]["id"])
        kind = "name"
    raise CellError(f"No matching record found for {kind} '{cell}' in field '{declared.label}'", _possible(env, declared, bool(how)))


def _possible(env: Env, declared: Field, by_id: bool) -> Row:
    info: Row = {
        "name": "Possible Values",
        "type": "ir.actions.act_window",
        "target": "new",
        "view_mode": "tree,form" if env.version == 17 else "list,form",
        "views": [[False, "list"], [False, "form"]],
        "context": {"create": False},
        "help": "See all possible values",
        "res_model": "ir.model.data" if by_id else declared.relation,
    }
    if by_id:
        info["domain"] = [["model", "=", declared.relation]]
    return info
