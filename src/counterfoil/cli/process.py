"""`counterfoil process`: what takes weeks and several steps: where each stands, why, and answering what it asks."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil.cli.instants import instant
from counterfoil.cli.output import FOUND, data, money, print_json, print_table, when, words
from counterfoil.cli.running import DEFAULT_CONFIG, AsJson, By, Config, check_reason, database_of, fail, run, who

if TYPE_CHECKING:
    from pathlib import Path

    from counterfoil.app.processes import ProcessSeen, ProcessStep, ProcessWhole

app = typer.Typer(help="Processes, such as the dunning of an invoice: where each stands, and answering what it asks.", no_args_is_help=True)

ProcessKey = Annotated[str, typer.Argument(help="Its key, e.g. dunning/billing:in_1.", metavar="PROCESS")]


@app.command("list")
def list_(
    ended: Annotated[bool, typer.Option("--ended", help="Those that are over, too.")] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """List processes, those that changed last first."""
    found = run(_list(config, does_include_ended=ended))
    if as_json:
        print_json([_plain(one) for one in found])
    elif found:
        rows = [(one.key, *_words(one), when(one.changed_at), _again(one)) for one in found]
        names = ["process", "entity", "state", "stage", "blocks", "open", "since", "looks again"]
        print_table("Processes", names, rows, right=(5,), whole=(0,))
    else:
        words.print("No processes.")


async def _list(config: Path, *, does_include_ended: bool) -> list[ProcessSeen]:
    from counterfoil.app.processes import list_processes

    async with database_of(config) as (_, database):
        return await list_processes(database, does_include_ended=does_include_ended)


def _words(one: ProcessSeen | ProcessStep) -> tuple[str, str, str, str, str]:
    """Return what a state says of itself, as far as its kind has such words: entity, state, stage, what it blocks, what is open."""
    state = one.state
    said = str(getattr(state, "state", ""))
    more = getattr(state, "asked", "") or getattr(state, "reason", "")
    amount = getattr(state, "open_amount", None)
    return (
        str(getattr(state, "entity", "")),
        f"{said}: {more}" if more else said,
        str(getattr(state, "stage", "")),
        ", ".join(getattr(state, "blocks", ())),
        "" if amount is None else money(amount.minor, amount.currency),
    )


def _again(one: ProcessSeen) -> str:
    return "" if one.again_at is None else when(one.again_at)


def _plain(one: ProcessSeen) -> dict[str, object]:
    return {"process": one.key, "state": one.state, "changed_at": one.changed_at, "again_at": one.again_at}


@app.command()
def show(process: ProcessKey, config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show one process: where it stands, what it waits for, its case, its history. Exit code 1: there is none with this key."""
    found = run(_show(config, process))
    if found is None:
        fail(f"there is no process {process}; `counterfoil process list --ended` lists them", FOUND)
    if as_json:
        steps = [asdict(step) for step in found.steps]
        print_json({**_plain(found.seen), "cases": [case.id for case in found.cases], "history": steps})
        return
    facts = [*zip(("entity", "state", "stage", "blocks", "open"), _words(found.seen), strict=True)]
    facts += [("changed", when(found.seen.changed_at) + " UTC"), ("looks again", _again(found.seen))]
    facts += [("case", f"{case.id}: {case.next_step}") for case in found.cases]
    print_table(process, ["", ""], [row for row in facts if row[1]])
    print_table("History (UTC)", ["time", "what", "state", "stage", "blocks", "open"], [_history(step) for step in found.steps])


def _history(step: ProcessStep) -> tuple[str, ...]:
    if step.event == "intent.decided":
        about, actor = getattr(step.state, "about", ""), getattr(step.state, "actor", "")
        return (when(step.at), f"{actor}: {getattr(step.state, 'verb', '')} {about}".rstrip(), "", "", "", "")
    return (when(step.at), step.event, *_words(step)[1:])


async def _show(config: Path, key: str) -> ProcessWhole | None:
    from counterfoil.app.processes import show_process

    async with database_of(config) as (_, database):
        return await show_process(database, key)


@app.command()
def answer(
    process: ProcessKey,
    verb: Annotated[str, typer.Argument(help="Of a dunning: approve, reject, hold, resume, waive.", metavar="VERB")],
    about: Annotated[str, typer.Option(help="With approve or reject: the stage it answers for; refused if another is asked about.")] = "",
    until: Annotated[str, typer.Option(help="With hold: the instant or day (UTC) it ends by itself.")] = "",
    reason: Annotated[str, typer.Option(help="Why; kept with it.")] = "",
    by: By = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Say what you decide on a process; it steps at once, and another answer may follow. Exit code 1: there is none with this key."""
    now = datetime.now(UTC)
    ends = instant(until) if until else None
    if ends is not None and ends <= now:
        fail("--until must lie ahead")
    if reason:
        check_reason(reason)
    try:
        is_new = run(_answer(config, process, verb, who(by), now, about, ends, reason))
    except LookupError as error:
        fail(str(error.args[0]), FOUND)
    if as_json:
        print_json({"process": process, "verb": verb, "is_new": is_new})
    else:
        data.print(f"{process}: {verb}." if is_new else f"{process}: you said so already.", markup=False)


async def _answer(config: Path, key: str, verb: str, actor: str, now: datetime, about: str, until: datetime | None, reason: str) -> bool:
    from counterfoil.app.processes import answer as answer_process

    async with database_of(config) as (_, database):
        return await answer_process(database, key, verb, actor, now, about=about, until=until, reason=reason)
