"""A purpose, its kind of command, its policy and who delivers it, as files to be added to a copy of the package, and its settings.

The policy wishes under the external key that books use for the same invoice: each of its destinations must keep its own wish of that key.
"""

from __future__ import annotations

AFTER = """            others="",
        ),
    )
"""
"""Where the terms of books end: the place a purpose is added at."""

MEMBER = """    SUPPORT_STANDING = (
        "support_standing",
        Terms(
            verb="show standings", is_per_entity=False, needs={}, takes_entity=True,
            owner="support", collects=timedelta(seconds=3), others="not_shown_in_support"
        ),
    )
"""

COMMAND = '''
"""Commands of standings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from counterfoil.core.language.commands import Arguments, CommandKind, Spec
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Purpose


@dataclass(frozen=True, slots=True)
class ShowStanding(Arguments):
    """Show what is still owed of an invoice."""

    invoice_id: str
    open_amount: Money

    @property
    def money(self) -> Money | None:
        """What is owed."""
        return self.open_amount

    @property
    def personal(self) -> tuple[tuple[str, str], ...]:
        """Nothing."""
        return ()


class StandingCommand(CommandKind):
    """What is wished of whoever shows standings."""

    SHOW_STANDING = "show_standing"


SPECS = (
    Spec(
        kind=StandingCommand.SHOW_STANDING,
        purpose=Purpose.SUPPORT_STANDING,
        arguments=ShowStanding,
        domain="standings",
        noun="standing",
        title="Standings",
        service_level=timedelta(minutes=1),
        is_ordered=False,
        same_thing=lambda command: (command.external_key,),
    ),
)
'''

POLICY = '''
"""What support is shown of an invoice."""

from __future__ import annotations

from counterfoil.core.commands.standings import ShowStanding, StandingCommand
from counterfoil.core.kinds.invoice import INVOICE, Invoice
from counterfoil.core.language.records import Purpose

from .draft import Draft
from .requests import DisplayRequest
from .policy import Policy, nobody


def invoice(draft: Draft, state: Invoice) -> None:
    """Show what is still owed of an invoice, wherever standings are shown for its legal entity."""
    entity = draft.routes.find(INVOICE.ref(state.id), currency=state.currency)
    name = "" if entity is None else entity.name
    for connection in draft.routes.destinations(name):
        arguments = ShowStanding(state.id, state.amount_remaining)
        draft.outbox.show(DisplayRequest(connection, StandingCommand.SHOW_STANDING, "invoice", state.id, arguments, legal_entity=name))


POLICIES = (Policy(kind=INVOICE, purpose=Purpose.SUPPORT_STANDING, decide=invoice, after=nobody, looks_back=False, sees_documents=False),)
'''

CUSTOMERS = '''
"""What support is shown of a customer: what is still owed of all its invoices."""

from __future__ import annotations

from counterfoil.core.commands.standings import ShowStanding, StandingCommand
from counterfoil.core.kinds.customer import CUSTOMER, Customer
from counterfoil.core.kinds.invoice import Invoice
from counterfoil.core.language.money import Money
from counterfoil.core.language.records import Purpose

from .draft import Draft
from .requests import DisplayRequest
from .policy import Policy, nobody


def customer(draft: Draft, state: Customer) -> None:
    """Show what is owed."""
    bills = [one for one in draft.view.documents_of(CUSTOMER.ref(state.id)) if isinstance(one, Invoice)]
    owed = Money(sum(bill.amount_remaining.minor for bill in bills), "USD")
    for connection in draft.routes.destinations():
        shown = ShowStanding(str(len(bills)), owed)
        draft.outbox.show(DisplayRequest(connection, StandingCommand.SHOW_STANDING, "standing", state.id, shown))


POLICIES = (
    Policy(kind=CUSTOMER, purpose=Purpose.SUPPORT_STANDING, decide=customer, after=nobody, looks_back=True, sees_documents=True),
)
'''

CONNECTOR = '''
"""A trial: shows standings, and keeps no books."""

from pydantic import BaseModel

from counterfoil.core.commands.standings import StandingCommand
from counterfoil.kit.connector import Connector
from counterfoil.kit.writing import CommandWriter, Outcome, OutcomeStatus

SHOWN = {}
"""By connection and external key, what is shown."""
REFUSING = set()
"""The connections that take nothing."""


class TrialConfig(BaseModel):
    """No settings."""


async def send(ctx, batch, bindings):
    """Show what is told, or refuse it."""
    outcomes = []
    for command in batch:
        if ctx.connection in REFUSING:
            outcomes.append(Outcome(command.id, OutcomeStatus.REFUSED, code="trial.no", message="no"))
            continue
        SHOWN[ctx.connection, command.external_key] = command.arguments.open_amount.minor
        outcomes.append(Outcome(command.id, OutcomeStatus.DONE, f"standing/{command.external_key}"))
    return tuple(outcomes)


async def target_check(ctx):
    """Lack nothing."""
    return ()


CONNECTOR = Connector(
    name="trial",
    config=TrialConfig,
    deliver={StandingCommand.SHOW_STANDING: CommandWriter(send, send, "shows the same again", 100)},
    target_check=target_check,
)
'''

BOOKS = """
[connections.odoo]
connector = "files"
inbox = "in"
outbox = "out"
namespace = "demo"

[entities.US]
target = "odoo"
currency = "USD"
time_zone = "America/New_York"

[[routes]]
entity = "US"
"""
FILE = (
    """
[connections.desk_a]
connector = "trial"

[connections.desk_b]
connector = "trial"
"""
    + BOOKS
)
DESTINATIONS = """
[[destinations]]
purpose = "support_standing"
connection = "desk_a"

[[destinations]]
purpose = "support_standing"
connection = "desk_b"
entity = "US"
"""
