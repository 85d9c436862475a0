"""A worker killed by SIGKILL at step boundaries: the next one goes on, and nothing is lost, doubled or stuck."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from tests.crash.conftest import Note, worker
from tests.crash.stories import Told, judge, play
from tests.integration.path.conftest import assert_balanced
from tests.integration.path.house import House

from counterfoil.core.canonical.commands import CommandKind

pytestmark = [pytest.mark.crash, pytest.mark.asyncio(loop_scope="module")]

QUICK = (
    ("normalize", ""),
    ("decide", ""),
    ("sent", "post_invoice"),
    ("answered", "post_invoice"),
    ("claimed", "post_payment"),
    ("answered", "post_credit_note"),
    ("settling", "post_entry"),
    ("answered", "allocate"),
)
KINDS = (
    CommandKind.UPSERT_CUSTOMER,
    CommandKind.POST_INVOICE,
    CommandKind.POST_CREDIT_NOTE,
    CommandKind.POST_PAYMENT,
    CommandKind.POST_ENTRY,
    CommandKind.ALLOCATE,
)
EVERY = (
    ("normalize", ""),
    ("decide", ""),
    *((point, kind.value) for kind in KINDS for point in ("claimed", "sent", "answered", "settling")),
)
POINTS = EVERY if os.environ.get("COUNTERFOIL_CRASH") == "full" else QUICK
DIE_S = 60.0


async def test_a_worker_killed_at_any_step_leaves_nothing_lost_doubled_or_stuck(idle: House, note: Note) -> None:
    stories: list[tuple[str, str, Told]] = []
    for point, kind in POINTS:
        stories.append((kind or "any", f"killed: {point}", await play(idle)))
        await idle.deliver(idle.news())
        async with worker(idle, point, kind) as process:
            ended = await asyncio.wait_for(process.wait(), DIE_S)
        assert ended == -signal.SIGKILL, f"{point} {kind}: the worker ended with {ended}"
    async with worker(idle):
        await idle.settle()
        await idle.poll()
        await idle.settle()
    verdicts = [(kind, fault, await judge(idle, told)) for kind, fault, told in stories]
    for kind, fault, verdict in verdicts:
        note(kind, fault, verdict)
    assert [row for row in verdicts if not row[2].is_right] == []
    await assert_balanced(idle)
    proof = await idle.prove()
    assert ([row for row in proof.totals if not row.is_equal], proof.is_proven) == ([], True)
