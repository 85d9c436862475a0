"""`counterfoil replay`: read kept deliveries again."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil.cli.instants import instant
from counterfoil.cli.output import FINE, FOUND, count, print_json, print_table, words
from counterfoil.cli.running import DEFAULT_CONFIG, Apply, AsJson, By, Config, database_of, fail, progress, run, who
from counterfoil.cli.wording import STATES, plural

if TYPE_CHECKING:
    from pathlib import Path

    from counterfoil.app.database import Database
    from counterfoil.app.replaying import Plan
    from counterfoil.store.receipts import Selection


class State(StrEnum):
    """States that can be replayed."""

    NORMALIZED = "normalized"
    IGNORED = "ignored"
    PARKED = "parked"


def replay(
    receipt: Annotated[
        list[int] | None, typer.Argument(help="Single receipts, by the numbers `trace` shows.", metavar="[RECEIPT]...")
    ] = None,
    connection: Annotated[str, typer.Option(help="All receipts of a connection instead, narrowed down by the options below.")] = "",
    kind: Annotated[list[str] | None, typer.Option(help="Only of this kind, e.g. invoice.paid; may be repeated.")] = None,
    state: Annotated[list[State] | None, typer.Option(help="Only in this state; may be repeated.")] = None,
    since: Annotated[str, typer.Option(help="Only received at or after: a day or an instant, UTC.")] = "",
    until: Annotated[str, typer.Option(help="Only received before: a day or an instant, UTC.")] = "",
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Ask the source again for the objects, instead of using what was fetched then.")
    ] = False,
    apply: Apply = False,
    by: By = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Read kept deliveries again with today's program and rules. Shows its plan first. What is booked is not booked twice.

    Exit code 1: nothing matches.
    """
    if bool(receipt) == bool(connection):
        fail("name receipts, or a connection with --connection")
    if receipt and (kind or state or since or until):
        fail("--kind, --state, --since and --until narrow down a connection; single receipts need none of them")
    asked = None if receipt else (connection, kind or [], state or [], instant(since) if since else None, instant(until) if until else None)
    plan = run(_replay(config, receipt or [], asked, who(by), fetch, apply))
    if as_json:
        print_json({"applied": apply, "receipts": {state.value: number for state, number in plan.counts.items()}, "total": plan.total})
    else:
        rows = [(STATES[state.value], count(number)) for state, number in plan.counts.items() if number]
        if rows:
            print_table("To be read again" if apply else "Would be read again", ["now", "receipts"], rows, right=(1,))
        if not plan.total:
            words.print("Nothing matches.")
        elif not apply:
            words.print(f"Nothing was changed. Add --apply to have {plural(plan.total, 'receipt')} read again.")
        else:
            words.print(f"{plural(plan.total, 'receipt')} will be read again by `counterfoil up`, behind all other work.")
    raise typer.Exit(FINE if plan.total else FOUND)


Asked = tuple[str, list[str], list[State], datetime | None, datetime | None]


async def _replay(config: Path, ids: list[int], asked: Asked | None, actor: str, fetch: bool, apply: bool) -> Plan:
    from counterfoil.app import replaying

    async with database_of(config) as (file, database):
        if asked is None:
            plan = await replaying.plan_of_ids(database, tuple(ids))
        else:
            if asked[0] not in file.connections:
                known = ", ".join(sorted(file.connections)) or "none"
                raise ValueError(f"there is no connection {asked[0]!r} in the configuration; there are: {known}")
            plan = await replaying.plan_of_selection(database, _selection(asked))
        if apply and plan.total:
            await _apply(database, plan, actor, fetch)
        return plan


def _selection(asked: Asked) -> Selection:
    from counterfoil.store.receipts import ReceiptState, Selection

    connection, kinds, states, since, until = asked
    begin = since or datetime(1970, 1, 1, tzinfo=UTC)
    end = until or datetime.now(UTC)
    return Selection(connection, begin, end, tuple(kinds), tuple(ReceiptState(state.value) for state in states))


async def _apply(database: Database, plan: Plan, actor: str, fetch: bool) -> None:
    from counterfoil.app.replaying import replay as replay_plan

    with progress() as bar:
        task = bar.add_task("Receipts", total=plan.total, note="")
        async for done in replay_plan(database, plan, actor, datetime.now(UTC), must_fetch=fetch):
            bar.update(task, completed=done, note=f"{done:,} of {plan.total:,}")
