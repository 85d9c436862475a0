"""What must hold of every booking before it is written: debits equal credits, parts equal the whole, one currency per document."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from counterfoil.core.commands import SPECS
from counterfoil.core.commands.books import Allocate, EntryLine, PostDocument, PostEntry, PostPayment
from counterfoil.core.language.commands import Arguments, CommandKind
from counterfoil.core.language.money import Money, total


class InvariantError(ValueError):
    """Nothing may be written: debits differ from credits, or parts from the whole. The message says which and by how much."""


def check_balanced(lines: Iterable[EntryLine]) -> None:
    """Check that debits equal credits in every currency; by company amounts where all lines have them.

    Raises:
        InvariantError: they differ, or there is no line.
    """
    lines = tuple(lines)
    if not lines:
        raise InvariantError("an entry without lines")
    by_company = [line.company_amount for line in lines if line.company_amount is not None]
    amounts = by_company if len(by_company) == len(lines) else [line.amount for line in lines]
    sums: defaultdict[str, int] = defaultdict(int)
    for amount in amounts:
        sums[amount.currency] += amount.minor
    for currency, minor in sums.items():
        if minor:
            raise InvariantError(f"debits differ from credits by {Money(minor, currency)}")


def check_document(document: PostDocument) -> None:
    """Check that a document's lines and exclusive taxes sum to its total, and all its taxes to its tax.

    Raises:
        InvariantError: parts differ from the whole, the total is negative, or currencies are mixed.
    """
    taxes = [tax for line in document.lines for tax in line.taxes]
    try:
        parts = total((line.amount for line in document.lines), document.currency)
        parts = parts + total((tax.amount for tax in taxes if not tax.is_inclusive), document.currency)
        tax_parts = total((tax.amount for tax in taxes), document.currency)
        differs, tax_differs = parts - document.total, tax_parts - document.tax
    except ValueError as error:
        raise InvariantError(str(error)) from error
    if differs:
        raise InvariantError(f"lines sum to {parts}, the document says {document.total}")
    if tax_differs:
        raise InvariantError(f"taxes sum to {tax_parts}, the document says {document.tax}")
    if document.total.minor < 0:
        raise InvariantError(f"a document of {document.total}: a negative invoice is a credit note")


def check_arguments(kind: CommandKind, arguments: Arguments) -> None:
    """Check a command's arguments before it is wished.

    Raises:
        InvariantError: the arguments do not fit the kind, or break one of the rules above.
    """
    if not isinstance(arguments, SPECS[kind].arguments):
        raise InvariantError(f"{kind.value} does not take {type(arguments).__name__}")
    match arguments:
        case PostDocument():
            check_document(arguments)
        case PostEntry():
            check_balanced(arguments.lines)
        case PostPayment() | Allocate() if arguments.amount.minor <= 0:
            raise InvariantError(f"{kind.value} of {arguments.amount}")
