"""`counterfoil status`: where everything is, what is proven, what takes how long, what waits for people."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterfoil.cli.output import FINE, FOUND, count, money, print_json, print_table, span, when, words
from counterfoil.cli.running import DEFAULT_CONFIG, AsJson, Config, database_of, run
from counterfoil.cli.wording import STAGES, STATES, TITLES, blocks, cause_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from counterfoil.app.coverage import Coverage
    from counterfoil.app.queries import Conservation, ObjectTotal, Promise, Relearning, Status, StatusSeen
    from counterfoil.app.verdict import ConnectionState

ANSWER_WITHIN_S = 1.0
"""A database that does not answer within this is told as such; counting a big one may take longer."""


def status(
    hours: Annotated[float, typer.Option(min=0.01, help="Lag is that of postings of the last so many hours.")] = 24.0,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show where everything is: received and booked per source, gaps excluded until when, lag, backlog, money in cases.

    Exit code 1: no worker is running, a connection is away or a source is not read, a case of operations is open or any other one overdue,
    figures do not add up, or a source has less than a day left before an unseen change is lost. 3: the database does not answer.
    """
    from counterfoil.app.restarts import restart_needed

    seen, rules = run(_read(config, hours))
    restart = restart_needed(config, seen.found.workers)
    if as_json:
        print_json(
            {
                "problems": seen.problems,
                "restart_needed": restart,
                "rules_notice": rules,
                "observed": seen.observed,
                "connections": seen.states,
                **_as_json(seen.found, seen.covered, seen.at),
                "service_levels": seen.promises,
            }
        )
    else:
        _show(seen.found, seen.covered, seen.states, seen.at)
        _show_promises(seen.promises)
        if rules:
            words.print(rules, style="yellow", markup=False)
        if seen.observed:
            words.print(
                f"Only observed, nothing is sent: {', '.join(seen.observed)}; `counterfoil observe` shows what would be.", markup=False
            )
        if restart:
            words.print(restart, style="yellow", markup=False)
        for one in seen.problems:
            words.print(one, style="red", markup=False)
    raise typer.Exit(FOUND if seen.problems else FINE)


async def _read(config: Path, hours: float) -> tuple[StatusSeen, str]:
    from counterfoil.app import releasing
    from counterfoil.app.queries import status_seen

    async with database_of(config, answer_within_s=ANSWER_WITHIN_S) as (file, database):
        seen = await status_seen(database, file, timedelta(hours=hours))
        return seen, await releasing.notice(database, config, seen.at)


def _as_json(found: Status, covered: list[Coverage], now: datetime) -> dict[str, Any]:
    where = found.conservation
    return {
        "at": now,
        "balanced": where.is_balanced,
        "sources": where.sources,
        "targets": where.targets,
        "wished": where.wished,
        "ignored": [{"connection": name, "rule": rule, "count": number} for (name, rule), number in found.ignored.items()],
        "coverage": covered,
        "lag": found.latencies,
        "backlog": found.backlog,
        "cases": found.cases,
        "refused": found.refused,
        "notify": found.channels,
        "workers": [
            {
                "id": w.id,
                "host": w.host,
                "version": w.version,
                "started_at": w.started_at,
                "beat_at": w.beat_at,
                "waits_since": w.waits_since,
            }
            for w in found.workers
        ],
        "objects": [
            {"kind": o.kind, "entity": o.entity, "currency": o.currency, "state": o.state, "count": o.count, "total_minor": o.total_minor}
            for o in found.objects
        ],
        "under_way": [
            {"entity": one.entity, "currency": one.currency, "count": one.count, "total_minor": one.total_minor}
            for one in under_way(found.objects)
        ],
        "blockers": [{"case": one.case.id, "cause": one.case.cause, "blocks": one.blocked} for one in found.blockers],
        "relearning": [
            {"target": one.target, "state": learning(one), "unclaimed": found.unclaimed.get(one.target)} for one in found.relearning
        ],
        "kept": found.kept,
    }


