"""Facts that are an entry by themselves: customer credit granted or taken by hand, and imported journal entries."""

from __future__ import annotations

from counterfoil.core.commands.books import Account, AccountRole, EntryLine
from counterfoil.core.finance.entries import customer_balance_lines
from counterfoil.core.finance.invariants import check_balanced
from counterfoil.core.kinds.customer_credit import CUSTOMER_CREDIT, CustomerCredit
from counterfoil.core.kinds.journal_entry import JOURNAL_ENTRY, ImportedEntry
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Lane
from counterfoil.core.language.keys import wait_for_entity
from counterfoil.core.language.records import Purpose

from .booking import EntityBooks, is_nothing
from .decision import Problem
from .draft import Draft
from .missing import no_customer
from .paid_credits import paid_credit
from .policy import Policy, nobody
from .survivors import customer_of, survivor_of

ADJUSTMENT = Account(AccountRole.ADJUSTMENT)
_ROLES = {role.value: role for role in AccountRole}


def customer_credit(draft: Draft, state: CustomerCredit) -> None:
    """Decide a change of a customer's balance made by hand: Dr adjustment / Cr customer credit when it was granted, else the other way; one
    that came of a payment: see ``paid_credits``.
    """
    if is_nothing(draft, "paid_credit" if state.is_paid else "customer_credit", state.id, state.amount):
        return
    if not state.customer_id:
        no_customer(draft, state.amount)
        return
    customer = customer_of(draft, state.customer_id)
    if customer is None:
        return
    if state.is_paid:
        paid_credit(draft, state, customer)
        return
    entity = draft.routes.route(draft.event.subject, customer.address.country, state.amount.currency, state.amount)
    if entity is None:
        return
    books = EntityBooks(draft, entity, customer.id)
    lines = customer_balance_lines(state.amount, customer.id, ADJUSTMENT)
    books.entry("customer_credit", state.id, lines, entity.day_of(state.occurred_at), memo=state.description or "customer balance")


def account_of(name: str) -> Account:
    """Return the account an imported line names: a role (``receivable``, ``clearing:billing``), else the target's own account code."""
    role, _, qualifier = name.partition(":")
    return Account(_ROLES[role], qualifier) if role in _ROLES else Account(AccountRole.EXPLICIT, name)


def imported_entry(draft: Draft, state: ImportedEntry) -> None:
    """Decide an imported journal entry: posted as it is, in the entity it names. Accounts are roles, or the target's own codes.

    One whose amounts are all nothing moves no money: books refuse it, or keep an entry that says nothing.
    """
    if is_nothing(draft, "imported", state.id, [line for line in state.lines if line.amount]):
        return
    entity = draft.rules.entities.get(state.entity)
    if entity is None:
        draft.findings.problem(
            Problem(
                CaseClass.UNMAPPED_ACCOUNT,
                "decide.entity_unknown",
                f"{state.id} is an entry of the entity {state.entity!r}, which is not declared.",
                "Declare the entity, or correct its name in the imported file.",
                releases_on=wait_for_entity(state.entity),
            )
        )
        return
    customers = {line.customer_id: customer_of(draft, line.customer_id) for line in state.lines if line.customer_id}
    if not all(customers.values()):
        return
    lines = tuple(
        EntryLine(account_of(line.account), line.amount, line.description, survivor_of(draft, line.customer_id)) for line in state.lines
    )
    check_balanced(lines)
    EntityBooks(draft, entity).entry("imported", state.id, lines, state.effective_on, memo=state.description, lane=Lane.BATCH)


POLICIES = (
    Policy(kind=CUSTOMER_CREDIT, purpose=Purpose.BOOKS, decide=customer_credit, after=nobody, looks_back=False, sees_documents=False),
    Policy(kind=JOURNAL_ENTRY, purpose=Purpose.BOOKS, decide=imported_entry, after=nobody, looks_back=False, sees_documents=False),
)
