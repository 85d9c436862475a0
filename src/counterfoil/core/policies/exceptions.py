"""How each class of exception is handled by default: who owns it, what it holds up, how soon it is due (domain: exception classes)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from counterfoil.core.language.case_class import CaseClass


@dataclass(frozen=True, slots=True)
class Handling:
    """Owner team, business impact, and the time a case may stay open."""

    owner: str
    impact: str
    due_after: timedelta


_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)

HANDLING: dict[CaseClass, Handling] = {
    CaseClass.TARGET_UNAVAILABLE: Handling("operations", "by domain", 4 * _HOUR),
    CaseClass.AUTHENTICATION_REFUSED: Handling("operations", "by domain", _HOUR),
    CaseClass.UNKNOWN_CUSTOMER: Handling("finance systems", "revenue", _DAY),
    CaseClass.UNMAPPED_PRODUCT: Handling("finance systems", "revenue", _DAY),
    CaseClass.UNMAPPED_TAX: Handling("finance systems", "revenue", _DAY),
    CaseClass.UNMAPPED_ACCOUNT: Handling("finance systems", "revenue", _DAY),
    CaseClass.MISSING_FIELD: Handling("the domain's owner", "activation, revenue", _DAY),
    CaseClass.OWNERSHIP_VIOLATION: Handling("the domain's owner", "data quality", 3 * _DAY),
    CaseClass.DUPLICATE_SUSPECTED: Handling("sales operations", "data quality", 3 * _DAY),
    CaseClass.AMOUNT_MISMATCH: Handling("finance", "revenue", _DAY),
    CaseClass.PERIOD_LOCKED: Handling("finance", "revenue", 2 * _DAY),
    CaseClass.REJECTED_BY_TARGET: Handling("finance", "revenue", _DAY),
    CaseClass.DEPENDENCY_MISSING: Handling("operations", "by domain", 4 * _HOUR),
    CaseClass.SCHEMA_DRIFT: Handling("integration engineers", "by domain", _DAY),
    CaseClass.RECONCILIATION_BREAK: Handling("finance", "revenue, collections", _DAY),
    CaseClass.SERVICE_LEVEL_BREACHED: Handling("operations", "by domain", 4 * _HOUR),
    CaseClass.PAYMENT_OVERDUE: Handling("finance", "collections", 3 * _DAY),
}


def handling_of(case_class: str) -> Handling:
    """Return how a class is handled, as it stands with a case; one that this program does not know goes to operations within a day."""
    known = case_class in HANDLING
    return HANDLING[CaseClass(case_class)] if known else Handling("operations", "by domain", _DAY)