def _show(found: Status, covered: list[Coverage], states: list[ConnectionState], now: datetime) -> None:
    where = found.conservation
    if not where.sources and not where.targets:
        words.print("Nothing was received yet. `counterfoil up` takes deliveries and polls, `counterfoil backfill` reads history.")
    if where.sources:
        _show_sources(where)
    if where.targets:
        _show_targets(where)
    _show_under_way(found)
    if found.ignored:
        ignored = [(name, rule, count(number)) for (name, rule), number in found.ignored.items()]
        print_table("Ignored, by rule", ["source", "rule", "deliveries"], ignored, right=(2,))
    _show_connections(states, now)
    refusals = [
        (one.connection or "none of ours", one.code, count(one.total), count(one.since_accepted), when(one.last_at))
        for one in found.refused
    ]
    if refusals:
        names = ["connection", "reason", "refused", "since one was taken", "last"]
        print_table("Deliveries refused at the door", names, refusals, right=(2, 3))
    _show_coverage(covered)
    _show_lag(found)
    _show_cases(found)
    _show_blockers(found, now)
    _show_relearning(found, covered)
    rows = [(STAGES[b.stage], _place(b.stage, b.place), count(b.count), span((now - b.oldest_at).total_seconds())) for b in found.backlog]
    if rows:
        print_table("Backlog", ["what", "where", "count", "oldest"], rows, right=(2, 3))
    _show_kept(found)
    _show_workers(found, now)


def _show_sources(where: Conservation) -> None:
    print_table(
        "Received = read + ignored by rule + parked + to be read",
        ["source", "received", "read", "ignored", "parked", "to be read", "adds up"],
        [
            (s.connection, *map(count, (s.received, s.normalized, s.ignored, s.parked, s.pending)), _yes(s.is_balanced))
            for s in where.sources
        ],
        right=(1, 2, 3, 4, 5),
    )


def _show_targets(where: Conservation) -> None:
    total = sum(line.total for line in where.targets)
    is_observed = any(line.observed for line in where.targets)
    print_table(
        f"Postings: {where.wished:,} called for, {total:,} accounted for" + ("" if where.wished == total else " - THEY DIFFER"),
        ["books", "posted", "to be posted", "being verified", "waiting", "parked", "dropped", *(["only observed"] if is_observed else [])],
        [
            (
                one.target,
                *map(count, (one.done, one.ready, one.unknown, one.waiting, one.parked, one.canceled)),
                *([count(one.observed)] if is_observed else []),
            )
            for one in where.targets
        ],
        right=(1, 2, 3, 4, 5, 6, 7),
    )


def under_way(found: Iterable[ObjectTotal]) -> list[ObjectTotal]:
    """Return payments that have not succeeded yet: the processor's pending balance may hold them already, the books do not."""
    return [one for one in found if one.kind == "payment" and one.state == "pending"]


def _show_under_way(found: Status) -> None:
    rows = [(one.entity, count(one.count), money(one.total_minor, one.currency)) for one in under_way(found.objects)]
    if rows:
        print_table("Payments under way (bank debits): booked when they succeed", ["entity", "payments", "gross"], rows, right=(1, 2))


def _show_connections(states: list[ConnectionState], now: datetime) -> None:
    rows = [
        (
            one.connection,
            one.state,
            "" if one.since is None or one.state == "fine" else span(max(0.0, (now - one.since).total_seconds())),
            one.reason,
            when(one.read_at),
        )
        for one in states
    ]
    if rows:
        print_table("Connections", ["connection", "state", "for", "why", "last read"], rows, right=(2,), whole=(0,))


def _show_coverage(covered: list[Coverage]) -> None:
    rows = [
        (
            line.connection,
            f"no gap up to {when(line.no_gap_until)} UTC" if line.no_gap_until else "not proven yet: no round of polling has ended",
            left(line),
            when(line.read_at),
        )
        for line in covered
    ]
    if rows:
        print_table("Coverage", ["source", "statement", "left before an unseen change is lost", "last read"], rows, right=(2,))


def left(line: Coverage) -> str:
    """Return how long what nobody has seen can still be had: from the lists of changes, and from the stream beside them, if any."""
    parts = [] if line.hours_left is None else [f"{line.hours_left:,.0f} h" + (" - AT RISK" if line.is_at_risk else "")]
    parts += [] if line.stream_hours_left is None else [f"stream {max(line.stream_hours_left, 0.0):,.0f} h"]
    return ", ".join(parts)


