"""Typed access to one row: every refusal names the file, the line and the column, and never quotes what stands there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo

from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.money import Money, exponent_of, from_major
from counterfoil.kit.errors import RejectedError

E = TypeVar("E", bound=StrEnum)

_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_DIGITS_MAX = 30
_MINOR_MAX = 10**15
"""What is more is no amount, but a mistyped one."""
REMEDY = (
    "Put the rows, corrected, into the inbox in a file of their own (a file that was read is not read again), then waive this case with"
    " that reason. If the connection's settings were wrong, correct them, restart, and retry this case."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file; fields that are empty are as good as absent, but for ``is_empty``. Every method raises RejectedError."""

    file: str
    line: int
    values: Mapping[str, str]
    namespace: str
    zone: ZoneInfo

    def refuse(
        self, column: str, words: str, *, code: str = "files.value", case_class: CaseClass = CaseClass.MISSING_FIELD, shared: str = ""
    ) -> RejectedError:
        """Return the error that says what is wrong with a column of this row. Rows of a file that are wrong alike share a case.

        ``shared``: the words without what is of this row alone, where they hold such.
        """
        return RejectedError(
            f"{self.file} line {self.line}, {column}: {words}",
            code=code,
            case_class=case_class,
            cause=f"{self.file}, {column}: {shared or words}",
            remedy=REMEDY,
            money=self.money(),
        )

    def money(self) -> Money | None:
        """Return the amount of the document a row belongs to, as far as it can be read."""
        for column in ("total", "amount", "debit", "credit"):
            try:
                amount = abs(from_major(self.text(column) or "0", self.text("currency").upper()))
            except ValueError:
                continue
            if 0 < amount.minor < _MINOR_MAX:
                return amount
        return None

    def text(self, column: str) -> str:
        """Return the text, or an empty one."""
        return self.values.get(column, "")

    def is_empty(self, column: str) -> bool:
        """Tell whether a column that says something also where it is empty is there, and is empty."""
        return self.values.get(column) == ""

    def required(self, column: str) -> str:
        """Return the text, which must be there."""
        value = self.text(column)
        if not value:
            raise self.refuse(column, "is empty and must not be")
        return value

    def own_id(self) -> str:
        """Return the canonical id of what the row is about."""
        value = self.required("id")
        if ":" in value:
            raise self.refuse("id", "must not contain a colon; the namespace is set in the configuration")
        return f"{self.namespace}:{value}"

    def ref(self, column: str) -> str:
        """Return the canonical id a column refers to, or an empty text; ``other:id`` refers into another namespace."""
        value = self.text(column)
        return value if not value or ":" in value else f"{self.namespace}:{value}"

    def required_ref(self, column: str) -> str:
        """Return the canonical id a column refers to, which must be there."""
        self.required(column)
        return self.ref(column)

    def currency(self) -> str:
        """Return the row's currency, upper case."""
        value = self.required("currency").upper()
        try:
            exponent_of(value)
        except ValueError as error:
            raise self.refuse("currency", "is not an ISO 4217 code") from error
        return value

    def amount(self, column: str, currency: str) -> Money:
        """Return the amount, zero if empty; a plain decimal in major units with no more decimals than the currency has.

        It is below 10^15 minor units either way; what is more is refused.
        """
        value = self.text(column) or "0"
        try:
            if len(value) > _DIGITS_MAX:
                raise ValueError("has too many digits")
            amount = from_major(value, currency)
        except ValueError as error:
            decimals = exponent_of(currency)
            raise self.refuse(column, f"is not a plain decimal with at most {decimals} decimals ({currency}), such as 12.30") from error
        if abs(amount.minor) >= _MINOR_MAX:
            raise self.refuse(column, "is more than any amount can be")
        return amount

    def number(self, column: str, default: str) -> Decimal:
        """Return a finite decimal."""
        value = self.text(column) or default
        try:
            number = Decimal(value)
        except InvalidOperation as error:
            raise self.refuse(column, "is not a number") from error
        if not number.is_finite() or len(value) > _DIGITS_MAX or not set(value) <= set("0123456789.-"):
            raise self.refuse(column, "is not a plain number")
        return number

    def flag(self, column: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self.text(column).lower()
        if not value:
            return default
        if value not in _FLAGS:
            raise self.refuse(column, "is neither true nor false")
        return _FLAGS[value]

    def choice(self, column: str, values: type[E], default: E, allowed: tuple[E, ...] = ()) -> E:
        """Return one of the named values."""
        text = self.text(column).lower()
        choices = allowed or tuple(values)
        found = next((value for value in choices if value.value == text), default if not text else None)
        if found is None:
            raise self.refuse(column, f"is none of {', '.join(choices)}", case_class=CaseClass.SCHEMA_DRIFT)
        return found

    def day(self, column: str) -> date:
        """Return the day in a column that must hold an ISO 8601 date."""
        value = self.required(column)
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise self.refuse(column, "is not a date such as 2026-03-31") from error

    def instant(self, column: str) -> datetime:
        """Return the UTC instant in a column: an ISO 8601 date (noon of the connection's zone) or a date and time with its offset."""
        value = self.required(column)
        try:
            if len(value) == len("2026-03-31"):
                return datetime.combine(date.fromisoformat(value), time(12), self.zone).astimezone(UTC)
            found = datetime.fromisoformat(value)
            if found.tzinfo is None:
                raise ValueError("no offset")
            return found.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise self.refuse(column, "is not a date such as 2026-03-31, or an instant such as 2026-03-31T15:00:00Z") from error

    def instant_or_none(self, column: str) -> datetime | None:
        """Return the UTC instant in a column, or None if it is empty."""
        return self.instant(column) if self.text(column) else None
