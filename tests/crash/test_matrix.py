"""The matrix leaves nothing out: a kind of command, or a delivery, that is added without its crashes fails here."""

from __future__ import annotations

from pathlib import Path

from tests.crash.matrix import (
    AGAIN_BOUNDARIES,
    AMEND_BOUNDARIES,
    BOOKED,
    DECIDED,
    ELSEWHERE,
    KIND_BOUNDARIES,
    STAGE_BOUNDARIES,
    WRITES,
    amend_kills,
    amends,
    boundaries_of,
    decided_kills,
    faults,
    kills,
    rules,
    writes,
)
from tests.crash.runner import Strike
from tests.crash.test_database_killed import IN_DOUBT

from counterfoil.connectors.odoo import CONNECTOR
from counterfoil.core.commands import SPECS, command_kind
from counterfoil.core.commands.books import BookCommand
from counterfoil.store import work


def test_every_kind_of_command_is_in_the_matrix() -> None:
    assert set(WRITES) == set(BOOKED)
    assert set(WRITES) | set(ELSEWHERE) == set(SPECS)
    assert all((Path(__file__).parent / name).is_file() for name in ELSEWHERE.values())


def test_every_delivery_is_in_the_matrix() -> None:
    assert set(CONNECTOR.deliver) <= set(WRITES)


def test_every_kind_is_killed_at_every_boundary_between_its_calls() -> None:
    # A credit note takes three calls (loaded, posted, linked): there are two places between them.
    assert boundaries_of(BookCommand.POST_CREDIT_NOTE) == (*KIND_BOUNDARIES, "call 1", "call 2")
    assert boundaries_of(BookCommand.UNMATCH) == KIND_BOUNDARIES


def test_the_kills_of_a_run_strike_every_kind_and_every_kind_of_boundary() -> None:
    cells = kills()
    assert {kill.kind for kill in cells} >= {kind.value for kind in BOOKED}
    assert {kill.boundary for kill in cells} >= {*KIND_BOUNDARIES, "call 1"} - {"resolving"} | {"taken", "joint", "finished"}
    assert {boundary for boundary, stage in STAGE_BOUNDARIES if stage} == {"taken", "finishing", "finished", "joint"}
    assert {stage for _, stage in STAGE_BOUNDARIES} == {"", work.NORMALIZE, work.DECIDE, work.DELIVER}


def test_a_run_kills_a_worker_at_a_call_that_amends() -> None:
    assert {(kill.kind, kill.boundary.partition(" ")[2]) for kill in amend_kills()} <= set(amends())
    assert {kill.boundary.partition(" ")[0] for kill in amend_kills()} <= set(AMEND_BOUNDARIES)


def test_one_round_of_every_fault_in_turn_strikes_with_each() -> None:
    assert {fault for fault, _ in rules("one of each", 1.0, writes())} == set(faults(1.0))


def test_a_run_kills_a_worker_in_everything_that_is_declared_or_decided() -> None:
    cells = decided_kills()
    assert {(what, command_kind(kill.kind)) for what, kill in cells} == {(what, kind) for what, kinds in DECIDED.items() for kind in kinds}
    assert {kill.boundary for _, kill in cells} <= {*KIND_BOUNDARIES, *AGAIN_BOUNDARIES}


def test_a_database_is_struck_as_well_where_all_of_a_kind_is_in_doubt_already() -> None:
    # Both entries of a story were under way when the strike before ended the connections: no first try of one is ever answered.
    assert Strike("terminate", "answered", "post_entry", IN_DOUBT["answered"]).is_meant("resolved", "post_entry", [])
    assert not Strike("kill", "answered", "post_entry").is_meant("resolved", "post_entry", [])
