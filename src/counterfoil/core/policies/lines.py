"""From the source's lines to lines to be posted: account by product policy, mapped taxes, product, service period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from counterfoil.core.canonical import entities as e
from counterfoil.core.canonical.commands import Account, AccountRole, DocumentLine, DocumentTax
from counterfoil.core.canonical.ids import ObjectKind, ObjectRef

from .decision import CaseClass, Problem
from .draft import Draft
from .rules import EntityRules, MappingKey, MappingKind, PostingMode, ProductPolicy
from .taxes import target_tax

MAPPED_PRODUCT = "target:"
"""Prefix of a line's product id that is the target's own, as mapped, and not a canonical id with a binding."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines ready to be posted and the products they need in the target."""

    lines: tuple[DocumentLine, ...]
    needs: tuple[str, ...]


def negated(lines: Sequence[DocumentLine]) -> tuple[DocumentLine, ...]:
    """Return the lines with all amounts the other way: an invoice of a negative total is a credit note."""
    return tuple(
        replace(line, amount=-line.amount, taxes=tuple(replace(tax, amount=-tax.amount, taxable=-tax.taxable) for tax in line.taxes))
        for line in lines
    )


def document_lines(draft: Draft, entity: EntityRules, lines: Sequence[e.InvoiceLine]) -> Lines | None:
    """Return the lines, after discount; None if a product is not known yet or something is unmapped (all of it is reported at once)."""
    made: list[DocumentLine] = []
    needs: list[str] = []
    is_complete = True
    for line in lines:
        product = _product(draft, line)
        account = _account(draft, entity, line, product) if product is not None or not line.product_id else None
        product_id = _product_id(draft, entity, line)
        taxes = _taxes(draft, entity, line)
        if account is None or product_id is None or taxes is None:
            is_complete = False
            continue
        if product_id and not product_id.startswith(MAPPED_PRODUCT):
            needs.append(f"{ObjectKind.PRODUCT.value}/{product_id}")
        made.append(
            DocumentLine(
                description=line.description,
                amount=line.amount - line.discount,
                account=account,
                quantity=line.quantity,
                taxes=taxes,
                product_id=product_id,
                period_start=draft.day(entity, line.period_start) if line.period_start else None,
                period_end=draft.day(entity, line.period_end) if line.period_end else None,
            )
        )
    return Lines(tuple(made), tuple(needs)) if is_complete else None


def _product(draft: Draft, line: e.InvoiceLine) -> e.Product | None:
    if not line.product_id:
        return None
    found = draft.view.get(ObjectRef(ObjectKind.PRODUCT, line.product_id))
    if not isinstance(found, e.Product):
        draft.wait_for(ObjectKind.PRODUCT, line.product_id)
        return None
    return found


def _product_id(draft: Draft, entity: EntityRules, line: e.InvoiceLine) -> str | None:
    if not line.product_id or entity.product_policy is ProductPolicy.CREATE or entity.posting_mode is PostingMode.SUMMARY:
        return line.product_id
    value = draft.rules.lookup(MappingKind.PRODUCT, entity.name, line.product_id)
    if value is not None:
        return f"{MAPPED_PRODUCT}{value}"
    draft.problem(
        Problem(
            CaseClass.UNMAPPED_PRODUCT,
            "decide.product_unmapped",
            f"{draft.event.subject.key} sells {line.product_id}, which entity {entity.name} maps to no product of {entity.target}.",
            f'Map product "{line.product_id}" of entity {entity.name}, or let the entity create products from the source.',
            abs(line.amount),
            MappingKey(MappingKind.PRODUCT, entity.name, line.product_id).dependency,
            entity=entity.name,
        )
    )
    return None


def _account(draft: Draft, entity: EntityRules, line: e.InvoiceLine, product: e.Product | None) -> Account | None:
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
    draft.problem(
        Problem(
            CaseClass.MISSING_FIELD,
            "decide.period_missing",
            f"Line {line.id} of {draft.event.subject.key} is of the deferred product group {group!r} but has no service period.",
            "Give the line a service period at the source, or take the group out of the entity's deferred product groups.",
            abs(line.amount),
            entity=entity.name,
        )
    )
    return None


def _taxes(draft: Draft, entity: EntityRules, line: e.InvoiceLine) -> tuple[DocumentTax, ...] | None:
    taxes: list[DocumentTax] = []
    is_complete = True
    for tax in line.taxes:
        target = target_tax(draft, entity, tax)
        if target is None:
            is_complete = False
        elif target:
            taxes.append(DocumentTax(target, tax.amount, tax.taxable, tax.is_inclusive))
    return tuple(taxes) if is_complete else None
