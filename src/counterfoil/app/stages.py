"""The stages of a hub: what each partition's turn does, and which partitions wake themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from counterfoil.app.notifying import Notifier
from counterfoil.app.proving.daily import Prover
from counterfoil.app.ruling import Ruled, Ruling
from counterfoil.core.kinds.intent import PEOPLE
from counterfoil.core.language.commands import Command
from counterfoil.decide.deadlines import Deadlines
from counterfoil.decide.stage import Decider
from counterfoil.decide.summaries import DayCloser
from counterfoil.delivery.resting import Rest, TargetLink
from counterfoil.delivery.stage import Deliverer
from counterfoil.engine.membership import Membership
from counterfoil.ingress import listening
from counterfoil.ingress.listening import Listening
from counterfoil.ingress.polling import Polling
from counterfoil.kit.connector import Connector, Listens, Polls, Source
from counterfoil.kit.context import Context
from counterfoil.kit.parts import is_booked
from counterfoil.kit.stage import Stage
from counterfoil.kit.windows import Window, closed_until
from counterfoil.normalize.healing import Healer
from counterfoil.normalize.replaying import Replayer
from counterfoil.normalize.stage import Normalizer
from counterfoil.store import matches, proofs, quality, work
from counterfoil.store.pool import PartitionKey
from counterfoil.upkeep import relearning
from counterfoil.upkeep.book_changes import BookChanges, WatchedBooks
from counterfoil.upkeep.matching import Matcher
from counterfoil.upkeep.quality import QualityCounter
from counterfoil.upkeep.relearning import Relearner
from counterfoil.upkeep.retaining import Retainer
from counterfoil.upkeep.upkeep import Upkeep
from counterfoil.upkeep.watching import Watcher


class Staged(Ruled, Protocol):
    """A hub as far as its stages go: see :class:`counterfoil.app.hub.Hub`."""

    contexts: dict[str, Context]

    @property
    def readers(self) -> dict[str, tuple[Source, Context]]:
        """Everything whose deliveries are read."""
        ...

    @property
    def polled(self) -> dict[str, tuple[Mapping[str, Polls], Context]]:
        """Every connection whose changes can be listed."""
        ...

    @property
    def streamed(self) -> dict[str, tuple[Listens, Context]]:
        """Every connection that streams its changes."""
        ...

    @property
    def targets(self) -> dict[str, tuple[Connector, Context]]:
        """Every connection that can be written to."""
        ...

    @property
    def written_to(self) -> dict[str, tuple[Connector, Context]]:
        """Every connection that something is written to by now."""
        ...

    @property
    def echoing(self) -> frozenset[str]:
        """The connections that tell of what is written to them."""
        ...

    def batch_key(self, command: Command) -> str:
        """Return the partition a command is sent in."""
        ...

    def knows(self, stage: str, key: str) -> bool:
        """Tell whether this process's configuration has what a partition is about."""
        ...


