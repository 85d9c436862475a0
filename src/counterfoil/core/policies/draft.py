"""A decision in the making, as policies get it: what they look at, and one part for each thing they do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from counterfoil.core.facts.events import Event
from counterfoil.core.kinds.credit_note import CreditNote
from counterfoil.core.kinds.invoice import Invoice
from counterfoil.core.language.records import Purpose, Record

from .decision import Decision, View
from .findings import Findings
from .outbox import Outbox
from .past import Past
from .routes import Routes
from .rules import Rules


@dataclass(slots=True)
class Draft:
    """One decision for one purpose.

    Attributes:
        findings: what it comes to: waits, problems, the rule a fact is ignored by, when to look again.
        past: what was wished and booked before.
        routes: whose a thing is, and where it goes.
        outbox: what it wishes of a destination.
    """

    event: Event
    view: View
    rules: Rules
    purpose: Purpose = Purpose.BOOKS
    findings: Findings = field(init=False)
    past: Past = field(init=False)
    routes: Routes = field(init=False)
    outbox: Outbox = field(init=False)

    def __post_init__(self) -> None:
        """Make the parts."""
        state = self.state
        bill_total = state.total if isinstance(state, Invoice | CreditNote) else None
        self.findings = Findings(self.event.subject, self.event.received_at, bill_total)
        self.past = Past(self.view, self.purpose, self.findings)
        self.routes = Routes(self.event, self.rules, self.past, self.findings)
        self.outbox = Outbox(self.rules, self.past, self.findings)

    @property
    def state(self) -> Record:
        """The subject's current state; the event's where the view has none."""
        return self.view.get(self.event.subject) or self.event.data

    @property
    def instant(self) -> datetime:
        """The instant of deciding."""
        return self.event.received_at

    def decision(self) -> Decision:
        """Return what was found."""
        return self.findings.decision(self.purpose)
