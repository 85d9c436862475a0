"""Field declarations: kind, label, flags, and the constructors models are written with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

Selection = tuple[tuple[str, str], ...]
Compute = Callable[..., Any]  # (env, row) -> value

MAGIC = ("id", "create_date", "create_uid", "write_date", "write_uid")
NUMERIC = ("integer", "float", "monetary")
TO_MANY = ("one2many", "many2many")


@dataclass(slots=True)
class Field:
    """One field of a model; ``since`` and ``until`` bound the Odoo versions that have it (inclusive)."""

    kind: str
    label: str = ""
    name: str = ""
    relation: str = ""
    inverse: str = ""
    required: bool = False
    readonly: bool = False
    stored: bool = True
    selection: Selection = ()
    default: Any = None  # value, or callable(env) -> value
    compute: Compute | None = None
    company_dependent: bool = False
    index: bool = False
    copied: bool = True
    since: int = 0
    until: int = 99
    ondelete: str = "set null"
    digits: int | None = None
    digits_until: int = 99  # the last version that rounds when writing
    precision: str = ""  # the decimal.precision that sets the digits
    only: Compute | None = None  # one2many: (env, row of the comodel) -> belongs here

    def empty(self) -> Any:
        """Return what an unset field holds."""
        if self.company_dependent:
            return {}
        return _EMPTY.get(self.kind, False)


_EMPTY: dict[str, Any] = {"integer": 0, "float": 0.0, "monetary": 0.0, "boolean": False, "many2many": (), "one2many": ()}


def field(kind: str, label: str = "", **flags: Any) -> Field:
    """Declare a field of any kind; a computed one is not stored and read-only unless said otherwise."""
    if flags.get("compute") is not None:
        flags.setdefault("stored", False)
        flags.setdefault("readonly", True)
    made = Field(kind, label, **flags)
    if made.kind == "many2one" and made.stored and not made.company_dependent:
        made.index = True
    if made.kind == "one2many":
        made.stored = False
    return made


def char(label: str = "", **flags: Any) -> Field:
    """Declare a line of text."""
    return field("char", label, **flags)


def text(label: str = "", **flags: Any) -> Field:
    """Declare text of several lines."""
    return field("text", label, **flags)


def boolean(label: str = "", **flags: Any) -> Field:
    """Declare a yes or no."""
    return field("boolean", label, **flags)


def integer(label: str = "", **flags: Any) -> Field:
    """Declare a whole number."""
    return field("integer", label, **flags)


def float_(label: str = "", **flags: Any) -> Field:
    """Declare a number; ``digits`` rounds it when written."""
    return field("float", label, **flags)


def monetary(label: str = "", **flags: Any) -> Field:
    """Declare an amount."""
    return field("monetary", label, **flags)


def day(label: str = "", **flags: Any) -> Field:
    """Declare a date."""
    return field("date", label, **flags)


def instant(label: str = "", **flags: Any) -> Field:
    """Declare a date and time in UTC."""
    return field("datetime", label, **flags)


def choice(label: str, *options: tuple[str, str], **flags: Any) -> Field:
    """Declare a selection of (key, label)."""
    return field("selection", label, selection=tuple(options), **flags)


def one(relation: str, label: str = "", **flags: Any) -> Field:
    """Declare a many2one."""
    return field("many2one", label, relation=relation, **flags)


def lines(relation: str, inverse: str, label: str = "", **flags: Any) -> Field:
    """Declare a one2many."""
    return field("one2many", label, relation=relation, inverse=inverse, **flags)


def many(relation: str, label: str = "", **flags: Any) -> Field:
    """Declare a many2many."""
    return field("many2many", label, relation=relation, **flags)


def named(name: str, declared: Field) -> Field:
    """Return a copy that knows its name, with a label made from it when none was given."""
    label = declared.label or name.removesuffix("_ids").removesuffix("_id").replace("_", " ").title()
    return replace(declared, name=name, label=label)
