"""A process of several postings over a real outbox: turned back at any moment, what took effect is undone backwards and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.builders import NOON, US, usd
from tests.integration.waiting.office import Office

from counterfoil.core.commands.books import Account, AccountRole, BookCommand, EntryLine, PostEntry
from counterfoil.core.kinds.contact import CONTACT, Contact, ContactEvent, ContactState
from counterfoil.core.policies import stepping
from counterfoil.core.policies.draft import Draft
from counterfoil.core.policies.process import Process
from counterfoil.core.policies.requests import BookingRequest
from counterfoil.core.processes.undo import Step, backward, forward
from counterfoil.store.cipher import Cipher
from counterfoil.store.outbox import EndStatus
from counterfoil.store.pool import Pool

ANN = Contact("crm:1", "Ann")
GONE = replace(ANN, state=ContactState.DELETED)


def entry(name: str, minor: int) -> BookingRequest:
    lines = (EntryLine(Account(AccountRole.BAD_DEBT), usd(minor)), EntryLine(Account(AccountRole.CLEARING), usd(-minor)))
    return BookingRequest(US, BookCommand.POST_ENTRY, name, ANN.id, PostEntry(NOON.date(), lines, name))


STEPS = tuple(Step(entry(f"do_{n}", n * 100), entry(f"undo_{n}", -n * 100)) for n in (1, 2, 3))


def step(draft: Draft, state: Contact) -> Contact:
    """Go on while the contact is there, and back once it is not."""
    (forward if state.state is ContactState.PRESENT else backward)(draft, STEPS)
    return state


@pytest.fixture
def office(pool: Pool, cipher: Cipher, monkeypatch: pytest.MonkeyPatch) -> Office:
    process = Process(
        kind=CONTACT,
        declared=lambda _rules: (),
        concerns=lambda _get, _record: (),
        looks_at=lambda _state: (),
        opens=lambda _draft, _record: None,
        step=step,
        event=lambda _before, _after: ContactEvent.UPDATED,
        over=(),
        asks=lambda _state: "",
        verbs={},
        begins_with={},
        begun_by=CONTACT.ref,
    )
    monkeypatch.setitem(stepping.PROCESSES, CONTACT.name, process)
    return Office(pool, cipher)


async def standing(office: Office) -> list[tuple[str, str]]:
    return [(key.partition("_crm")[0], state) for _, key, state in await office.states()]


async def take(office: Office, status: EndStatus = EndStatus.DONE) -> None:
    """Have the books end what is sent, and the process decided again, as it is whenever one of its postings ends."""
    await office.take("odoo", status=status)
    await office.decide_again(ANN)


async def test_steps_go_on_one_by_one(office: Office) -> None:
    await office.tell(ANN)
    assert await standing(office) == [("do_1", "ready")]
    for _ in range(3):
        await take(office)
    assert await standing(office) == [("do_1", "done"), ("do_2", "done"), ("do_3", "done")]


async def test_one_that_is_turned_back_undoes_what_took_effect_backwards(office: Office) -> None:
    await office.tell(ANN)
    await take(office)
    await take(office)
    await office.tell(GONE)
    expected = [("do_1", "done"), ("do_2", "done"), ("do_3", "canceled"), ("undo_2", "ready")]
    assert await standing(office) == expected
    await take(office)
    assert (await standing(office))[3:] == [("undo_2", "done"), ("undo_1", "ready")]
    await take(office)
    await office.decide_again(ANN)
    assert (await standing(office))[3:] == [("undo_2", "done"), ("undo_1", "done")]


async def test_a_step_whose_end_is_unknown_is_resolved_before_anything_is_undone(office: Office) -> None:
    await office.tell(ANN)
    await take(office)
    await take(office, EndStatus.UNKNOWN)
    await office.tell(GONE)
    assert await standing(office) == [("do_1", "done"), ("do_2", "unknown")]  # nothing is undone, nothing dropped
    await take(office)  # it was found there
    assert (await standing(office))[1:] == [("do_2", "done"), ("undo_2", "ready")]


async def test_a_refused_step_took_no_effect_and_is_dropped(office: Office) -> None:
    await office.tell(ANN)
    await take(office)
    await take(office, EndStatus.REFUSED)
    assert await standing(office) == [("do_1", "done"), ("do_2", "parked")]
    await office.tell(GONE)
    assert await standing(office) == [("do_1", "done"), ("do_2", "canceled"), ("undo_1", "ready")]
