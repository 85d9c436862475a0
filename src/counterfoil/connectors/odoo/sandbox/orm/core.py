"""What a model is: its fields for this version, how a value is looked up, shown and cleaned."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, ClassVar, TypeVar

from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import OdooError, PythonError, ValidationError, missing
from counterfoil.connectors.odoo.sandbox.orm.fields import Field, instant, named
from counterfoil.connectors.odoo.sandbox.orm.fields import field as declare
from counterfoil.connectors.odoo.sandbox.orm.rounding import round_half_up
from counterfoil.connectors.odoo.sandbox.orm.store import Row

F = TypeVar("F", bound=Callable[..., Any])
_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}")


def record_method(function: F) -> F:
    """Make a method callable from outside on records: ``method(env, ids, ...)``."""
    function.remote = "record"  # type: ignore[attr-defined]
    return function


def model_method(function: F) -> F:
    """Make a method callable from outside on the model: ``method(env, ...)``."""
    function.remote = "model"  # type: ignore[attr-defined]
    return function


class Core:
    """A model of one database. Class attributes declare it; an instance is bound to an Odoo version."""

    name: ClassVar[str] = ""
    label: ClassVar[str] = ""
    order: ClassVar[str] = "id"
    rec_name: ClassVar[str] = "name"
    company_field: str = ""
    is_of_branches: bool = False  # a company's records are those of its branches, too
    transient: ClassVar[bool] = False
    documents: ClassVar[bool] = False
    declared: ClassVar[dict[str, Field]] = {}
    indexed: ClassVar[tuple[str, ...]] = ()

    def __init__(self, version: int) -> None:
        self.version = version
        known = {n: named(n, f) for n, f in self.declared.items() if f.since <= version <= f.until}
        known["id"] = Field("integer", "ID", "id", readonly=True, copied=False)
        known["display_name"] = Field("char", "Display Name", "display_name", readonly=True, stored=False, compute=self.display_name)
        known["create_date"] = named("create_date", instant("Created on", readonly=True, copied=False))
        known["write_date"] = named("write_date", instant("Last Updated on", readonly=True, copied=False))
        known["create_uid"] = named("create_uid", declare("many2one", "Created by", relation="res.users", readonly=True, copied=False))
        known["write_uid"] = named("write_uid", declare("many2one", "Last Updated by", relation="res.users", readonly=True, copied=False))
        self.fields: dict[str, Field] = known
        self.stored = {n: f for n, f in known.items() if f.stored and f.compute is None and f.kind != "one2many"}
        self.blank: Row = {n: f.empty() for n, f in self.stored.items()}
        self.defaults = {n: f.default for n, f in known.items() if f.default is not None}
        self.required = tuple(n for n, f in self.stored.items() if f.required)
        self.indexes = {n for n, f in self.stored.items() if f.index and n not in ("create_uid", "write_uid")} | {
            n for n in self.indexed if n in self.stored
        }

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def field(self, name: str, reading: str = "in") -> Field:
        """Return a field. Raises the server's ValueError for an unknown one (worded by version and purpose)."""
        found = self.fields.get(name)
        if found is None:
            if self.version < 19 or reading == "order":
                raise PythonError(f"Invalid field '{name}' on model '{self.name}'")
            raise PythonError(f"Invalid field '{name}' {reading} '{self.name}'")
        return found

    def display_name(self, env: Env, row: Row) -> str:
        """Return what people read for a record."""
        value = row.get(self.rec_name)
        return str(value) if value else f"{self.name},{row['id']}"

    def property_default(self, env: Env, name: str) -> Any:
        """Return a company-dependent field's value where none was set for the current company."""
        return False

    def value(self, env: Env, row: Row, name: str) -> Any:
        """Return a field's value: many2one an id or False, to-many a list of ids."""
        declared = self.field(name)
        if declared.compute is not None:
            return declared.compute(env, row)
        if declared.kind == "one2many":
            return self.children(env, declared, row)
        held = row[name]
        if declared.company_dependent:
            own = held.get(env.company_id)
            return self.property_default(env, name) if own is None else own
        return held

    def children(self, env: Env, declared: Field, row: Row) -> list[int]:
        """Return the ids of a one2many, in id order, without archived ones unless the context asks for them."""
        rows = env.rows(declared.relation)
        ids = sorted(env.find(declared.relation, declared.inverse, row["id"]))
        if declared.only is not None:
            ids = [i for i in ids if declared.only(env, rows[i])]
        other = env.model(declared.relation)
        if "active" in other.fields and env.context.get("active_test", True):
            ids = [i for i in ids if rows[i]["active"]]
        return ids

    def follow(self, env: Env, row: Row, path: str) -> list[Any]:
        """Return all values a dotted path leads to from a row."""
        first, _, rest = path.partition(".")
        value = self.value(env, row, first)
        if not rest:
            return [value]
        declared = self.field(first)
        if not declared.relation:
            raise PythonError(f"Invalid field {self.name}.{path}")
        other = env.model(declared.relation)
        rows = env.rows(declared.relation)
        ids = value if isinstance(value, list | tuple) else (value,)
        return [v for i in ids if i and i in rows for v in other.follow(env, rows[i], rest)]

    def clean(self, env: Env, declared: Field, value: Any) -> Any:
        """Return a written value as it is stored. Raises the server's errors for values that cannot be."""
        cleaner = getattr(self, f"_clean_{declared.kind}", None)
        return value if cleaner is None else cleaner(env, declared, value)

    def _clean_char(self, _env: Env, _declared: Field, value: Any) -> Any:
        return False if value is None or value is False else str(value)

    _clean_text = _clean_char
    _clean_html = _clean_char

    def _clean_boolean(self, _env: Env, _declared: Field, value: Any) -> bool:
        return bool(value)

    def _clean_integer(self, _env: Env, _declared: Field, value: Any) -> int:
        return int(value or 0)

    def digits(self, env: Env, declared: Field) -> int | None:
        """Return the decimals a number is rounded to when written, as the database's precisions say; None: it is not rounded."""
        if self.version > declared.digits_until:
            return None
        settings = env.rows("decimal.precision").values() if declared.precision else ()
        own = [int(row["digits"]) for row in settings if str(row["name"]).removesuffix(" of Measure") == declared.precision]
        return own[0] if own else declared.digits

    def _clean_float(self, env: Env, declared: Field, value: Any) -> float:
        try:
            number = float(value or 0.0)
        except (TypeError, ValueError):
            raise PythonError(f"could not convert string to float: {value!r}") from None
        digits = self.digits(env, declared)
        return number if digits is None else round_half_up(number, digits)

    _clean_monetary = _clean_float

    def _clean_date(self, _env: Env, _declared: Field, value: Any) -> Any:
        if not value:
            return False
        try:
            return date.fromisoformat(str(value)[:10]).isoformat()
        except ValueError:
            raise PythonError(f"time data {value!r} does not match format '%Y-%m-%d'") from None

    def _clean_datetime(self, _env: Env, _declared: Field, value: Any) -> Any:
        if not value:
            return False
        try:
            if "T" in str(value):
                raise ValueError
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            raise PythonError(f"time data {value!r} does not match format '%Y-%m-%d %H:%M:%S'") from None
        return moment.replace(tzinfo=None).strftime("%Y-%m-%d %H:%M:%S.%f")

    def _clean_selection(self, env: Env, declared: Field, value: Any) -> Any:
        if not value:
            return False
        if value not in [key for key, _label in self.options(env, declared)]:
            raise PythonError(f"Wrong value for {self.name}.{declared.name}: {value!r}")
        return value

    def _clean_many2one(self, env: Env, declared: Field, value: Any) -> Any:
        if isinstance(value, list | tuple):
            value = value[0] if value else False
        if not value:
            return False
        if int(value) not in env.rows(declared.relation):
            raise self.absent(env, declared, int(value))
        return int(value)

    def absent(self, env: Env, declared: Field, value: int) -> OdooError:
        """Return the error for a many2one to a record that does not exist: documents notice it, other models violate a foreign key."""
        return missing(declared.relation, [value], env.uid) if self.documents else self.referenced(declared)

    def referenced(self, declared: Field) -> OdooError:
        """Return the version's text for a violated foreign key of this model."""
        if self.version >= 19:
            return ValidationError(
                "The operation cannot be completed: Another model is using the record you are trying to delete.\n\n"
                f"The troublemaker is: '{self.label}' ({self.name})\nThanks to the following constraint: '{declared.label}'"
                f" ({declared.name})\n"
                "How about archiving the record instead?"
            )
        return ValidationError(
            "The operation cannot be completed: another model requires the record being deleted. If possible, archive it instead.\n\n"
            f"Model: {self.label} ({self.name})\nConstraint: {self.name.replace('.', '_')}_{declared.name}_fkey\n"
        )

    def options(self, env: Env, declared: Field) -> tuple[tuple[str, str], ...]:
        """Return the (key, label) pairs of a selection."""
        return declared.selection
