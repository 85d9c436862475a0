"""Movements on the processor's balance that no customer's document explains: disputes, payouts, its own fees and adjustments."""

from __future__ import annotations

from collections.abc import Sequence

from counterfoil.core.commands.books import Account, AccountRole
from counterfoil.core.finance.entries import BALANCE_COUNTERPARTS, movement_lines
from counterfoil.core.kinds.balance_entry import BALANCE_ENTRY, BalanceEntry
from counterfoil.core.kinds.dispute import DISPUTE, Dispute, DisputeState
from counterfoil.core.kinds.payout import PAYOUT, Payout, PayoutState
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.commands import Lane
from counterfoil.core.language.records import Purpose
from counterfoil.core.language.settlement import Settlement

from . import disputes
from .booking import DISPUTED_FUNDS, EntityBooks, is_nothing
from .decision import Problem
from .draft import Draft
from .payments import clearing_of
from .policy import Policy, nobody
from .routing import owner_of_balance

BANK_IN_TRANSIT = Account(AccountRole.BANK_IN_TRANSIT)
_BACK = frozenset({PayoutState.FAILED, PayoutState.CANCELED})


def _move(
    draft: Draft,
    name: str,
    settlement: Settlement,
    counterpart: Account,
    memo: str,
    lane: Lane = Lane.BATCH,
    *,
    after: Sequence[Settlement] = (),
) -> bool:
    """Book one movement on the processor's balance, on its own day, in the books of the balance's owner; ``after``: what came before.

    Return False if nobody owns that balance (yet). A movement of nothing asks for no owner.
    """
    clearing = clearing_of(draft)
    lines = movement_lines(settlement, clearing, counterpart)
    if is_nothing(draft, name, settlement.id, lines):
        return True
    entity = owner_of_balance(draft, (settlement, *after), settlement.gross)
    if entity is None:
        return False
    day = entity.day_of(settlement.occurred_at)
    EntityBooks(draft, entity).entry(name, settlement.id, lines, day, memo=memo, journal=clearing.qualifier, lane=lane)
    return True


def dispute(draft: Draft, state: Dispute) -> None:
    """Decide a dispute: the money moves by its settlements; what one that is over does not give back is a loss.

    Money that came back was taken before: until the source tells of that, it is not known what is lost. Nor is a loss booked in a currency
    whose movements cannot be: that is one case.
    """
    memo, outs, backs = f"dispute {state.id}", state.withdrawals, state.reinstatements
    moved = {one.id for one in outs if _move(draft, "dispute", one, DISPUTED_FUNDS, memo, Lane.REAL_TIME, after=outs)}
    memo = f"{memo}, reinstated"
    moved |= {one.id for one in backs if _move(draft, "dispute_return", one, DISPUTED_FUNDS, memo, Lane.REAL_TIME, after=outs)}
    is_missing_money = not outs and (bool(backs) or state.state is DisputeState.LOST)
    is_to_come_back = state.state is DisputeState.WON and not backs and any(one.gross for one in outs)
    if is_missing_money or is_to_come_back:
        draft.findings.wait_for(draft.event.subject)
    elif not outs:
        draft.findings.ignore("dispute_moved_no_money")
    elif state.state in disputes.OVER:
        unowned = {one.gross.currency for one in (*outs, *backs) if one.id not in moved}
        disputes.close(draft, state, unowned)


def payout(draft: Draft, state: Payout) -> None:
    """Decide a payout: booked when the money left the processor's balance, so that clearing always equals it; back when it came back."""
    memo = f"payout {state.id}"
    if state.settlement is None:
        if state.state is PayoutState.PAID:
            draft.findings.wait_for(draft.event.subject)
        else:
            draft.findings.ignore("payout_moved_no_money")
        return
    _move(draft, "payout", state.settlement, BANK_IN_TRANSIT, memo)
    if state.reversal is not None:
        back = f"{memo} came back: {state.failure_code or state.state.value}"
        _move(draft, "payout_return", state.reversal, BANK_IN_TRANSIT, back, after=(state.settlement,))
    elif state.state in _BACK:
        draft.findings.wait_for(draft.event.subject)


def balance_entry(draft: Draft, state: BalanceEntry) -> None:
    """Decide a movement of the processor's own by its category; a category without an account is schema drift."""
    role = BALANCE_COUNTERPARTS.get(state.category)
    if role is None:
        draft.findings.problem(
            Problem(
                CaseClass.SCHEMA_DRIFT,
                "decide.balance_category_unknown",
                f"{state.id} is a balance movement of the unknown category {state.category!r}.",
                "Update the connector: it must name one of the known categories.",
                state.settlement.net,
            )
        )
        return
    _move(draft, "balance_entry", state.settlement, Account(role), state.description or f"{state.category} {state.id}")


POLICIES = (
    Policy(kind=DISPUTE, purpose=Purpose.BOOKS, decide=dispute, after=nobody, looks_back=False, sees_documents=False),
    Policy(kind=PAYOUT, purpose=Purpose.BOOKS, decide=payout, after=nobody, looks_back=False, sees_documents=False),
    Policy(kind=BALANCE_ENTRY, purpose=Purpose.BOOKS, decide=balance_entry, after=nobody, looks_back=False, sees_documents=False),
)
