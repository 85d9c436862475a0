"""What is played once a trial purpose was added to a copy of the package, as programs of their own."""

from __future__ import annotations

SETTINGS = """
from tests.integration.waiting.trial_purpose import DESTINATIONS, FILE

from counterfoil.app.rules import declared_rules, rules_source
from counterfoil.app.settings import parse
from counterfoil.core.language.records import Purpose
from counterfoil.kit.errors import SetupError

settings = parse(FILE + DESTINATIONS)
rules = rules_source(settings)
assert [(one.purpose, one.connection, one.entity) for one in rules.destinations] == [
    (Purpose.SUPPORT_STANDING, "desk_a", ""),
    (Purpose.SUPPORT_STANDING, "desk_b", "US"),
]
declared = declared_rules(settings)
assert {path: value for path, value in declared.items() if path.startswith("destinations")} == {
    "destinations[0].purpose": "support_standing",
    "destinations[0].connection": "desk_a",
    "destinations[1].purpose": "support_standing",
    "destinations[1].connection": "desk_b",
    "destinations[1].entity": "US",
}
assert not [path for path in declared_rules(parse(FILE)) if path.startswith("destinations")]  # agrees with the release before


def refused(good, bad, at, words):
    text = (FILE + DESTINATIONS).replace(good, bad, 1)
    line = 1 + text[: text.index(at)].count("\\n")
    try:
        parse(text)
    except SetupError as error:
        assert f"configuration:{line}: {words}" in str(error), str(error)
    else:
        raise AssertionError(f"{bad} is not refused")


last = DESTINATIONS[DESTINATIONS.rindex("[["):]
A = 'connection = "desk_a"'
PURPOSE = 'purpose = "support_standing"'
takes_none = "destinations.0.connection: connection 'odoo' cannot show standings: it takes no show_standing"
refused(A + "\\n\\n[[d", 'connection = "odoo"\\n\\n[[d', 'connection = "odoo"\\n\\n[[d', takes_none)
unknown = "destinations.0.connection: connection 'desk_c' is not under [connections]"
refused(A, 'connection = "desk_c"', 'connection = "desk_c"', unknown)
unknown = "destinations.0.purpose: unknown purpose 'crm_state'; known: books, support_standing, crm_status"
refused(PURPOSE, 'purpose = "crm_state"', 'purpose = "crm_state"', unknown)
at_home = "destinations.0.purpose: where books are kept is the `target` of each entity, and no destination beside it"
refused(PURPOSE, 'purpose = "books"', 'purpose = "books"', at_home)
refused(last, last.replace("US", "DE"), 'entity = "DE"', "destinations.1.entity: entity 'DE' is not under [entities]")
twice = "destinations.1.connection: support_standing already goes to connection 'desk_a' by an earlier destination"
refused(last, last.replace("desk_b", "desk_a"), 'connection = "desk_a"\\nentity', twice)
no_books = "entities.US.target: connection 'desk_a' cannot keep books: its connector has no accounts"
refused('target = "odoo"', 'target = "desk_a"', 'target = "desk_a"', no_books)
"""

WAY = """
import asyncio
import os
from dataclasses import replace

from tests.core.builders import ANN, PRO, invoice, payment, usd
from tests.integration.waiting.office import Office
from tests.integration.waiting.trial_purpose import DESTINATIONS, FILE

from counterfoil.app.rules import rules_source
from counterfoil.app.settings import parse
from counterfoil.connectors import trial
from counterfoil.connectors.trial import REFUSING, SHOWN
from counterfoil.core.policies.rules import Rules
from counterfoil.delivery.resting import Rest, TargetLink
from counterfoil.delivery.stage import Deliverer
from counterfoil.kit.context import Context
from counterfoil.kit.http import HttpClient
from counterfoil.kit.limits import LocalBudget
from counterfoil.kit.stage import PLAIN
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import open_pool

KEY = "invoice_stripe.in_1"


def rules_of(text):
    source = rules_source(parse(text))
    return Rules(1, source.entities, source.routes, {}, source.destinations)


async def main():
    async with open_pool(os.environ["TRIAL_DATABASE"], size_min=1, size_max=4) as pool:
        cipher = Cipher({"test": bytes(range(32))})
        office = Office(pool, cipher, rules_of(FILE + DESTINATIONS))
        rest = Rest(pool, office.clock, office.arm, lambda: "")
        links = {
            name: TargetLink(
                Context(name, None, HttpClient("http://127.0.0.1", budget=LocalBudget()), office.clock),
                trial.CONNECTOR.deliver, trial.CONNECTOR.probe,
            )
            for name in ("desk_a", "desk_b")
        }
        deliverer = Deliverer(pool, cipher, links, office.clock, office.arm, rest, lambda: True)

        async def show():
            for name in links:
                await deliverer.turn(f"{name}/all", PLAIN)

        async def standing():
            return [state for state in await office.states() if state[1] == KEY and state[2] != "canceled"]

        bill = invoice(usd(10000))
        REFUSING.add("desk_b")
        await office.tell(ANN, PRO, bill)
        await show()
        # One key, three connections, each with its own; desk_b refuses, and the others are left alone.
        assert await standing() == [("odoo", KEY, "waiting"), ("desk_a", KEY, "done"), ("desk_b", KEY, "parked")], await standing()
        assert SHOWN == {("desk_a", KEY): 10000}
        assert [(case.connection, case.code) for case in await office.cases()] == [("desk_b", "trial.no")]

        # Deciding again, while two of them are still open, cancels none for the sake of another.
        await office.decide_again(bill)
        assert await standing() == [("odoo", KEY, "waiting"), ("desk_a", KEY, "done"), ("desk_b", KEY, "parked")], await standing()

        # The books take theirs; deciding again wishes nothing anew.
        await office.take_all()
        await office.decide_again(bill)
        assert await standing() == [("odoo", KEY, "done"), ("desk_a", KEY, "done"), ("desk_b", KEY, "parked")], await standing()

        # A change of what is shown replaces what desk_b refused, is told to desk_a once more, and touches no booking.
        REFUSING.clear()
        await office.tell(replace(bill, amount_remaining=usd(4000)))
        assert await standing() == [
            ("odoo", KEY, "done"), ("desk_a", KEY, "done"), ("desk_a", KEY, "ready"), ("desk_b", KEY, "ready"),
        ], await standing()
        await show()
        assert SHOWN == {("desk_a", KEY): 4000, ("desk_b", KEY): 4000}
        assert await office.cases() == []

        # What stands in the way of the books holds up no desk, and what waits of one purpose keeps none of another.
        other = invoice(usd(5000), id="stripe:in_2", customer_id="stripe:cus_B")
        await office.tell(other)
        await show()
        assert SHOWN["desk_a", "invoice_stripe.in_2"] == 5000
        assert not [state for state in await office.states() if state[:2] == ("odoo", "invoice_stripe.in_2")]

        # A destination that is declared no more is told nothing more: what it did not take is canceled, though the books still wait.
        await office.tell(replace(other, amount_remaining=usd(1000)))
        office.rules = rules_of(FILE + DESTINATIONS[: DESTINATIONS.rindex("[[")])
        await office.decide_again(other)
        assert [state for state in await office.states() if state[1] == "invoice_stripe.in_2"] == [
            ("desk_a", "invoice_stripe.in_2", "done"),
            ("desk_b", "invoice_stripe.in_2", "done"),
            ("desk_a", "invoice_stripe.in_2", "ready"),
            ("desk_b", "invoice_stripe.in_2", "canceled"),
        ], await office.states()

        # Nor are bookings other than without any destination: the same commands, of the same ids.
        with_desks = [(row.id, row.arguments) for row in await office.commands() if row.target == "odoo"]
        print(*(id for id, _ in with_desks))


asyncio.run(main())
"""