def stages_of(hub: Staged, member: Membership) -> dict[str, Stage]:
    """Return every stage of a hub at work by its name, as its settings and rules are now."""
    links = {
        name: TargetLink(ctx, connector.deliver, connector.probe, windows=one.maintenance, late_s=one.late_s)
        for name, (connector, ctx) in hub.targets.items()
        for one in [hub.settings.connections[name]]
    }
    settings = hub.settings.hub
    readers = (hub.pool, hub.cipher, hub.readers, hub.clock, hub.arm, hub.rules.purposes(), hub.rules.ownership, hub.echoing)
    normalizer, replayer = Normalizer(*readers), Replayer(*readers)
    decider = Decider(hub.pool, hub.cipher, hub.rules, hub.batch_key, hub.clock, hub.arm, hub.settings.lanes)
    rest = Rest(hub.pool, hub.clock, hub.arm, lambda: member.id)
    observed = {one: hub.rules.observed(one) for one in links}
    deliverer = Deliverer(hub.pool, hub.cipher, links, hub.clock, hub.arm, rest, member.may_act, observed)
    polled = hub.polled
    every_s = {name: hub.settings.connections[name].every_s for name in polled}
    lanes = {name: connection.lane for name, connection in hub.settings.connections.items()}
    polling = Polling(hub.pool, hub.cipher, polled, hub.clock, hub.arm, every_s, lanes, _maintained(hub))
    healer = Healer(hub.pool, hub.cipher, hub.readers, hub.clock, hub.arm)
    closer = DayCloser(hub.pool, hub.cipher, hub.rules, hub.batch_key, hub.clock, hub.arm)
    closed = {name: link.closed_s for name, link in links.items()}
    upkeep = Upkeep(hub.pool, hub.cipher, hub.written_to, hub.clock, hub.arm, rest, closed, (*polled, *hub.streamed, PEOPLE), observed)
    watcher = Watcher(hub.pool, hub.clock, hub.arm, timedelta(seconds=settings.wait_limit_s), hub.knows)
    every = timedelta(seconds=settings.sweep_interval_s)
    changes = BookChanges(hub.pool, hub.cipher, watched_books(hub), hub.clock, hub.arm, closed, every)
    prover = Prover(hub.settings, hub.pool, hub.clock, timedelta(seconds=settings.prove_interval_s))
    booked = tuple(name for name in polled if is_booked(hub.settings.connections[name].connector))
    relearner = Relearner(hub.pool, hub.targets, booked, hub.clock, hub.arm)
    return {
        work.NORMALIZE: normalizer.turn,
        work.DECIDE: decider.turn,
        work.NORMALIZE_BULK: normalizer.bulk_turn,
        work.DECIDE_BULK: decider.bulk_turn,
        work.RULES: Ruling(hub).turn,
        work.REPLAY: replayer.turn,
        work.DEADLINES: Deadlines(hub.pool, hub.rules, hub.clock, hub.arm).turn,
        work.DELIVER: deliverer.turn,
        "poll": polling.turn,
        listening.STAGE: Listening(hub.pool, hub.cipher, hub.streamed, hub.clock, hub.arm, lanes, _maintained(hub), {*polled}).turn,
        "heal": healer.turn,
        "close_day": closer.turn,
        "target": upkeep.target_turn,
        "partitions": upkeep.partitions_turn,
        "unarmed": upkeep.unarmed_turn,
        "watch": watcher.turn,
        "lookups": upkeep.lookups_turn,
        "notify": Notifier(hub.pool, hub.clock, hub.settings.notify).turn,
        "retention": Retainer(hub.pool, hub.clock, hub.settings.retention.by_payload).turn,
        relearning.STAGE: relearner.turn,
        work.BOOKS: changes.turn,
        proofs.STAGE: prover.turn,
        **_of_customers(hub),
    }


def _of_customers(hub: Staged) -> dict[str, Stage]:
    """Return the stages that look at who customers are."""
    return {
        matches.STAGE: Matcher(hub.pool, hub.cipher, hub.rules, hub.clock, hub.arm).turn,
        quality.STAGE: QualityCounter(hub.pool, hub.cipher, hub.rules, hub.clock).turn,
    }


def watched_books(hub: Staged) -> dict[str, WatchedBooks]:
    """Return the targets in which people's changes can be seen: those that report their documents and tell what became of a record."""
    connectors = {name: hub.settings.connections[name].connector for name in hub.targets}
    return {
        name: WatchedBooks(one.reader, hub.contexts[name], one.whereabouts)
        for name, one in connectors.items()
        if one.reader is not None and one.fetches is not None and one.whereabouts is not None
    }


def standing_keys(hub: Staged) -> list[PartitionKey]:
    """Return the partitions that wake themselves, to be armed at start."""
    always = ("heal", "prove", "partitions", "unarmed", "watch", "lookups", "retention", work.DEADLINES, work.RULES)
    keys: list[PartitionKey] = [(stage, "all") for stage in always]
    keys += [matches.WORK, (quality.STAGE, "all")]
    keys += [("notify", "all")] if hub.settings.notify else []
    keys += [("poll", name) for name in hub.polled]
    keys += [(listening.STAGE, name) for name in hub.streamed]
    keys += [("target", name) for name in hub.written_to]
    keys += [(relearning.STAGE, name) for name in hub.targets]
    keys += [(work.BOOKS, name) for name in watched_books(hub)]
    keys += [("close_day", name) for name in hub.rules.entities]
    return keys


def _maintained(hub: Staged) -> dict[str, Callable[[datetime], float]]:
    """Return what tells the seconds each connection's declared maintenance still lasts at an instant."""

    def of(windows: Sequence[Window]) -> Callable[[datetime], float]:
        return lambda now: max(0.0, ((closed_until(windows, now) or now) - now).total_seconds())

    return {name: of(one.maintenance) for name, one in hub.settings.connections.items()}
