"""Dunning: an invoice that is not paid in time goes through declared stages until it is paid, credited, written off or let go.

Its state is a function of the invoice, the disputes of its payments, what people decided, the declared stages and the instant. So news may
come late, twice or in any order, stages may change between two steps, and the next step stands where it should.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from counterfoil.core.finance.dates import accounting_date
from counterfoil.core.kinds.credit_note import CreditNote
from counterfoil.core.kinds.dispute import Dispute, DisputeState
from counterfoil.core.kinds.dunning import DUNNING, Dunning, DunningEvent, DunningState
from counterfoil.core.kinds.intent import Intent
from counterfoil.core.kinds.invoice import INVOICE, Invoice, InvoiceState
from counterfoil.core.kinds.payment import PAYMENT, Payment
from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Record
from counterfoil.core.policies.bills import entity_of
from counterfoil.core.policies.decision import Problem, View
from counterfoil.core.policies.draft import Draft
from counterfoil.core.policies.due import OPEN, due_at, open_of, payments_under_way, under_way_of
from counterfoil.core.policies.process import Get, Process
from counterfoil.core.policies.rules import DunningStage, EntityRules

APPROVE, REJECT, HOLD, RESUME, WAIVE = "approve", "reject", "hold", "resume", "waive"
"""What people may decide on one: that a stage begins or is left out, that no further one begins (until an instant, if given), that they
do again, that the invoice is not dunned at all. Of the last three the last one said holds."""

_Span = tuple[datetime, datetime | None]
"""From when until when; None: it has not ended."""

_DISPUTED = (DisputeState.WARNING, DisputeState.OPEN)
_ENDED = {
    InvoiceState.PAID: "paid",
    InvoiceState.UNCOLLECTIBLE: "uncollectible",
    InvoiceState.VOID: "void",
    InvoiceState.DELETED: "void",
    InvoiceState.DRAFT: "void",
}


@dataclass(frozen=True, slots=True)
class _Case:
    """An open invoice as dunning sees it: what is open, the day it was due, the stages declared for its legal entity."""

    invoice: Invoice
    entity: EntityRules
    stages: tuple[DunningStage, ...]
    due_on: date

    @property
    def zone(self) -> tzinfo:
        """The zone of its days."""
        return self.entity.time_zone

    def begins_at(self, stage: DunningStage) -> datetime:
        """Return the first instant of the day a stage begins on."""
        day = self.due_on + timedelta(days=stage.days_after_due)
        return datetime.combine(day, time.min, self.zone).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class _Standing:
    """How far it has come: the stage it is in and since when, and the one that waits for a person."""

    stage: DunningStage | None = None
    since: datetime | None = None
    asked: DunningStage | None = None


def _documents(draft: Draft, invoice: Invoice) -> tuple[Record, ...]:
    """Return what pays or credits an invoice, and the payments it says to be under way, as far as they are known."""
    named = (draft.view.get(PAYMENT.ref(part.payment_id)) for part in invoice.parts_under_way or ())
    return (*draft.view.linked_to(INVOICE.ref(invoice.id)), *(one for one in named if one is not None))


def _open_amount(draft: Draft, invoice: Invoice) -> Money:
    """Return what is still to be paid of an invoice, by itself or by what was paid and credited of it."""
    return open_of(invoice, _documents(draft, invoice))


def _under_way(draft: Draft, invoice: Invoice) -> Money:
    """Return what of it is under way."""
    return under_way_of(invoice, _documents(draft, invoice))


def _is_under_way(draft: Draft, invoice: Invoice) -> bool:
    """Tell whether all that is to be paid is under way: nobody is dunned for that."""
    return _under_way(draft, invoice) == _open_amount(draft, invoice)


def _case(draft: Draft, invoice: Invoice) -> _Case | None:
    """Return an invoice that is to be paid and whose stages are declared; None: there is nothing to dun."""
    due = due_at(invoice)
    if due is None or _open_amount(draft, invoice).minor <= 0:
        return None
    entity = entity_of(draft, invoice)
    stages = () if entity is None else draft.rules.dunning_of(entity.name)
    if entity is None or not stages:
        return None
    return _Case(invoice, entity, stages, accounting_date(due, entity.time_zone))


def _opens(draft: Draft, record: Record) -> Dunning | None:
    """Return the dunning of an invoice whose first stage has come; of one that is open otherwise, have it decided again then."""
    case = _case(draft, record) if isinstance(record, Invoice) else None
    if case is None or _is_under_way(draft, case.invoice):
        return None  # if it fails, the payment's news have the invoice decided again
    first_at = case.begins_at(case.stages[0])
    if draft.instant < first_at:
        draft.findings.look_again(first_at)
        return None
    invoice = case.invoice
    return Dunning(
        invoice.id, invoice.customer_id, DunningState.RUNNING, _open_amount(draft, invoice), case.entity.name, due_on=case.due_on
    )


def _step(draft: Draft, state: Dunning) -> Dunning:
    """Return where the dunning of an invoice stands now."""
    invoice = draft.view.get(INVOICE.ref(state.id))
    if not isinstance(invoice, Invoice):  # known by another id since: another system tells of it, too
        return _ended(state, state.customer_id, state.open_amount.currency, "told_by_another")
    case, intents = _case(draft, invoice), _intents(draft.view, state.id)
    if case is None or any(one.verb == WAIVE for one in _whole(intents)[-1:]):
        return _without_stage(invoice, state, _why(draft, invoice, is_waived=case is not None))
    if _is_under_way(draft, invoice) and not _knows_payments(draft, invoice):
        return state  # since when it is held, is not known before they are
    held, held_at = _held(draft, invoice, intents)
    standing = _reached(case, intents, min(draft.instant, held_at or draft.instant))
    asked = "" if held or standing.asked is None else standing.asked.name
    now = DunningState.HELD if held else DunningState.ASKING if asked else DunningState.RUNNING
    stage = standing.stage
    moved = replace(
        _without_stage(invoice, state, held),
        state=now,
        open_amount=_open_amount(draft, invoice),
        entity=case.entity.name,
        stage="" if stage is None else stage.name,
        since=standing.since,
        asked=asked,
        blocks=() if stage is None else stage.blocks,
        due_on=case.due_on,
    )
    _look_again(draft, case)
    _tell(draft, moved, standing)
    return moved


def _without_stage(invoice: Invoice, state: Dunning, reason: str) -> Dunning:
    """Return the dunning of an invoice that is not dunned any more: nothing is blocked for it."""
    return _ended(state, invoice.customer_id, invoice.currency, reason)


def _ended(state: Dunning, customer_id: str, currency: str, reason: str) -> Dunning:
    return Dunning(state.id, customer_id, DunningState.ENDED, Money(0, currency), state.entity, due_on=state.due_on, reason=reason)


def _why(draft: Draft, invoice: Invoice, *, is_waived: bool) -> str:
    """Return why an invoice is not dunned."""
    if is_waived:
        return "waived"
    if invoice.state in OPEN:
        return "paid" if _open_amount(draft, invoice).minor <= 0 else "undeclared"
    return _ENDED[invoice.state]


def _intents(view: View, id: str) -> list[Intent]:
    """Return what people decided on a dunning, in order."""
    found = [one for one in view.linked_to(DUNNING.ref(id)) if isinstance(one, Intent)]
    return sorted(found, key=lambda one: (one.decided_at, one.id))


def _whole(intents: Sequence[Intent]) -> list[Intent]:
    """Return what was decided on the dunning as a whole, in order."""
    return [one for one in intents if one.verb in (HOLD, RESUME, WAIVE)]


def _knows_payments(draft: Draft, invoice: Invoice) -> bool:
    """Tell whether the payments are known that an invoice says to be under way; waits for those that are not."""
    named = [PAYMENT.ref(part.payment_id) for part in invoice.parts_under_way or () if part.payment_id]
    for ref in named:
        if draft.view.get(ref) is None:
            draft.findings.wait_for(ref)
    return all(draft.view.get(ref) is not None for ref in named)


def _paying(draft: Draft, invoice: Invoice) -> Iterator[_Span]:
    """Yield since when all that is to be paid is under way, if it is: nobody knows yet until when."""
    if _is_under_way(draft, invoice):
        begun = (one.occurred_at for one in payments_under_way(invoice, _documents(draft, invoice)))
        yield min(begun, default=draft.instant), None


def _disputed(view: View, invoice: Invoice) -> Iterator[_Span]:
    """Yield from when until when each dispute of the invoice's payments lasted."""
    for payment in view.linked_to(INVOICE.ref(invoice.id)):
        if isinstance(payment, Payment):
            for one in view.linked_to(PAYMENT.ref(payment.id)):
                if isinstance(one, Dispute):
                    yield one.opened_at, None if one.state in _DISPUTED else one.closed_at or one.opened_at


