"""Problems of facts that lack what no rule can supply."""

from __future__ import annotations

from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.keys import wait_for_entity
from counterfoil.core.language.money import Money

from .decision import Problem
from .draft import Draft
from .rules import EntityRules


def no_customer(draft: Draft, money: Money | None = None) -> None:
    """Report a fact that names no customer: a receivable needs one. A bill's own money needs not be said."""
    subject = draft.event.subject.key
    draft.findings.problem(
        Problem(
            CaseClass.MISSING_FIELD,
            "decide.customer_missing",
            f"{subject} names no customer, and no document it belongs to does.",
            "Name a customer at the source. An invoice of an account without a customer is not supported: book it by hand, then waive this"
            " case.",
            money,
        )
    )


def account_billed(draft: Draft, account: str) -> None:
    """Report a document that bills an account of the source in place of a customer: there is nobody the books could be told of."""
    subject = draft.event.subject.key
    draft.findings.problem(
        Problem(
            CaseClass.MISSING_FIELD,
            "decide.account_billed",
            f"{subject} bills the account {account} of the source and no customer; accounts in the place of customers are not supported.",
            "Bill customers at the source from now on. Enter this document and its payments in the books by hand, then waive this case.",
        )
    )


def collecting_customer(draft: Draft, entity: EntityRules, money: Money | None) -> str:
    """Return the id of the customer that money of nobody is booked on (guest checkout); empty, with a problem, if none is declared."""
    if entity.collecting_customer:
        return entity.collecting_customer
    subject = draft.event.subject.key
    draft.findings.problem(
        Problem(
            CaseClass.MISSING_FIELD,
            "decide.customer_missing",
            f"{subject} names no customer, and no document it belongs to does.",
            "Make a customer for such money at the source (for example one named Guests), set"
            f' collecting_customer = "<source>:<its id>" under [entities.{entity.name}] (for example "billing:cus_123"), and start again.',
            money,
            releases_on=wait_for_entity(entity.name, "collecting_customer"),
            entity=entity.name,
        )
    )
    return ""
