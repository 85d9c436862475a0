"""A target that is never the limit: a configured target's every command is answered at once with done, in the worker itself.

Nothing is sent anywhere and nothing checked: what is measured with it is the hub alone. Batch keys and sizes stay the connector's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from counterfoil.app.settings import Settings
from counterfoil.core.language.commands import Command
from counterfoil.kit.connector import Finding
from counterfoil.kit.context import Context
from counterfoil.kit.holdings import KnownPage
from counterfoil.kit.requirements import Requirements, TargetState
from counterfoil.kit.suggestions import Processors, Suggestion
from counterfoil.kit.writing import Outcome, OutcomeStatus


async def answer_done(_ctx: Context, commands: Sequence[Command], _bindings: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Say of every command that it is done."""
    return tuple(Outcome(one.id, OutcomeStatus.DONE, external_id=f"bench/{one.id}") for one in commands)


class QuickTarget:
    """Books nobody has to ask: nothing locked, nothing missing."""

    async def check(self, _ctx: Context, _requirements: Requirements) -> tuple[Finding, ...]:
        """Find nothing wrong."""
        return ()

    async def state(self, _ctx: Context) -> TargetState:
        """Say that nothing is locked."""
        return TargetState("19", {})

    async def known(self, _ctx: Context, cursor: str) -> KnownPage:
        """Hold nothing."""
        return KnownPage((), cursor, has_more=False)

    async def suggest(self, _ctx: Context, _processors: Processors) -> Suggestion:
        """Suggest nothing."""
        return Suggestion()


def quickened(settings: Settings, name: str) -> Settings:
    """Return the settings with one connection's target replaced."""
    connection = settings.connections[name]
    connector = connection.connector
    if not connector.deliver:
        raise ValueError(f"{name} cannot be posted to")
    deliver = {kind: replace(one, send=answer_done, resolve=answer_done) for kind, one in connector.deliver.items()}
    books = QuickTarget()
    quick = replace(connector, source=None, fetches=None, polls=None, backfills=None, books=books, lists=books, deliver=deliver)
    return replace(settings, connections={**settings.connections, name: replace(connection, connector=quick)})
