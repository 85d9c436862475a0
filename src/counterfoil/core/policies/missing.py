"""Problems of facts that lack what no rule can supply."""

from __future__ import annotations

from counterfoil.core.canonical.money import Money

from .decision import CaseClass, Problem
from .draft import Draft


def no_customer(draft: Draft, money: Money | None) -> None:
    """Report a fact that names no customer: a receivable needs one."""
    subject = draft.event.subject.key
    draft.problem(
        Problem(
            CaseClass.MISSING_FIELD,
            "decide.customer_missing",
            f"{subject} names no customer, and no document it belongs to does.",
            "Name a customer at the source.",
            money,
        )
    )
