"""`counterfoil replay`: read kept deliveries again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil.cli.instants import instant
from counterfoil.cli.output import FINE, FOUND, count, money, print_json, print_table, when, words
from counterfoil.cli.running import DEFAULT_CONFIG, Apply, AsJson, By, Config, database_of, fail, progress, run, who
from counterfoil.cli.wording import STATES, plural

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from counterfoil.app.desk import ReplayPlan, ReplayRequest
    from counterfoil.app.queries import Replay
    from counterfoil.app.rehearsing import CommandTally, Rehearsal


class ReplayableState(StrEnum):
    """States that can be replayed."""

    NORMALIZED = "normalized"
    IGNORED = "ignored"
    PARKED = "parked"


def replay(
    receipt: Annotated[
        list[int] | None, typer.Argument(help="Single receipts, by the numbers `trace` shows.", metavar="[RECEIPT]...")
    ] = None,
    connection: Annotated[
        str, typer.Option(help="All receipts of a connection (or of `people`) instead, narrowed down by the options below.")
    ] = "",
    kind: Annotated[list[str] | None, typer.Option(help="Only of this kind, e.g. invoice.paid; may be repeated.")] = None,
    state: Annotated[list[ReplayableState] | None, typer.Option(help="Only in this state; may be repeated.")] = None,
    since: Annotated[str, typer.Option(help="Only received at or after: a day or an instant, UTC.")] = "",
    until: Annotated[str, typer.Option(help="Only received before: a day or an instant, UTC.")] = "",
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Ask the source again for the objects, instead of using what was fetched then.")
    ] = False,
    rate: Annotated[int, typer.Option(min=0, help="At most so many receipts a second; 0: as many as come.")] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and decide without writing anything, and say what would differ.")
    ] = False,
    show: Annotated[bool, typer.Option("--list", help="Show the replays there are, and how far they have come.")] = False,
    stop: Annotated[int, typer.Option(metavar="REPLAY", help="Stop a replay after the page in hand.")] = 0,
    resume: Annotated[int, typer.Option(metavar="REPLAY", help="Have a stopped replay go on where it ended.")] = 0,
    apply: Apply = False,
    by: By = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Read kept deliveries again with today's program and rules. Shows its plan first. What is booked is not booked twice.

    Exit code 1: nothing matches; with --dry-run: something would differ; with --stop and --resume: it does not run, or was not stopped.
    """
    if show or stop or resume:
        if receipt or connection or apply or dry_run or bool(show) + bool(stop) + bool(resume) > 1:
            fail("--list, --stop and --resume stand alone")
        _manage(config, stop, resume, who(by), as_json)
    if bool(receipt) == bool(connection):
        fail("name receipts, or a connection with --connection")
    if receipt and (kind or state or since or until):
        fail("--kind, --state, --since and --until narrow down a connection; single receipts need none of them")
    if dry_run and apply:
        fail("--dry-run writes nothing and --apply does it: give one of them")
    wanted = _wanted(receipt or [], connection, kind or [], state or [], since, until)
    wanted = replace(wanted, must_fetch=fetch, rate=rate)
    if dry_run:
        _show_rehearsal(run(_rehearse(config, wanted)), as_json)
    plan, id = run(_replay(config, wanted, who(by), apply))
    _show_plan(plan, id, apply, as_json)
    raise typer.Exit(FINE if plan.total else FOUND)


def _show_plan(plan: ReplayPlan, id: int | None, apply: bool, as_json: bool) -> None:
    if as_json:
        counts = {state.value: number for state, number in plan.counts.items()}
        print_json({"applied": apply, "receipts": counts, "total": plan.total, "erased": plan.erased, "replay": id})
        return
    rows = [(STATES[state.value], count(number)) for state, number in plan.counts.items() if number]
    if rows:
        print_table("To be read again" if apply else "Would be read again", ["now", "receipts"], rows, right=(1,))
    if plan.erased:
        words.print(
            f"{plural(plan.erased, 'receipt')} left out: their bodies were erased when their time was over ([retention] bodies_days)."
            " `counterfoil backfill` reads the objects from the source again."
        )
    if not plan.total:
        words.print("Nothing matches." if not plan.erased else "Nothing is left to be read again.")
    elif id is None:
        words.print(
            f"Nothing was changed. Add --apply to have {plural(plan.total, 'receipt')} read again, --dry-run to see what would differ."
        )
    else:
        words.print(f"{plural(plan.total, 'receipt')} will be read again by `counterfoil up`, behind all other work, as replay {id}.")


def _wanted(receipts: list[int], connection: str, kinds: list[str], states: list[ReplayableState], since: str, until: str) -> ReplayRequest:
    from counterfoil.app.desk import ReplayRequest

    begin, end = (instant(text) if text else None for text in (since, until))
    return ReplayRequest(tuple(receipts), connection, kinds, [state.value for state in states], begin, end)