def _held(draft: Draft, invoice: Invoice, intents: Sequence[Intent]) -> tuple[str, datetime | None]:
    """Return why no further stage begins, and since when something held it without a gap; ("", None): they do."""
    disputes, holds, paying = list(_disputed(draft.view, invoice)), _holds(_whole(intents)), list(_paying(draft, invoice))
    disputed = [span for span in disputes if span[1] is None]
    held = [(since, until) for since, until in holds if until is None or until > draft.instant]
    for _, until in held:
        if until is not None:
            draft.findings.look_again(until)
    since = min((since for since, _ in (*disputed, *paying, *held)), default=None)
    if since is None:
        return "", None
    for begun, until in sorted((*disputes, *holds), key=lambda span: span[0], reverse=True):
        if begun < since and (until is None or until >= since):
            since = begun
    return "dispute" if disputed else "payment" if paying else "person", since


def _holds(said: Sequence[Intent]) -> list[_Span]:
    """Return when people held it: from each hold until its own end or the next word."""
    ends = [one.decided_at for one in said[1:]]
    following: list[datetime | None] = [*ends, None]
    found = []
    for one, end in zip(said, following, strict=False):
        if one.verb == HOLD:
            known = [instant for instant in (one.until, end) if instant is not None]
            found.append((one.decided_at, min(known, default=None)))
    return found


