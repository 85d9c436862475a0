"""The words people see for what the hub calls by its own names: documents, states, causes."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from counterfoil.cli.output import money, span
from counterfoil.core.commands import SPECS
from counterfoil.core.language.case_class import CaseClass

if TYPE_CHECKING:
    from counterfoil.app.queries import Blocked

TITLES = {kind.value: spec.title for kind, spec in SPECS.items()}
"""What a kind of posting is, for a table's rows."""

ONE = {kind.value: spec.noun for kind, spec in SPECS.items()}
"""What one posting of a kind writes."""

CAUSES: dict[str, str] = {
    CaseClass.TARGET_UNAVAILABLE: "cannot be reached",
    CaseClass.AUTHENTICATION_REFUSED: "key or rights refused",
    CaseClass.UNKNOWN_CUSTOMER: "customer unknown",
    CaseClass.UNMAPPED_PRODUCT: "product not mapped",
    CaseClass.UNMAPPED_TAX: "tax not mapped",
    CaseClass.UNMAPPED_ACCOUNT: "account or journal not mapped",
    CaseClass.MISSING_FIELD: "a required field is missing",
    CaseClass.OWNERSHIP_VIOLATION: "belongs to nobody here",
    CaseClass.DUPLICATE_SUSPECTED: "perhaps a duplicate",
    CaseClass.AMOUNT_MISMATCH: "amounts differ",
    CaseClass.PERIOD_LOCKED: "period is locked",
    CaseClass.REJECTED_BY_TARGET: "refused by the target",
    CaseClass.DEPENDENCY_MISSING: "something it needs is missing",
    CaseClass.SCHEMA_DRIFT: "unknown format or state",
    CaseClass.RECONCILIATION_BREAK: "does not reconcile",
    CaseClass.SERVICE_LEVEL_BREACHED: "took too long",
    CaseClass.PAYMENT_OVERDUE: "not paid in time",
}
"""Classes of cases."""

STATES = {
    "pending": "to be read",
    "normalized": "read",
    "ignored": "ignored by rule",
    "parked": "parked, see its case",
    "waiting": "waits for something",
    "ready": "to be posted",
    "observed": "only observed, not sent",
    "unknown": "sent, being verified",
    "done": "posted",
    "canceled": "dropped",
}
"""Where a delivery or a posting stands."""

STAGES = {"normalize": "to be read", "decide": "to be decided", "wait": "waiting for", "deliver": "to be posted"}
"""Where work waits."""

MERGED = {"applied": "taken over", "unchanged": "nothing new", "stale": "older than what is known", "": ""}


def cause_of(case_class: str) -> str:
    """Return a case's class in words."""
    return CAUSES.get(case_class, case_class.replace("_", " "))


def class_of(text: str) -> str:
    """Return the class of cases a person means, by its name or its words; empty for an empty text.

    Raises:
        ValueError: there is none.
    """
    named = {words: name for name, words in CAUSES.items()}
    found = named.get(text, text.replace(" ", "_"))
    if found and found not in CAUSES:
        raise ValueError(f"there is no class of cases {text!r}; there are {', '.join(CAUSES)}")
    return found


def plural(number: int, one: str, many: str = "") -> str:
    """Return ``1 case``, ``2 cases``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def blocks(blocked: Blocked, now: datetime) -> str:
    """Return what is blocked in words: ``4 postings, 1 document undecided; 119.00 EUR; payment late since 3 min``; empty: nothing."""
    if not blocked.count:
        return ""
    more = "at least " if blocked.is_cut else ""
    parts = [plural(blocked.commands, "posting")] if blocked.commands else []
    parts += [plural(blocked.subjects, "document undecided", "documents undecided")] if blocked.subjects else []
    found = [more + ", ".join(parts)]
    found += [" + ".join(money(one.minor, one.currency) for one in blocked.money)] if blocked.money else []
    if blocked.late_at is not None:
        left_s = (blocked.late_at - now).total_seconds()
        what = ONE.get(blocked.late_kind, blocked.late_kind.replace("_", " "))
        found.append(f"{what} late in {span(left_s)}" if left_s > 0 else f"{what} late since {span(-left_s)}")
    return "; ".join(found)