def _show_lag(found: Status) -> None:
    rows = [
        (TITLES.get(line.kind, line.kind), line.entity, count(line.count), span(line.p50_s), span(line.p95_s)) for line in found.latencies
    ]
    if rows:
        print_table("From decision to posted", ["domain", "entity", "posted", "half within", "95 % within"], rows, right=(2, 3, 4))


def _show_promises(promises: Sequence[Promise]) -> None:
    rows = [
        (
            TITLES.get(one.kind, one.kind),
            one.entity,
            span(one.within_s),
            "" if one.p95_s is None else span(one.p95_s),
            "" if one.oldest_open_s is None else span(one.oldest_open_s),
            "yes" if one.is_kept else "NO",
        )
        for one in promises
    ]
    if rows:
        names = ["domain", "entity", "promised within", "95 % took", "oldest waits", "kept"]
        print_table("Service levels", names, rows, right=(2, 3, 4))


def _show_cases(found: Status) -> None:
    rows = [
        (cause_of(line.case_class), count(line.cases), count(line.records), money(line.money_minor, line.currency), count(line.overdue))
        for line in found.cases
    ]
    if rows:
        print_table("Open cases (counterfoil case list)", ["cause", "cases", "records", "money", "overdue"], rows, right=(1, 2, 3, 4))
    else:
        words.print("No open cases.")


def _show_blockers(found: Status, now: datetime) -> None:
    rows = [(one.case.id, one.case.cause, blocks(one.blocked, now)) for one in found.blockers]
    if rows:
        print_table("What stands still behind cases", ["case", "cause", "blocks"], rows, right=(0,))


def _show_kept(found: Status) -> None:
    """Show what is kept and erased by [retention]."""
    rows = [
        (one.payload, when(one.oldest_at), count(one.size // 1_000_000), count(one.erased), when(one.ended_at) if one.ended_at else "never")
        for one in found.kept
        if one.oldest_at is not None
    ]
    if rows:
        print_table("Kept ([retention])", ["what", "oldest", "table, MB", "erased so far", "last done"], rows, right=(2, 3))


def _show_relearning(found: Status, covered: list[Coverage]) -> None:
    """Show, after a restore, how far each target is learned again, and what history has to be read."""
    rows = [(one.target, learning(one), count(one.read_count), count(found.unclaimed.get(one.target, 0))) for one in found.relearning]
    if not rows or all(one.caught_up_at and not found.unclaimed.get(one.target) for one in found.relearning):
        return
    columns = ["books", "state", "keys read there", "of these not known here"]
    print_table("Restored: what the books hold is learned again", columns, rows, right=(2, 3))
    for line in covered:
        if line.hours_left is not None and line.hours_left < 0 and line.no_gap_until is not None:
            since = (line.no_gap_until - timedelta(days=1)).date()
            words.print(
                f"{line.connection} no longer shows all changes since: counterfoil backfill {line.connection} --since {since} --again"
            )


def _show_workers(found: Status, now: datetime) -> None:
    rows = [(w.id, w.host, w.version, when(w.started_at), span(max(0.0, (now - w.beat_at).total_seconds()))) for w in found.workers]
    if rows:
        print_table("Workers", ["worker", "host", "version", "since", "last heard"], rows, right=(4,))
        for worker in found.workers:
            if worker.waits_since is not None:
                since = when(worker.waits_since)
                words.print(
                    f"{worker.id} decides and sends nothing since {since}: another worker has other rules (`counterfoil case list`)."
                )


def _place(stage: str, place: str) -> str:
    target, _, state = place.rpartition("/")
    return f"{target}: {STATES.get(state, state)}" if stage == "deliver" else place.replace("_", " ")


def learning(one: Relearning) -> str:
    """Return how far a target is learned again after a restore."""
    if one.learned_at is None:
        return "being read: nothing is posted there yet"
    sight = "cannot be listed: every posting is looked up first" if one.is_blind else "read"
    return sight if one.caught_up_at is not None else f"{sight}; sources are being read up to the restore, days are not closed yet"


def _yes(value: bool) -> str:
    return "yes" if value else "NO"
