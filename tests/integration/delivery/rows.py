"""Commands as they stand in the outbox, made by hand: for what is decided about them without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from counterfoil.core.commands.books import BookCommand, PostDocument
from counterfoil.core.kinds.invoice import INVOICE
from counterfoil.core.language.commands import Arguments, CommandKind
from counterfoil.core.language.keys import BINDS_NOTHING
from counterfoil.core.language.money import Money
from counterfoil.kit.codec import encode
from counterfoil.store.outbox import CommandRow, CommandState

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = date(2026, 2, 1)


def row(number: int, arguments: Arguments, kind: CommandKind = BookCommand.POST_INVOICE, **changes: Any) -> CommandRow:
    """Return a command that is ready, for an invoice of its own; ``changes``: what is otherwise about it."""
    ref = INVOICE.ref(f"stripe:in_{number}Xy")
    key, digits = f"invoice_stripe.in_{number}Xy", f"{number:032x}"
    plain = CommandRow(
        digits, NOW, number, kind.value, "books", "DE", "DE", "", 10, ref, key, BINDS_NOTHING, (), CommandState.READY,
        None, None, 0, 0, False, None, None, "", "", "", "", 0, "", "", encode(arguments),
    )  # fmt: skip
    return replace(plain, **changes)


def bill(total: int, number: str = "") -> PostDocument:
    """Return an invoice without lines."""
    return PostDocument("stripe:cus_1", "EUR", DAY, DAY, DAY, Money(total, "EUR"), Money(0, "EUR"), (), number)
