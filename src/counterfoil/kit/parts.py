"""Which parts of a connector need which others: what comes is read by somebody, and what is written can be looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from counterfoil.core.commands import SPECS
from counterfoil.core.commands.crm import CrmCommand
from counterfoil.core.kinds import KINDS
from counterfoil.core.language.records import Purpose
from counterfoil.core.policies.decide import POLICIES
from counterfoil.kit.connector import Connector


def lacking(connector: Connector) -> Iterator[str]:
    """Yield what is missing in a declaration, a sentence each. Without it something would come or be wished that nobody takes care of."""
    ways = (connector.webhooks, connector.polls, connector.streams, connector.listens, connector.backfills)
    if connector.source is None and not connector.deliver:
        yield "a connector reads or writes; this one does neither"
    if connector.source is not None and not any(ways):
        yield "a source has webhooks, polls, streams, listens or backfills: nothing comes from it otherwise"
    if connector.polls is not None and connector.streams is not None:
        yield "polls is of one list of changes, streams of several: fill in one of them"
    if connector.source is None and (any(ways) or connector.fetches):
        yield "what is read needs a source that makes facts of it"
    if unknown := sorted(set(connector.tells) - KINDS.keys()):
        yield f"tells names {', '.join(unknown)}, of which there is no kind of record"
    if connector.source is None and connector.tells:
        yield "tells is of a source: nothing is read here"
    if not connector.deliver and any((connector.batch_key, connector.lists, connector.adopts, connector.books, connector.target_check)):
        yield "books, lists, adopts, batch_key and target_check are parts of a target: nothing is delivered here"
    if connector.shows and CrmCommand.SHOW_STATUS not in connector.deliver:
        yield "shows is of a target that shows how customers stand: it takes no show_status"
    yield from _wrong_echoes(connector)
    if connector.deliver and not (connector.books or connector.target_check):
        yield "a target has books, or target_check says whether it is there"


def _wrong_echoes(connector: Connector) -> Iterator[str]:
    for kind, writer in connector.deliver.items():
        if not getattr(writer, "echoes", ()):  # what is no writer at all is named elsewhere
            continue
        if connector.source is None:
            yield f"{kind.value} names echoes: what comes back needs a source that tells of it"
        record = SPECS[kind].arguments.record_type
        known = () if record is None else [one.name for one in fields(record)]
        if unknown := sorted(set(writer.echoes) - set(known)):
            yield f"{kind.value} names echoes {', '.join(unknown)}, and writes no such field of a record"


def is_booked(connector: Connector) -> bool:
    """Tell whether something of what a source tells may be booked: whether it has a route, and is waited for."""
    return connector.source is not None and (not connector.tells or any(Purpose.BOOKS in POLICIES[kind] for kind in connector.tells))
