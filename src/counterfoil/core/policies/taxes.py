"""The tax map: which of the target's taxes a tax of the source is, per entity, inclusive or not (domain: entities, tax, time)."""

from __future__ import annotations

from decimal import Decimal

from counterfoil.core.kinds.invoice import LineTax
from counterfoil.core.kinds.tax_rate import TAX_RATE, TaxRate
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.text import decimal_text

from .decision import Problem
from .draft import Draft
from .rules import EntityRules, MappingKey, MappingKind

_NOT_TAXED = frozenset({"", "not_collecting", "not_subject_to_tax", "not_available", "not_supported"})
"""Taxability reasons that say no more than that there is no tax: a zero amount under them needs no tax in the target."""


def _rate(draft: Draft, tax: LineTax) -> TaxRate | None:
    found = draft.view.get(TAX_RATE.ref(tax.rate_id))
    return found if isinstance(found, TaxRate) else None


def tax_keys(tax: LineTax, rate: TaxRate | None) -> tuple[str, ...]:
    """Return the mapping keys a tax may be found under, the most specific first.

    Rate id, jurisdiction with type and percentage, jurisdiction or country with percentage, taxability reason, percentage.
    """
    mode = "inclusive" if tax.is_inclusive else "exclusive"
    percentage: Decimal | None = tax.percentage if tax.percentage is not None else rate.percentage if rate else None
    jurisdiction = tax.jurisdiction or (rate.jurisdiction if rate else "")
    keys = [tax.rate_id]
    if percentage is not None:
        text = decimal_text(percentage)
        if jurisdiction and rate and rate.type:
            keys.append(f"{jurisdiction}/{rate.type}/{text}")
        keys += [f"{place}/{text}" for place in dict.fromkeys((jurisdiction, rate.country if rate else "")) if place]
    keys.append(tax.reason)
    if percentage is not None:
        keys.append(decimal_text(percentage))
    return tuple(f"{key}|{mode}" for key in dict.fromkeys(keys) if key)


def target_tax(draft: Draft, entity: EntityRules, tax: LineTax) -> str | None:
    """Return the target's tax; an empty text if there is none to post; None after adding a problem that names the key to be mapped."""
    rate = _rate(draft, tax)
    keys = tax_keys(tax, rate)
    for key in keys:
        value = draft.rules.lookup(MappingKind.TAX, entity.name, key)
        if value is not None:
            return value
    if not tax.amount and tax.reason in _NOT_TAXED:
        return ""
    if rate is None and tax.percentage is None and tax.rate_id:
        draft.findings.wait_for(TAX_RATE.ref(tax.rate_id))
    draft.findings.problem(_unmapped(entity, tax, keys))
    return None


def _unmapped(entity: EntityRules, tax: LineTax, keys: tuple[str, ...]) -> Problem:
    if not keys:
        return Problem(
            CaseClass.UNMAPPED_TAX,
            "decide.tax_unmapped",
            f"A tax of {tax.amount} on {tax.taxable} names no rate, percentage or reason by which entity {entity.name} could map it.",
            "Correct it at the source: no mapping can match it.",
            entity=entity.name,
        )
    wanted = next((key for key in reversed(keys) if key.split("|")[0] != tax.reason or not tax.amount), keys[-1])
    released = tuple(MappingKey(MappingKind.TAX, entity.name, key).wait for key in keys if key != wanted)
    return Problem(
        CaseClass.UNMAPPED_TAX,
        "decide.tax_unmapped",
        f"Entity {entity.name} maps the tax {wanted} to no tax of {entity.target}.",
        f'Map tax "{wanted}" of entity {entity.name} to the tax of the target that computes it (also possible: {", ".join(keys)}).',
        releases_on=MappingKey(MappingKind.TAX, entity.name, wanted).wait,
        releases_also=released,
        entity=entity.name,
    )
