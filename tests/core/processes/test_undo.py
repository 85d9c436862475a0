"""Steps are done one after the other and undone backwards; what may have taken effect is resolved before anything is undone."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.builders import NOON, RULES, US, event_of, invoice, usd

from counterfoil.core.commands.books import Account, AccountRole, BookCommand, EntryLine, PostEntry
from counterfoil.core.policies.decision import MemoryView, OutboxCommand
from counterfoil.core.policies.draft import Draft
from counterfoil.core.policies.requests import BookingRequest
from counterfoil.core.processes.undo import Step, backward, forward

BILL = invoice(usd(100_00))


def entry(name: str, minor: int) -> BookingRequest:
    """Return an entry over two accounts."""
    lines = (EntryLine(Account(AccountRole.BAD_DEBT), usd(minor)), EntryLine(Account(AccountRole.RECEIVABLE), usd(-minor)))
    arguments = PostEntry(NOON.date(), lines, name)
    return BookingRequest(US, BookCommand.POST_ENTRY, name, BILL.id, arguments)


STEPS = tuple(Step(entry(f"do_{n}", n * 100), entry(f"undo_{n}", -n * 100)) for n in (1, 2, 3))


@dataclass
class Books:
    """An outbox and books that take what is sent, one at a time: open, under way, done. ``took``: what took effect, in order."""

    wishes: dict[str, OutboxCommand] = field(default_factory=dict)
    took: list[str] = field(default_factory=list)

    def draft(self) -> Draft:
        """Return a draft over what is wished."""
        view = MemoryView({}, wishes={key: {"odoo": wish} for key, wish in self.wishes.items()})
        return Draft(event_of(BILL), view, RULES)

    def write(self, draft: Draft) -> None:
        """Write a decision as the hub does: new wishes are open, open ones that are not wished any more go."""
        decision = draft.decision()
        wished = {command.external_key: command for command in decision.commands}
        self.wishes = {key: wish for key, wish in self.wishes.items() if key in wished or not wish.is_open}
        for key, command in wished.items():
            self.wishes.setdefault(key, OutboxCommand(command, is_open=True))

    def go(self, *, is_undoing: bool = False) -> bool:
        """Decide once; return whether it is over."""
        draft = self.draft()
        is_over = backward(draft, STEPS) if is_undoing else forward(draft, STEPS)
        self.write(draft)
        return is_over

    def send(self, key: str) -> None:
        """Send an open wish: it is under way."""
        self.wishes[key] = OutboxCommand(self.wishes[key].command)

    def end(self, key: str, *, is_done: bool) -> None:
        """End one that is under way: it took effect, or certainly did not."""
        self.wishes[key] = OutboxCommand(self.wishes[key].command, is_open=not is_done, is_done=is_done)
        if is_done:
            self.took.append(key.partition("_stripe")[0])

    @property
    def under_way(self) -> list[str]:
        """What was sent and is not known to have ended."""
        return [key for key, wish in self.wishes.items() if not wish.is_open and not wish.is_done]

    def keys(self) -> list[str]:
        """Return what is wished, by name."""
        return [key.partition("_stripe")[0] for key in self.wishes]


def take(books: Books, name: str) -> None:
    """Have the books take a wish."""
    key = next(key for key in books.wishes if key.startswith(f"{name}_stripe"))
    books.send(key)
    books.end(key, is_done=True)


def test_a_step_is_wished_once_the_one_before_it_is_done() -> None:
    books = Books()
    assert not books.go()
    assert books.keys() == ["do_1"]
    take(books, "do_1")
    assert not books.go()
    assert books.keys() == ["do_1", "do_2"]
    take(books, "do_2")
    books.go()
    take(books, "do_3")
    assert books.go()


def test_what_was_done_is_undone_from_the_last_to_the_first() -> None:
    books = Books()
    for name in ("do_1", "do_2"):
        books.go()
        take(books, name)
    books.go()  # the third is wished, and not sent
    assert not books.go(is_undoing=True)
    assert books.keys() == ["do_1", "do_2", "undo_2"]
    assert not books.go(is_undoing=True)  # asked again, nothing more
    take(books, "undo_2")
    assert not books.go(is_undoing=True)
    take(books, "undo_1")
    assert books.go(is_undoing=True)
    assert books.took == ["do_1", "do_2", "undo_2", "undo_1"]


@pytest.mark.parametrize("is_done", [True, False])
def test_a_step_nobody_knows_the_end_of_is_resolved_before_anything_is_undone(is_done: bool) -> None:
    books = Books()
    books.go()
    take(books, "do_1")
    books.go()
    [key] = [key for key in books.wishes if key.startswith("do_2")]
    books.send(key)
    assert not books.go(is_undoing=True)
    assert books.keys() == ["do_1", "do_2"]  # kept, and nothing undone
    books.end(key, is_done=is_done)
    assert not books.go(is_undoing=True)
    assert books.keys() == (["do_1", "do_2", "undo_2"] if is_done else ["do_1", "undo_1"])


def test_nothing_done_is_undone_at_once() -> None:
    books = Books()
    assert books.go(is_undoing=True)
    books.go()
    assert books.go(is_undoing=True)
    assert books.wishes == {}


def test_what_cannot_be_undone_says_so() -> None:
    books = Books()
    books.go()
    take(books, "do_1")
    with pytest.raises(ValueError, match=r"do_1_stripe\.in_1 took effect and cannot be undone"):
        backward(books.draft(), (Step(STEPS[0].do),))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 40), st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=150, max_size=150))
def test_whenever_it_turns_back_only_what_was_done_is_undone_each_once_and_backwards(turns_at: int, moves: list[tuple[int, bool]]) -> None:
    books, is_over = Books(), False
    for place, (move, is_done) in enumerate(moves):
        is_undoing = place >= turns_at
        if move == 0 or not books.wishes:
            is_over = books.go(is_undoing=is_undoing) and is_undoing
        elif move == 1:
            [*found] = [key for key, wish in books.wishes.items() if wish.is_open]
            if found:
                books.send(found[0])
        elif books.under_way:
            books.end(books.under_way[0], is_done=is_done)
        if is_over:
            break
    for _ in range(20):  # whatever is left comes to its end
        if is_over:
            break
        for key in books.under_way:
            books.end(key, is_done=True)
        is_over = books.go(is_undoing=True)
        for key in [key for key, wish in books.wishes.items() if wish.is_open]:
            books.send(key)
    assert is_over
    done = [name for name in books.took if name.startswith("do")]
    assert books.took == [*done, *(name.replace("do", "undo", 1) for name in reversed(done))]
    assert done == ["do_1", "do_2", "do_3"][: len(done)]