def _reached(case: _Case, intents: Sequence[Intent], now: datetime) -> _Standing:
    """Return how far it has come by an instant: through the stages in their order, up to the first that nobody has decided on yet."""
    standing = _Standing()
    for stage in case.stages:
        begins_at = case.begins_at(stage)
        if begins_at > now:
            break
        if stage.asks:
            verdict = next((one for one in reversed(intents) if one.about == stage.name and one.verb in (APPROVE, REJECT)), None)
            if verdict is None:
                return replace(standing, asked=stage)
            if verdict.verb == REJECT:
                continue
            begins_at = max(begins_at, verdict.decided_at)
        standing = _Standing(stage, begins_at)
    return standing


def _look_again(draft: Draft, case: _Case) -> None:
    """Have it decided again when the next stage is to begin."""
    for stage in case.stages:
        draft.findings.look_again(case.begins_at(stage))


def _tell(draft: Draft, state: Dunning, standing: _Standing) -> None:
    """Make it a case with owner and money where a person is asked, or is to be told of the stage."""
    overdue, key = CaseClass.PAYMENT_OVERDUE, DUNNING.ref(state.id).key
    due = f"of invoice {state.id}, due on {state.due_on}, {state.open_amount} is open{_beside(draft, state)}"
    if state.state is DunningState.ASKING and standing.asked is not None:
        cause = f"{due}: the stage {state.asked!r} of its dunning begins only if somebody approves."
        answer = f"counterfoil process answer {key} approve --about {state.asked}"
        remedy = f"Say `{answer}` (or `reject`, to leave the stage out); everything else goes by itself."
        told = Problem(overdue, "dunning.approval_needed", cause, remedy, state.open_amount, owner=standing.asked.tells, about=state.asked)
    elif standing.stage is not None and standing.stage.tells:
        blocked = f" Blocked: {', '.join(state.blocks)}." if state.blocks else ""
        cause = f"{due}: its dunning is in the stage {state.stage!r}.{blocked}"
        remedy = f"Collect it; this case closes when it is paid or credited. To stop the dunning: `counterfoil process answer {key} hold`."
        told = Problem(overdue, "dunning.stage_begun", cause, remedy, state.open_amount, owner=standing.stage.tells, about=state.stage)
    else:
        return
    draft.findings.problem(replace(told, entity=state.entity))


def _beside(draft: Draft, state: Dunning) -> str:
    """Return what is to be said of the part of an open amount that is under way."""
    invoice = draft.view.get(INVOICE.ref(state.id))
    begun = _under_way(draft, invoice) if isinstance(invoice, Invoice) else None
    return f", of which {begun} is under way" if begun else ""


def _concerns(get: Get, record: Record) -> tuple[ObjectRef, ...]:
    """Return the dunnings a record concerns: of an invoice, of those it credits or pays, of those a disputed payment pays, of an intent."""
    if isinstance(record, Invoice):
        return (DUNNING.ref(record.id),)
    if isinstance(record, Dispute):
        payment = get(PAYMENT.ref(record.payment_id))
        return () if payment is None else _concerns(get, payment)
    if isinstance(record, CreditNote):
        return (DUNNING.ref(record.invoice_id),)
    if isinstance(record, Payment):
        return tuple(dict.fromkeys(DUNNING.ref(one.invoice_id) for one in record.applications))
    kind, _, id = record.subject.partition("/") if isinstance(record, Intent) else ("", "", "")
    return (DUNNING.ref(id),) if kind == DUNNING.name else ()


def _event(before: Dunning | None, after: Dunning) -> DunningEvent:
    if before is None:
        return DunningEvent.BEGUN
    is_over = after.state is DunningState.ENDED and before.state is not DunningState.ENDED
    return DunningEvent.ENDED if is_over else DunningEvent.MOVED


PROCESSES = (
    Process(
        kind=DUNNING,
        declared=lambda rules: rules.dunning,
        concerns=_concerns,
        looks_at=lambda state: (INVOICE.ref(state.id),),
        opens=_opens,
        step=_step,
        event=_event,
        over=(DunningState.ENDED,),
        asks=lambda state: state.asked,
        verbs={APPROVE: True, REJECT: True, HOLD: False, RESUME: False, WAIVE: False},
        begins_with={INVOICE.name: tuple(sorted(state.value for state in OPEN))},
        begun_by=INVOICE.ref,
    ),
)