async def _replay(config: Path, wanted: ReplayRequest, actor: str, apply: bool) -> tuple[ReplayPlan, int | None]:
    from counterfoil.app import desk

    async with database_of(config) as (file, database):
        plan = await desk.plan_of_replay(database, file, wanted)
        id = await desk.begin_replay(database, plan, actor, datetime.now(UTC)) if apply and plan.total else None
        return plan, id


async def _rehearse(config: Path, wanted: ReplayRequest) -> Rehearsal:
    from counterfoil.app import desk
    from counterfoil.app.hub import open_hub
    from counterfoil.app.logs import quiet
    from counterfoil.app.rehearsing import Rehearsal, rehearse
    from counterfoil.app.settings import load

    quiet()
    settings = load(config)
    found = Rehearsal()
    async with database_of(config) as (file, database):
        plan = await desk.plan_of_replay(database, file, wanted)
    async with open_hub(settings) as hub:
        with progress() as bar:
            task = bar.add_task("Receipts", total=plan.total, note="")
            async for found in rehearse(hub, plan.order):
                bar.update(task, completed=found.read, note=f"{found.read:,} of {plan.total:,}")
    return found


def _show_rehearsal(found: Rehearsal, as_json: bool) -> None:
    if as_json:
        outcomes = [{"is": was, "would_be": now, "receipts": number} for (was, now), number in sorted(found.outcomes.items())]
        commands = {"new": _as_json(found.new), "canceled": _as_json(found.canceled)}
        print_json(
            {"read": found.read, "outcomes": outcomes, "objects": found.objects, "commands": commands, "cases": found.problems}
            | {"examples": found.examples, "differs": not found.is_without_effect}
        )
    else:
        outcome_rows = [(was, now if now != was else "the same", count(number)) for (was, now), number in sorted(found.outcomes.items())]
        print_table("Receipts", ["is", "would be", "receipts"], outcome_rows, right=(2,))
        rows = [("object would change", kind, count(number), "") for kind, number in sorted(found.objects.items())]
        for title, tallies in (("command would be new", found.new), ("command would be canceled", found.canceled)):
            rows += [(title, kind, count(one.count), money(one.minor, currency)) for (kind, currency), one in sorted(tallies.items())]
        rows += [("case", code, count(number), "") for code, number in sorted(found.problems.items())]
        if rows:
            print_table("What would differ", ["", "kind", "number", "amount"], rows, right=(2, 3))
        for example in found.examples:
            words.print(f"  {example}", markup=False)
        words.print("Nothing would differ." if found.is_without_effect else "Nothing was changed.")
    raise typer.Exit(FINE if found.is_without_effect else FOUND)


def _as_json(tallies: Mapping[tuple[str, str], CommandTally]) -> list[dict[str, object]]:
    return [
        {"kind": kind, "currency": currency, "count": one.count, "amount_minor": one.minor}
        for (kind, currency), one in sorted(tallies.items())
    ]


def _manage(config: Path, stop: int, resume: int, actor: str, as_json: bool) -> None:
    is_done, replays = run(_managed(config, stop, resume, actor))
    if stop or resume:
        if not is_done:
            fail(f"replay {stop} does not run" if stop else f"replay {resume} was not stopped", FOUND)
        words.print(f"Replay {stop} stops after the page in hand." if stop else f"Replay {resume} goes on where it ended.")
    elif as_json:
        print_json([{**_line(one), "ordered_at": one.ordered_at, "by": one.ordered_by} for one in replays])
    else:
        rows = [_row(one) for one in replays]
        print_table("Replays", ["replay", "is", "receipts", "objects changed", "ordered", "by"], rows, right=(0, 2, 3))
    raise typer.Exit(FINE)


def _row(one: Replay) -> tuple[object, ...]:
    progress = f"{one.read_count:,} of {one.total:,}"
    return one.id, one.state.value, progress, count(one.changed_count), when(one.ordered_at), one.ordered_by


def _line(one: Replay) -> dict[str, object]:
    counts = {"total": one.total, "read": one.read_count, "changed": one.changed_count, "rate": one.order.rate}
    return {"replay": one.id, "state": one.state.value, **counts, "selection": one.order.selection, "receipts": len(one.order.ids)}


async def _managed(config: Path, stop: int, resume: int, actor: str) -> tuple[bool, list[Replay]]:
    from counterfoil.app import desk, queries

    now = datetime.now(UTC)
    async with database_of(config) as (_, database):
        if stop:
            return await desk.stop_replay(database, stop, actor, now), []
        if resume:
            return await desk.resume_replay(database, resume, actor, now), []
        return True, await queries.list_replays(database)
