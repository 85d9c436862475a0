"""The layouts: which columns each kind of file has. The README shows them to people; a test keeps both the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePath


@dataclass(frozen=True, slots=True)
class Layout:
    """One kind of file. ``is_grouped``: rows that follow each other with the same id are one document. ``told_empty``: the columns that
    say something also where they are empty, other than if they are not there.
    """

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    is_grouped: bool = False
    told_empty: tuple[str, ...] = ()
    columns: frozenset[str] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", frozenset({*self.required, *self.optional}))

    def problem(self, names: list[str]) -> str:
        """Return what is wrong with these column names, or nothing."""
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            return f"the column {twice[0]!r} is there twice"
        missing = [name for name in self.required if name not in names]
        return self.unknown(names) or (f"the column {missing[0]!r} is missing" if missing else "")

    def unknown(self, names: Iterable[str]) -> str:
        """Return which name is none of this layout's columns, in words, or nothing: a misspelled column must not lose its amounts."""
        unknown = [name for name in names if name not in self.columns]
        return f"unknown column {unknown[0]!r}; {self.name} may have {', '.join((*self.required, *self.optional))}" if unknown else ""


_LINE = (
    "line_id",
    "quantity",
    "discount",
    "product_id",
    "period_start",
    "period_end",
    "tax_rate_id",
    "tax_percentage",
    "tax_amount",
    "tax_inclusive",
)

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout(
            "customers",
            ("id", "name"),
            (
                *("email", "phone", "line1", "line2", "city", "state", "postal_code", "country", "currency", "tax_exemption"),
                *("tax_id_type", "tax_id", "locale", "is_deleted", "merged_into", "same_as", "updated_at"),
            ),
            told_empty=("merged_into", "same_as"),
        ),
        Layout("products", ("id", "name"), ("description", "sku", "group", "tax_code", "is_active", "updated_at")),
        Layout(
            "invoices",
            ("id", "customer_id", "currency", "issued_on", "total", "description", "amount"),
            ("number", "due_on", "state", "subscription_id", "country", "same_as", "updated_at", *_LINE),
            is_grouped=True,
            told_empty=("same_as",),
        ),
        Layout(
            "credit_notes",
            ("id", "invoice_id", "customer_id", "currency", "issued_on", "total", "description", "amount"),
            ("number", "reason", "state", "before_payment", "to_balance", "out_of_band", "refund_ids", "same_as", "updated_at", *_LINE),
            is_grouped=True,
            told_empty=("same_as",),
        ),
        Layout(
            "payments",
            ("id", "customer_id", "currency", "amount", "paid_on"),
            ("invoice_id", "applied", "method", "is_out_of_band", "same_as", "updated_at"),
            is_grouped=True,
            told_empty=("same_as",),
        ),
        Layout(
            "refunds",
            ("id", "payment_id", "currency", "amount", "refunded_on"),
            ("customer_id", "credit_note_id", "reason", "same_as", "updated_at"),
            told_empty=("same_as",),
        ),
        Layout(
            "journal_entries",
            ("id", "entity", "effective_on", "currency", "account", "debit", "credit"),
            ("description", "line_description", "customer_id", "updated_at"),
            is_grouped=True,
        ),
    )
}
"""Every layout by its name, in the order in which files should be read: what is needed comes before what needs it."""


def layout_of(file_name: str) -> Layout | None:
    """Return the layout a file's name asks for: ``invoices.csv``, ``invoices-2026-01.jsonl``; None: none."""
    path = PurePath(file_name)
    if path.suffix not in (".csv", ".jsonl"):
        return None
    return LAYOUTS.get(path.stem.partition("-")[0])
