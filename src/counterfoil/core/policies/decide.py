"""The one way in: decide(event, view, rules) -> decision, dispatching to one module per kind of object."""

from __future__ import annotations

from typing import assert_never

from counterfoil.core.canonical import entities as e
from counterfoil.core.canonical.events import Event
from counterfoil.core.canonical.money import CurrencyError
from counterfoil.core.canonical.totals import total_of
from counterfoil.core.finance.invariants import InvariantError

from . import balances, credit_notes, grants, invoices, masters, payments, refunds
from .decision import CaseClass, Decision, Problem, View
from .draft import Draft
from .related import related
from .rules import Rules

__all__ = ["Decision", "Rules", "View", "decide", "related"]


def decide(event: Event, view: View, rules: Rules) -> Decision:
    """Return everything the current state of the event's subject calls for.

    Level-triggered: the subject's state is taken from the view (from the event where the view has none), and all commands that
    state calls for are returned, those wished before with the same id. So any event of the subject, in any order and number,
    leads to the same wishes.
    """
    draft = Draft(event, view, rules)
    state = view.get(event.subject) or event.data
    try:
        _dispatch(draft, state)
    except (InvariantError, CurrencyError) as error:
        return Decision(problems=(_mismatch(event, state, error),))
    decided = draft.decision()
    return decided if decided.has_owner else Decision(problems=(_undecided(event, state),))


def _dispatch(draft: Draft, state: e.Entity) -> None:
    match state:
        case e.Customer():
            masters.customer(draft, state)
        case e.Product():
            masters.product(draft, state)
        case e.Invoice():
            invoices.invoice(draft, state)
        case e.CreditNote():
            credit_notes.credit_note(draft, state)
        case e.Payment():
            payments.payment(draft, state)
        case e.Refund():
            refunds.refund(draft, state)
        case e.Dispute():
            balances.dispute(draft, state)
        case e.Payout():
            balances.payout(draft, state)
        case e.BalanceEntry():
            balances.balance_entry(draft, state)
        case e.CustomerCredit():
            grants.customer_credit(draft, state)
        case e.ImportedEntry():
            grants.imported_entry(draft, state)
        case e.Price() | e.TaxRate() | e.Subscription() | e.ErpDocument():
            draft.ignore(f"{draft.event.subject.kind.value}_has_no_counterpart")
        case _:
            assert_never(state)


def _undecided(event: Event, state: e.Entity) -> Problem:
    """Return the problem of a state that calls for nothing, waits for nothing and is ignored by no rule: it would be forgotten."""
    return Problem(
        CaseClass.SCHEMA_DRIFT,
        "decide.nothing_called_for",
        f"{event.subject.key} is in a state that no rule books or names as needing no booking.",
        "Compare it with the source and book it by hand if money moved, then waive this case; and report it: a rule is missing.",
        total_of(state),
    )


def _mismatch(event: Event, state: e.Entity, error: ValueError) -> Problem:
    return Problem(
        CaseClass.AMOUNT_MISMATCH,
        "decide.parts_differ",
        f"{event.subject.key} does not add up: {error}.",
        "Nothing of it was booked. Correct it at the source, or report the payload if the source is right.",
        total_of(state),
    )
