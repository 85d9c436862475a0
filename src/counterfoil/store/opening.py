"""Making the opening of a case: the class decides owner, impact and due time."""

from __future__ import annotations

from datetime import datetime

from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.keys import WAITS_FOR_NOTHING, WaitKey
from counterfoil.core.language.money import Money
from counterfoil.core.policies.exceptions import handling_of

from .cases import CaseSubject, Opening


def opening(
    *,
    fingerprint: str,
    case_class: CaseClass,
    code: str,
    cause: str,
    next_step: str,
    stage: str,
    subject: str,
    now: datetime,
    label: str = "",
    entity: str = "",
    connection: str = "",
    money: Money | None = None,
    releases_on: WaitKey = WAITS_FOR_NOTHING,
    concerns: str = "",
    detail: str = "",
    alone: str = "",
    owner: str = "",
) -> Opening:
    """Return the opening for one record; see :class:`counterfoil.store.cases.Opening`."""
    handling = handling_of(case_class)
    minor, currency = (None, "") if money is None else (money.minor, money.currency)
    held = CaseSubject(stage, subject, label, minor, currency, concerns, detail)
    return Opening(
        fingerprint=fingerprint,
        case_class=case_class,
        code=code,
        cause=cause,
        next_step=next_step,
        owner=owner or handling.owner,
        impact=handling.impact,
        due_at=now + handling.due_after,
        subject=held,
        entity=entity,
        connection=connection,
        releases_on=releases_on,
        alone=alone,
    )
