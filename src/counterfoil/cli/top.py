"""`counterfoil top`: what flows, what waits, what is in the way, and who works; live in the terminal, or once for programs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from counterfoil.cli.output import data, plain, print_json, span, when
from counterfoil.cli.running import DEFAULT_CONFIG, AsJson, Config, database_of, run
from counterfoil.cli.wording import blocks

if TYPE_CHECKING:
    from pathlib import Path

    from counterfoil.app.queries import BudgetSeen, ConnectionStanding, Queue
    from counterfoil.app.topping import Sampler, Top

WIDE = 120
"""From so many columns on, tables stand side by side."""
SILENT_S = 30.0
ANSWER_WITHIN_S = 2.0
"""A single picture is given up, with the cause, if the database does not answer within this."""
LANES = {10: "real time", 20: "micro-batch", 30: "batch", 40: "replay, history"}
FLOWS = {"received": ("received", ()), "read": ("read", ("read",)), "decided": ("decided", ("decide",)), "posted": ("posted", ("post",))}
"""A flow's name, and the queue in front of it."""
ASIDE = {"verify": "being verified", "needs": "waits for others", "observed": "only observed", "parked": "parked in cases"}


def top(
    every: Annotated[float, typer.Option(min=0.5, max=60, help="Seconds between two pictures.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Show one picture and end.")] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show live what flows, what waits in which lane, what the books can bear, what stands still and who works. Ctrl-C ends it."""
    if as_json:
        print_json(_as_json(run(_once(config))))
    elif once:
        data.print(picture(run(_once(config)), data.width))
    else:
        run(_live(config, every))


@asynccontextmanager
async def _watcher(config: Path, answer_within_s: float | None = None) -> AsyncIterator[Sampler]:
    from counterfoil.app.topping import Sampler
    from counterfoil.kit.clock import SystemClock

    async with database_of(config, answer_within_s=answer_within_s) as (file, database):
        windows = {name: [one.window() for one in connection.maintenance] for name, connection in file.connections.items()}
        yield Sampler(database.pool, SystemClock(), windows)


async def _once(config: Path) -> Top:
    async with _watcher(config, ANSWER_WITHIN_S) as watcher:
        return await watcher.first()


async def _live(config: Path, every_s: float) -> None:
    import asyncio

    from rich.live import Live

    async with _watcher(config) as watcher:
        shown = await watcher.first()
        with Live(picture(shown, data.width), console=data, screen=data.is_terminal, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(every_s)
                live.update(picture(await watcher.take(), data.width), refresh=True)


def _as_json(found: Top) -> Any:
    shown = plain(found)
    shown["blockers"] = [{"case": one.case.id, "cause": one.case.cause, "blocks": one.blocked} for one in found.blockers]
    return shown


def picture(found: Top, width: int) -> Group:
    """Return everything as it is printed in so many columns."""
    parts: list[RenderableType] = [Text.from_markup(_headline(found))]
    if width >= WIDE:
        grid = Table.grid(padding=(0, 4))
        grid.add_row(_flow(found), _lanes(found))
        parts.append(grid)
    else:
        parts += [_flow(found), _lanes(found)]
    parts += [table for table in (_connections(found), _blockers(found), _workers(found)) if table is not None]
    return Group(*(line for part in parts for line in (part, Text(""))))


def _headline(found: Top) -> str:
    waiting = sum(one.count for one in found.queues if one.stage in ("read", "decide", "post", "verify"))
    alive = sum(1 for one in found.workers if (found.at - one.beat_at).total_seconds() < SILENT_S)
    work = f"{alive} worker{'' if alive == 1 else 's'}" if alive else "[red]no worker is running: `counterfoil up`[/]"
    more = "+" if any(one.is_cut for one in found.queues) else ""
    return f"[bold]counterfoil[/]  {when(found.at)} UTC   {work}   {waiting:,}{more} to do"


def _table(title: str, *columns: str, right: Iterable[int] = ()) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    aligned = set(right)
    for position, column in enumerate(columns):
        table.add_column(column, justify="right" if position in aligned else "left", overflow="fold")
    return table


def _rate(value: float | None) -> str:
    if value is None:
        return ""
    return "-" if value < 0.05 else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _number(queues: Iterable[Queue]) -> str:
    found = list(queues)
    total = sum(one.count for one in found)
    return f"{total:,}{'+' if any(one.is_cut for one in found) else ''}" if total else "-"


def _oldest(queues: Iterable[Queue], now: datetime) -> str:
    oldest = min((one.oldest_at for one in queues), default=None)
    return "" if oldest is None else span(max(0.0, (now - oldest).total_seconds()))


def _flow(found: Top) -> Table:
    table = _table("Flow", "", "per s, 10 s", "1 min", "in front", "oldest", "95 % within", right=(1, 2, 3, 4, 5))
    urgent = {one.stage: one.p95_s for one in sorted(found.recent, key=lambda one: -one.lane)}  # of the most urgent lane that has any
    for flow in found.flows:
        name, stages = FLOWS[flow.stage]
        waiting = [one for one in found.queues if one.stage in stages]
        taken = urgent.get(stages[0] if stages else "")
        table.add_row(
            name,
            _rate(flow.last_10_s),
            _rate(flow.last_60_s),
            _number(waiting) if stages else "",
            _oldest(waiting, found.at),
            "" if taken is None else span(taken),
        )
    for stage, name in ASIDE.items():
        waiting = [one for one in found.queues if one.stage == stage]
        table.add_row(name, "", "", _number(waiting), _oldest(waiting, found.at), "")
    return table


def _lanes(found: Top) -> Table:
    table = _table("Lanes: what waits", "", "to read", "to decide", "to post", "oldest", "posted within", right=(1, 2, 3, 4, 5))
    lanes = sorted({*LANES, *(one.lane for one in found.queues)})
    for lane in lanes:
        mine = [one for one in found.queues if one.lane == lane and one.stage in ("read", "decide", "post", "verify")]
        taken = next((one.p95_s for one in found.recent if one.lane == lane and one.stage == "post"), None)
        table.add_row(
            LANES.get(lane, f"lane {lane}"),
            _number(one for one in mine if one.stage == "read"),
            _number(one for one in mine if one.stage == "decide"),
            _number(one for one in mine if one.stage in ("post", "verify")),
            _oldest(mine, found.at),
            "" if taken is None else span(taken),
        )
    return table


def _connections(found: Top) -> Table | None:
    table = _table("Connections", "", "state", "calls/s now", "of", "at once", "of", "last error", right=(2, 3, 4, 5))
    down = {one.connection: one for one in found.standings}
    learning = {one.target for one in found.relearning if one.learned_at is None}
    seen = {one.connection: one for one in found.budgets}
    closed = {one.connection: one.until for one in found.maintenance}
    for name in sorted({*down, *seen, *learning, *closed}):
        budget = seen.get(name)
        trouble = "[yellow]restored: learning again[/]" if name in learning else _trouble(down.get(name), budget, found.at)
        # Whatever else is known of it stays in sight: it is why the books may not be back when the maintenance is over.
        states = [_closed(closed[name], found.at)] if name in closed else []
        states += [trouble] if trouble else []
        state = "\n".join(states) or "[green]fine[/]"
        figures = ("", "", "", "") if budget is None else _figures(budget.rate_per_s, budget.rate_full, budget.slots_used, budget.slots_max)
        error = "" if budget is None or not budget.last_code_at else f"{budget.last_code}, {_ago(budget.last_code_at, found.at)}"
        table.add_row(escape(name), state, *figures, escape(error))
    return table if table.row_count else None


def _trouble(down: ConnectionStanding | None, budget: BudgetSeen | None, now: datetime) -> str:
    """Return what is wrong with a connection; empty: nothing."""
    if down is not None:
        words = "refuses our key" if down.is_refused else "away"
        return f"[red]{words} since {span(max(0.0, (now - (down.down_since or now)).total_seconds()))}[/]"
    if budget is not None and budget.breaker.value != "closed":
        return "[red]left alone[/]" if budget.breaker.value == "open" else "[yellow]being tried[/]"
    if budget is not None and budget.paused_until is not None and budget.paused_until > now:
        return f"[yellow]asked to wait, {span((budget.paused_until - now).total_seconds())}[/]"
    return ""


def _closed(until: datetime, now: datetime) -> str:
    """Return until when a connection is left alone because its maintenance was declared; the date is named if it is another day's."""
    at, today = until.astimezone(UTC), now.astimezone(UTC).date()
    shown = f"{at:%H:%M}" if at.date() == today else f"{at:%Y-%m-%d %H:%M}"
    return f"[yellow]declared maintenance until {shown} UTC, {span((until - now).total_seconds())} left[/]"


def _figures(rate: float, full: float, used: int, most: int) -> tuple[str, str, str, str]:
    return _rate(rate), _rate(full), str(used), str(most)


def _ago(then: datetime, now: datetime) -> str:
    return f"{span(max(0.0, (now - then).total_seconds()))} ago"


def _blockers(found: Top) -> Table | None:
    if not found.blockers:
        return None
    table = _table("Stands still (counterfoil case show CASE)", "case", "cause", "blocks", right=(0,))
    for one in found.blockers:
        table.add_row(str(one.case.id), escape(one.case.cause[:160]), escape(blocks(one.blocked, found.at)))
    return table


def _workers(found: Top) -> Table | None:
    if not found.workers:
        return None
    table = _table("Workers", "", "host", "version", "since (UTC)", "last heard", "drains", right=(4, 5))
    for one in found.workers:
        silent_s = max(0.0, (found.at - one.beat_at).total_seconds())
        heard = span(silent_s) if silent_s < SILENT_S else f"[red]{span(silent_s)}[/]"
        doing = str(one.drains) if one.waits_since is None else "[red]waits: rules differ[/]"
        table.add_row(escape(one.id), escape(one.host), one.version, when(one.started_at)[:16], heard, doing)
    return table