PLAIN = """
from tests.core.builders import ANN, PRO, World, invoice, usd
from tests.integration.waiting.trial_purpose import BOOKS

from counterfoil.app.rules import rules_source
from counterfoil.app.settings import parse
from counterfoil.core.policies.rules import Rules

source = rules_source(parse(BOOKS))
books = World(Rules(1, source.entities, source.routes)).know(ANN, PRO)
print(*(command.id for state in (ANN, PRO, invoice(usd(10000))) for command in books.decide(state).commands))
"""
"""The ids of what is booked of the same facts by the package as it is."""

STANDING = """
import asyncio
import os
from dataclasses import replace

from tests.core.builders import ANN, invoice, payment, usd
from tests.integration.waiting.office import Office
from tests.integration.waiting.trial_purpose import DESTINATIONS, FILE

from counterfoil.app.rules import rules_source
from counterfoil.app.settings import parse
from counterfoil.core.policies.rules import Rules
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import open_pool

BEN = replace(ANN, id="stripe:cus_B", name="Ben")


def rules_of(text):
    source = rules_source(parse(text))
    return Rules(1, source.entities, source.routes, {}, source.destinations)


async def main():
    async with open_pool(os.environ["TRIAL_DATABASE"], size_min=1, size_max=4) as pool:
        office = Office(pool, Cipher({"test": bytes(range(32))}), rules_of(FILE))

        async def on_agenda():
            async with pool.connection() as conn:
                rows = await conn.execute("select id, not_before is not null from to_decide order by id")
                return await rows.fetchall()

        async def shown():
            rows = [row for row in await office.commands("show_standing") if row.external_key.startswith("standing_")]
            return [(row.external_key, row.arguments.decode()) for row in rows if row.target == "desk_a" and row.state.value != "canceled"]

        def owes(customer, invoices, minor):
            text = '{"invoice_id":"%s","open_amount":{"currency":"USD","minor":%s}}'
            return (f"standing_stripe.{customer}", text % (invoices, minor))

        # Nothing is written for support: an invoice puts nobody else on the agenda.
        await office.tell(ANN, BEN)
        bill = invoice(usd(10000), customer_id=ANN.id)
        await office._write(bill, "stripe")
        assert await on_agenda() == [(bill.id, False)]
        await office.decide()

        # With a destination its change decides its customer, once for all that changed in three seconds.
        office.rules = rules_of(FILE + DESTINATIONS)
        bill, other = replace(bill, amount_remaining=usd(4000)), invoice(usd(700), id="stripe:in_2", customer_id=ANN.id)
        await office._write(bill, "stripe")
        await office._write(other, "stripe")
        assert await on_agenda() == [(ANN.id, True), (bill.id, False), (other.id, False)]
        await office.decide()
        assert (await on_agenda(), await shown()) == ([(ANN.id, True)], []), (await on_agenda(), await shown())
        office.later(seconds=2)
        await office._write(replace(other, amount_remaining=usd(500)), "stripe")
        await office.decide()
        assert await shown() == []
        office.later(seconds=1)
        await office.decide()
        assert (await on_agenda(), await shown()) == ([], [owes("cus_A", 2, 4500)])

        # What changes nothing of what is owed is wished of nobody; an invoice that changes its customer decides both.
        await office.tell(payment(usd(100), id="stripe:ch_9", customer_id=ANN.id))
        office.later(seconds=3)
        await office.decide()
        assert await shown() == [owes("cus_A", 2, 4500)]
        await office.tell(replace(bill, customer_id=BEN.id))
        office.later(seconds=3)
        await office.decide()
        assert set(await shown()) == {owes("cus_A", 1, 500), owes("cus_B", 1, 4000)}, await shown()


asyncio.run(main())
"""
