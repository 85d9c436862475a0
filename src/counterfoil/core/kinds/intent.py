"""What people decide: who, what, about what, when. Told by the built-in source ``people``, and kept like any other fact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from counterfoil.core.language.records import (
    EventType,
    Kind,
    Purpose,
    Record,
    Reference,
    Survivorship,
    never,
    newest,
    nothing,
    of_no_amount,
    of_nobody,
)
from counterfoil.core.language.states import Stateless

PEOPLE = "people"
"""The name of their source as a connection, and of their ids; no connection of the settings may have it."""


@dataclass(frozen=True, slots=True)
class Intent(Record):
    """One decision of a person; it is never changed, only followed by another.

    Attributes:
        subject: the key of what was decided on: ``dunning/billing:in_1``, ``case/12``.
        verb: what was decided, e.g. ``approve``.
        about: which question of the subject, where it may have several; empty: the subject itself.
        actor: who.
        until: the instant it ends by itself; None: it does not.
        reason: why, in the person's words.
    """

    id: str
    subject: str
    verb: str
    actor: str
    decided_at: datetime
    about: str = ""
    until: datetime | None = None
    reason: str = ""


class IntentEvent(EventType):
    """What happens to an intent."""

    DECIDED = "intent.decided"


def _of(kind: str) -> Reference[Intent]:
    """Return the reference to what was decided on, where that is an object of a kind: it is decided in view of all such intents."""

    def ids(intent: Intent) -> Iterator[str]:
        found, _, id = intent.subject.partition("/")
        if found == kind:
            yield id

    return Reference(kind, ids, is_link=True)


INTENT = Kind(
    name="intent",
    record=Intent,
    noun="decision of a person",
    events=IntentEvent,
    lifecycle=Stateless(),
    survivorship=Survivorship.WHOLE,
    keeps=newest,
    refers_to=(_of("dunning"),),
    affects=(),
    is_looked_back_from=never,
    total=of_no_amount,
    amounts=nothing,
    customer_of=of_nobody,
    found_by=nothing,
    wait_limit=None,
    service_level=None,
    is_made_again=False,
    ignored={Purpose.BOOKS: "intent_has_no_counterpart"},
)
