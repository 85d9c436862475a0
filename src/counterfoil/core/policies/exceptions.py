"""How each class of exception is handled by default: who owns it, what it holds up, how soon it is due (domain: exception classes)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Handling:
    """Owner team, business impact, and the time a case may stay open."""

    owner: str
    impact: str
    due_after: timedelta


_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)

HANDLING: dict[str, Handling] = {
    "target_unavailable": Handling("operations", "by domain", 4 * _HOUR),
    "authentication_refused": Handling("operations", "by domain", _HOUR),
    "unknown_customer": Handling("finance systems", "revenue", _DAY),
    "unmapped_product": Handling("finance systems", "revenue", _DAY),
    "unmapped_tax": Handling("finance systems", "revenue", _DAY),
    "unmapped_account": Handling("finance systems", "revenue", _DAY),
    "missing_mandatory_field": Handling("the domain's owner", "activation, revenue", _DAY),
    "ownership_violation": Handling("the domain's owner", "data quality", 3 * _DAY),
    "duplicate_suspected": Handling("sales operations", "data quality", 3 * _DAY),
    "amount_mismatch": Handling("finance", "revenue", _DAY),
    "period_locked": Handling("finance", "revenue", 2 * _DAY),
    "rejected_by_target": Handling("finance", "revenue", _DAY),
    "dependency_missing": Handling("operations", "by domain", 4 * _HOUR),
    "schema_drift": Handling("integration engineers", "by domain", _DAY),
    "reconciliation_break": Handling("finance", "revenue, collections", _DAY),
    "service_level_breached": Handling("operations", "by domain", 4 * _HOUR),
    "payment_overdue": Handling("finance", "collections", 3 * _DAY),
}


def handling_of(case_class: str) -> Handling:
    """Return how a class is handled; a class that is not in the table goes to operations within a day."""
    return HANDLING.get(case_class, Handling("operations", "by domain", _DAY))
