"""Nothing waits without an owner, over generated stories: also where facts are missing, come in any order, or master data are deleted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.builders import ANN, PRO, World
from tests.core.stories import Story, fact, play, stories

from counterfoil.core.facts.events import Fact, ref_of
from counterfoil.core.kinds import KINDS
from counterfoil.core.kinds.customer import CUSTOMER
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.records import Purpose
from counterfoil.core.policies import decide
from counterfoil.core.policies.decision import OutboxCommand

DELETED = (fact(replace(ANN, is_deleted=True), 1000), fact(replace(PRO, is_deleted=True), 1001))


@st.composite
def told(draw: st.DrawFn) -> tuple[Fact, ...]:
    """Draw a story as a source may tell it: some facts never, master data deleted in the end, everything in any order."""
    story: Story = draw(stories())
    facts = [
        one for one in (*story.facts, *draw(st.sets(st.sampled_from(DELETED)))) if not draw(st.sampled_from([False, False, False, True]))
    ]
    return tuple(draw(st.permutations(facts)))


def is_to_come(books: World, key: str) -> bool:
    """Tell whether a fetch can bring what a key names, or its object is known and has an owner itself: it waits, or is a problem."""
    kind, _, id = key.partition("/")
    if kind in KINDS and ObjectRef(kind, id) not in books.objects:
        return True
    decisions = (books.redecide(state) for ref, state in books.objects.items() if key.endswith(ref.id))
    return any(decision.waits or decision.problems for decision in decisions)


@settings(max_examples=80, deadline=None)
@given(told())
def test_every_decision_has_a_command_a_wait_a_problem_or_a_named_rule(facts: tuple[Fact, ...]) -> None:
    books = play(facts, World())
    for state in books.objects.values():
        decision = books.redecide(state)
        assert decision.has_owner, ref_of(state).key
        assert not [problem for problem in decision.problems if problem.code == "decide.nothing_called_for"], ref_of(state).key


def test_a_state_nothing_is_called_for_by_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = replace(decide.POLICIES[CUSTOMER.name][Purpose.BOOKS], decide=lambda _draft, _state: None)
    monkeypatch.setattr(decide, "POLICIES", {**decide.POLICIES, CUSTOMER.name: {Purpose.BOOKS: silent}})
    [problem] = World().decide(ANN).problems
    assert problem.code == "decide.nothing_called_for"


@settings(max_examples=80, deadline=None)
@given(told())
def test_a_command_waits_only_for_what_a_command_of_its_target_makes_or_a_fetch_can_bring(facts: tuple[Fact, ...]) -> None:
    books = play(facts, World())
    made = {(command.target, command.produces) for command in books.sent}
    for command in books.sent:
        for key in command.needs:
            assert (command.target, key) in made or is_to_come(books, key), f"{command.external_key} waits for {key}, which nobody makes"


@settings(max_examples=40, deadline=None)
@given(told(), st.data())
def test_deciding_again_goes_on_wishing_what_others_need(facts: tuple[Fact, ...], data: st.DataObject) -> None:
    """While nothing was sent, whatever is decided again: what the whole still calls for makes all that it needs."""
    books = play(facts, World())
    for place, wish in books.wishes.items():
        books.wishes[place] = OutboxCommand(wish.command, is_open=data.draw(st.booleans()))
    wished = {
        (command.target, command.external_key): command for state in books.objects.values() for command in books.redecide(state).commands
    }
    made = {(command.target, command.produces) for command in wished.values()} | {
        (one.command.target, one.command.produces) for one in books.wishes.values() if not one.is_open
    }
    for command in wished.values():
        for key in command.needs:
            assert (command.target, key) in made or is_to_come(books, key), (
                f"{command.external_key} waits for {key}, and nobody makes it any more"
            )
