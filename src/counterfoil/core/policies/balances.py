"""Movements on the processor's balance that no customer's document explains: disputes, payouts, its own fees and adjustments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from counterfoil.core.canonical import entities as e
from counterfoil.core.canonical.commands import Account, AccountRole, Lane
from counterfoil.core.canonical.ids import ObjectKind, ObjectRef
from counterfoil.core.canonical.money import Money, total
from counterfoil.core.finance.entries import BALANCE_COUNTERPARTS, movement_lines, transfer_lines

from .booking import Books
from .decision import CaseClass, Problem
from .draft import Draft
from .payments import clearing_of
from .rules import DisputeLostAccount, EntityRules

DISPUTED_FUNDS = Account(AccountRole.DISPUTED_FUNDS)
BANK_IN_TRANSIT = Account(AccountRole.BANK_IN_TRANSIT)
_BACK = frozenset({e.PayoutState.FAILED, e.PayoutState.CANCELED})


def _owner(draft: Draft, movements: Sequence[e.Settlement], money: Money) -> EntityRules | None:
    """Return the owner of the balance on which all of one thing moves: the entity its first movement was booked in, else as routed.

    A dispute follows its payment if that came into the same balance.
    """
    subject, names = draft.event.subject, ("dispute", "dispute_return", "payout", "payout_return", "balance_entry")
    balance = [movement for movement in movements if movement.gross.currency == money.currency]
    booked = next((name for movement in balance if (name := draft.booked_entity(movement.id, *names))), "")
    state = draft.view.get(subject)
    paid = draft.view.get(ObjectRef(ObjectKind.PAYMENT, state.payment_id)) if isinstance(state, e.Dispute) else None
    if not booked and isinstance(paid, e.Payment) and paid.settlement is not None and paid.settlement.gross.currency == money.currency:
        booked = draft.booked_entity(paid.id, "payment")
    return draft.declared(booked, subject, money) if booked else draft.route(subject, "", money.currency, money)


def _move(
    draft: Draft,
    name: str,
    settlement: e.Settlement,
    counterpart: Account,
    memo: str,
    lane: Lane = Lane.BATCH,
    *,
    after: Sequence[e.Settlement] = (),
) -> Books | None:
    """Book one movement on the processor's balance, on its own day, in the books of the balance's owner; ``after``: what came before."""
    entity = _owner(draft, (settlement, *after), settlement.gross)
    if entity is None:
        return None
    books, clearing = Books(draft, entity), clearing_of(draft)
    day = draft.day(entity, settlement.occurred_at)
    lines = movement_lines(settlement, clearing, counterpart)
    books.entry(name, settlement.id, lines, day, memo=memo, journal=clearing.qualifier, lane=lane)
    return books


def dispute(draft: Draft, state: e.Dispute) -> None:
    """Decide a dispute: the money moves by its settlements; what a lost one does not give back is a loss."""
    memo = f"dispute {state.id}"
    for settlement in state.withdrawals:
        _move(draft, "dispute", settlement, DISPUTED_FUNDS, memo, Lane.REAL_TIME, after=state.withdrawals)
    for settlement in state.reinstatements:
        _move(draft, "dispute_return", settlement, DISPUTED_FUNDS, f"{memo}, reinstated", Lane.REAL_TIME, after=state.withdrawals)
    is_missing_money = (state.state is e.DisputeState.LOST and not state.withdrawals) or (
        state.state is e.DisputeState.WON and bool(state.withdrawals) and not state.reinstatements
    )
    if is_missing_money:
        draft.wait_for_self()
    elif state.state is e.DisputeState.LOST:
        _lose(draft, state, state.closed_at or state.opened_at)
    elif not state.withdrawals and not state.reinstatements:
        draft.ignore("dispute_moved_no_money")


def _lose(draft: Draft, state: e.Dispute, closed_at: datetime) -> None:
    movements = (*state.withdrawals, *state.reinstatements)
    for currency in dict.fromkeys(settlement.gross.currency for settlement in movements):
        lost = -total((s.gross for s in movements if s.gross.currency == currency), currency)
        entity = _owner(draft, movements, lost)
        if entity is None:
            return
        role = AccountRole.BAD_DEBT if entity.dispute_lost_account is DisputeLostAccount.BAD_DEBT else AccountRole.ADJUSTMENT
        lines = transfer_lines(Account(role), DISPUTED_FUNDS, lost)
        object_id = state.id if currency == movements[0].gross.currency else f"{state.id}.{currency}"
        Books(draft, entity).entry("dispute_loss", object_id, lines, draft.day(entity, closed_at), memo=f"dispute {state.id} lost")


def payout(draft: Draft, state: e.Payout) -> None:
    """Decide a payout: booked when the money left the processor's balance, so that clearing always equals it; back when it came back."""
    memo = f"payout {state.id}"
    if state.settlement is None:
        if state.state is e.PayoutState.PAID:
            draft.wait_for_self()
        else:
            draft.ignore("payout_moved_no_money")
        return
    _move(draft, "payout", state.settlement, BANK_IN_TRANSIT, memo)
    if state.reversal is not None:
        back = f"{memo} came back: {state.failure_code or state.state.value}"
        _move(draft, "payout_return", state.reversal, BANK_IN_TRANSIT, back, after=(state.settlement,))
    elif state.state in _BACK:
        draft.wait_for_self()


def balance_entry(draft: Draft, state: e.BalanceEntry) -> None:
    """Decide a movement of the processor's own by its category; a category without an account is schema drift."""
    role = BALANCE_COUNTERPARTS.get(state.category)
    if role is None:
        draft.problem(
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
