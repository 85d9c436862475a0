"""Parts of documents: lines and taxes scaled to a part of the total, or less what was credited, equal to the minor unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from math import floor

from counterfoil.core.commands.books import DocumentLine, DocumentTax
from counterfoil.core.language.money import Money, Rounding, round_minor, total

from .invariants import InvariantError


def scale(amounts: Sequence[Money], part: Money) -> tuple[Money, ...]:
    """Return signed amounts scaled so that they sum to ``part``, by largest remainder; ties go to the earlier one.

    Unlike ``allocate``, the amounts may have mixed signs (prorations); their sum must not be zero.

    Raises:
        InvariantError: the amounts sum to zero, so that nothing is in proportion to them.
    """
    whole = total(amounts, part.currency).minor
    if not whole:
        raise InvariantError("cannot scale amounts that sum to zero")
    exact = [Fraction(amount.minor * part.minor, whole) for amount in amounts]
    cut = [floor(value) for value in exact]
    order = sorted(range(len(cut)), key=lambda i: (cut[i] - exact[i], i))
    for i in order[: part.minor - sum(cut)]:
        cut[i] += 1
    return tuple(Money(minor, part.currency) for minor in cut)


def scale_lines(lines: Sequence[DocumentLine], part: Money) -> tuple[DocumentLine, ...]:
    """Return document lines scaled so that lines and exclusive taxes sum to ``part``; inclusive taxes follow, half to even.

    Raises:
        InvariantError: the lines sum to zero.
    """
    exclusive = [(i, j) for i, line in enumerate(lines) for j, tax in enumerate(line.taxes) if not tax.is_inclusive]
    amounts = [*(line.amount for line in lines), *(lines[i].taxes[j].amount for i, j in exclusive)]
    scaled = scale(amounts, part)
    tax_of = dict(zip(exclusive, scaled[len(lines) :], strict=True))
    ratio = Fraction(part.minor, total(amounts, part.currency).minor)
    result = []
    for i, line in enumerate(lines):
        taxes = tuple(_scaled_tax(tax, tax_of.get((i, j)), ratio) for j, tax in enumerate(line.taxes))
        result.append(replace(line, amount=scaled[i], taxes=taxes))
    return tuple(result)


def _scaled_tax(tax: DocumentTax, amount: Money | None, ratio: Fraction) -> DocumentTax:
    taxable = Money(round_minor(tax.taxable.minor * ratio, Rounding.HALF_EVEN), tax.taxable.currency)
    if amount is None:
        amount = Money(round_minor(tax.amount.minor * ratio, Rounding.HALF_EVEN), tax.amount.currency)
    return replace(tax, amount=amount, taxable=taxable)


def less_lines(lines: Sequence[DocumentLine], taken: Sequence[DocumentLine]) -> tuple[DocumentLine, ...]:
    """Return what is left of a document's lines when others are taken off, like from like (account, product, taxes).

    What finds no line of its like that is large enough stays as a line of the other sign: the sum of each account and tax is right
    anyhow. A line that was lowered has quantity 1.
    """
    left = list(lines)
    for off in taken:
        place = next((i for i, line in enumerate(left) if _like(line) == _like(off) and _covers(line, off)), None)
        if place is None:
            left.append(_less(replace(off, amount=off.amount - off.amount, taxes=tuple(_nothing(tax) for tax in off.taxes)), off))
        else:
            left[place] = _less(left[place], off)
    return tuple(line for line in left if line.amount or any(tax.amount for tax in line.taxes))


def _like(line: DocumentLine) -> tuple[object, ...]:
    return line.account, line.product_id, tuple((tax.target_tax, tax.is_inclusive) for tax in line.taxes)


def _covers(line: DocumentLine, off: DocumentLine) -> bool:
    return (line.amount.minor >= 0) == (off.amount.minor >= 0) and abs(line.amount) >= abs(off.amount)


def _nothing(tax: DocumentTax) -> DocumentTax:
    return replace(tax, amount=tax.amount - tax.amount, taxable=tax.taxable - tax.taxable)


def _less(line: DocumentLine, off: DocumentLine) -> DocumentLine:
    taxes = tuple(
        replace(tax, amount=tax.amount - less.amount, taxable=tax.taxable - less.taxable)
        for tax, less in zip(line.taxes, off.taxes, strict=True)
    )
    return replace(line, amount=line.amount - off.amount, quantity=Decimal(1), taxes=taxes)
