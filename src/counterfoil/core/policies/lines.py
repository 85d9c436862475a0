"""From the source's lines to lines to be posted: account by product policy, mapped taxes, product, service period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from counterfoil.core.commands.books import Account, AccountRole, DocumentLine, DocumentTax
from counterfoil.core.kinds.invoice import InvoiceLine
from counterfoil.core.kinds.product import PRODUCT, Product
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.keys import NeedKey, need_of

from .decision import Problem
from .draft import Draft
from .rules import EntityRules, MappingKey, MappingKind, PostingMode, ProductPolicy
from .taxes import target_tax

MAPPED_PRODUCT = "target:"
"""Prefix of a line's product id that is the target's own, as mapped, and not a canonical id with a binding."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines ready to be posted and the products they need in the target."""

    lines: tuple[DocumentLine, ...]
    needs: tuple[NeedKey, ...]


def negated(lines: Sequence[DocumentLine]) -> tuple[DocumentLine, ...]:
    """Return the lines with all amounts the other way: an invoice of a negative total is a credit note."""
    return tuple(
        replace(line, amount=-line.amount, taxes=tuple(replace(tax, amount=-tax.amount, taxable=-tax.taxable) for tax in line.taxes))
        for line in lines
    )


@dataclass(frozen=True, slots=True)
class BookedLine:
    """How a line of an invoice was booked: its account and product, and the target's tax of each of the source's taxes (empty: none)."""

    account: Account
    product_id: str
    taxes: Mapping[tuple[str, bool], str]


def booked_line(line: InvoiceLine, booked: DocumentLine) -> BookedLine:
    """Return how a line was booked. A tax of the source that was left out as it says nothing is told by its amount of zero."""
    left, taxes = list(booked.taxes), dict[tuple[str, bool], str]()
    for number, tax in enumerate(line.taxes):
        is_next = bool(left) and (len(left) == len(line.taxes) - number or abs(left[0].amount) == abs(tax.amount))
        taxes[tax.rate_id, tax.is_inclusive] = left.pop(0).target_tax if is_next else ""
    return BookedLine(booked.account, booked.product_id, taxes)


def document_lines(
    draft: Draft, entity: EntityRules, lines: Sequence[InvoiceLine], booked: Mapping[str, BookedLine] | None = None
) -> Lines | None:
    """Return the lines, after discount; None if a product is not known yet or something is unmapped (all of it is reported at once).

    A line that credits one of ``booked`` (by id) goes to its account and taxes, whatever is mapped by now.
    """
    made: list[DocumentLine] = []
    needs: list[NeedKey] = []
    is_complete = True
    for line in lines:
        as_booked = (booked or {}).get(line.of_line_id)
        account, product_id = _sold(draft, entity, line) if as_booked is None else (as_booked.account, as_booked.product_id)
        taxes = _taxes(draft, entity, line, as_booked)
        if account is None or product_id is None or taxes is None:
            is_complete = False
            continue
        if product_id and not product_id.startswith(MAPPED_PRODUCT):
            needs.append(need_of(PRODUCT.ref(product_id)))
        made.append(
            DocumentLine(
                description=line.description,
                amount=line.amount - line.discount,
                account=account,
                quantity=line.quantity,
                taxes=taxes,
                product_id=product_id,
                period_start=entity.day_of(line.period_start) if line.period_start else None,
                period_end=entity.day_of(line.period_end) if line.period_end else None,
            )
        )
    return Lines(tuple(made), tuple(needs)) if is_complete else None


def _sold(draft: Draft, entity: EntityRules, line: InvoiceLine) -> tuple[Account | None, str | None]:
    """Return account and product of a line as they are mapped now, each None if it cannot be told."""
    product = _product(draft, line)
    account = _account(draft, entity, line, product) if product is not None or not line.product_id else None
    return account, _product_id(draft, entity, line)


def _product(draft: Draft, line: InvoiceLine) -> Product | None:
    if not line.product_id:
        return None
    found = draft.view.get(PRODUCT.ref(line.product_id))
    if not isinstance(found, Product):
        draft.findings.wait_for(PRODUCT.ref(line.product_id))
        return None
    return found


def _product_id(draft: Draft, entity: EntityRules, line: InvoiceLine) -> str | None:
    if not line.product_id or entity.product_policy is ProductPolicy.CREATE or entity.posting_mode is PostingMode.SUMMARY:
        return line.product_id
    value = draft.rules.lookup(MappingKind.PRODUCT, entity.name, line.product_id)
    if value is not None:
        return f"{MAPPED_PRODUCT}{value}"
    draft.findings.problem(
        Problem(
            CaseClass.UNMAPPED_PRODUCT,
            "decide.product_unmapped",
            f"Entity {entity.name} maps {line.product_id}, which it sells, to no product of {entity.target}.",
            f"Map it to the internal reference or the id of a product of {entity.target}: what waits goes by itself. Or let the entity"
            ' create products from the source: `products = "create"` of the entity.',
            releases_on=MappingKey(MappingKind.PRODUCT, entity.name, line.product_id).wait,
            entity=entity.name,
        )
    )
    return None


def _account(draft: Draft, entity: EntityRules, line: InvoiceLine, product: Product | None) -> Account | None:
    group = product.group if product else ""
    keys = ([f"product/{product.id}"] if product else []) + ([f"group/{group}"] if group else [])
    for key in keys:
        value = draft.rules.lookup(MappingKind.ACCOUNT, entity.name, key)
        if value is not None:
            return Account(AccountRole.EXPLICIT, value)
    if group not in entity.deferred_product_groups:
        return Account(AccountRole.REVENUE, group)
    if line.period_start is not None and line.period_end is not None:
        return Account(AccountRole.DEFERRED_REVENUE, group)
    draft.findings.problem(
        Problem(
            CaseClass.MISSING_FIELD,
            "decide.period_missing",
            f"Line {line.id} of {draft.event.subject.key} is of the deferred product group {group!r} but has no service period.",
            "Give the line a service period at the source, or take the group out of the entity's deferred product groups.",
            entity=entity.name,
        )
    )
    return None


def _taxes(draft: Draft, entity: EntityRules, line: InvoiceLine, booked: BookedLine | None) -> tuple[DocumentTax, ...] | None:
    taxes: list[DocumentTax] = []
    is_complete = True
    for tax in line.taxes:
        target = booked.taxes.get((tax.rate_id, tax.is_inclusive)) if booked is not None else None
        if target is None:
            target = target_tax(draft, entity, tax)
        if target is None:
            is_complete = False
        elif target:
            taxes.append(DocumentTax(target, tax.amount, tax.taxable, tax.is_inclusive))
    return tuple(taxes) if is_complete else None
