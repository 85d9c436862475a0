"""`counterfoil case`: exceptions, one per cause: what they are, what mends them, and taking their records up again or letting them go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil.cli.output import FINE, FOUND, data, money, print_json, print_table, when, words
from counterfoil.cli.running import DEFAULT_CONFIG, Apply, AsJson, By, Config, check_reason, database_of, fail, run, who
from counterfoil.cli.wording import blocks, cause_of, class_of, plural
from counterfoil.core.language.keys import mapping_of

if TYPE_CHECKING:
    from pathlib import Path

    from counterfoil.app.casebook import CaseRecord
    from counterfoil.app.queries import Case, CaseDetail, CaseSeen, CaseSubject

app = typer.Typer(help="Exceptions: one case per cause, with its records, its money and what to do.", no_args_is_help=True)


LINKS_MAX = 20
"""Records of a case that are shown with their links."""


class Show(StrEnum):
    """Which cases are listed."""

    OPEN = "open"
    RESOLVED = "resolved"
    WAIVED = "waived"
    ALL = "all"


Ids = Annotated[list[int], typer.Argument(help="Numbers of cases.", metavar="CASE...")]


@app.command("list")
def list_(
    state: Annotated[Show, typer.Option(help="Which cases.")] = Show.OPEN,
    cause: Annotated[str, typer.Option("--class", help="Only of this class, e.g. unmapped_tax.")] = "",
    entity: Annotated[str, typer.Option(help="Only of this entity.")] = "",
    owner: Annotated[str, typer.Option(help="Only of this owner.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the earliest due first.")] = 200,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """List cases, the earliest due first."""
    found = run(_list(config, state, cause, entity, owner, limit))
    if as_json:
        print_json(found)
        return
    now = datetime.now(UTC)
    rows = [
        (
            case.id,
            cause_of(case.case_class),
            case.entity,
            case.cause,
            case.count,
            _money(case),
            case.owner,
            _due(case, now),
        )
        for case in found
    ]
    if rows:
        print_table("Cases", ["case", "class", "entity", "cause", "records", "money", "owner", "due"], rows, right=(0, 4, 5))
        words.print("`counterfoil case show CASE` tells what to do.")
    else:
        words.print("No cases.")


async def _list(config: Path, state: Show, case_class: str, entity: str, owner: str, limit: int) -> list[Case]:
    from counterfoil.app import queries

    wanted = None if state is Show.ALL else queries.CaseState(state.value)
    case_class = class_of(case_class)
    async with database_of(config) as (_, database):
        return await queries.list_cases(database, wanted, case_class, entity, owner, limit)


def _money(case: Case) -> str:
    return " + ".join(money(one.minor, one.currency) for one in case.money)


def _due(case: Case, now: datetime) -> str:
    if case.state.value != "open":
        return case.state.value
    return when(case.due_at)[:16] + " UTC" + (" OVERDUE" if case.due_at < now else "")


@app.command()
def show(
    case: Annotated[int, typer.Argument(help="Its number.")],
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show one case: cause, next step, records, history. Exit code 1: there is none with this number."""
    seen = run(_show(config, case))
    found, blocked, records = seen.detail, seen.blocked, seen.records
    if as_json:
        print_json({**_plain(found), "mends": mends(found.case), "blocks": blocked, "records": [_record(one) for one in records]})
        return
    one = found.case
    facts = [
        ("class", cause_of(one.case_class)),
        ("cause", one.cause),
        ("next step", one.next_step),
        ("mended by", mends(one)),
        ("then", retries(found)),
        ("state", one.state.value + (f" by {one.closed_by}: {one.reason}" if one.closed_at else "")),
        ("entity", one.entity),
        ("connection", one.connection),
        ("holds up", "" if one.impact == "by domain" else one.impact),
        ("blocks", blocks(blocked, datetime.now(UTC))),
        ("money", _money(one)),
        ("owner", one.owner),
        ("opened", when(one.opened_at) + " UTC"),
        ("due", _due(one, datetime.now(UTC))),
        ("code", one.code),
    ]
    print_table(f"Case {one.id}", ["", ""], [row for row in facts if row[1]])
    _show_records(records, one)
    print_table("History", ["time", "who", "what", "detail"], [(when(h.at), h.actor, h.action, h.detail) for h in found.history])


def _show_records(records: Sequence[CaseRecord], case: Case) -> None:
    rows = [
        (
            one.kind.replace("_", " ") or one.held.subject.label or one.held.subject.stage,
            one.source_number,
            one.source_id or one.held.subject.label or one.held.subject.subject,
            one.customer,
            "\n".join(one.books),
            money(one.held.subject.money_minor, one.held.subject.currency),
            _held(one.held.released_at),
        )
        for one in records
    ]
    names = ["record", "number", "id (counterfoil trace)", "customer", "in the books", "money", "state"]
    print_table("Records", names, rows, right=(5,), whole=(2,))
    for one in records[:LINKS_MAX]:
        words_of_its_own = one.held.subject.detail if one.held.subject.detail not in case.cause else ""
        for text in (words_of_its_own, *one.links):
            if text:
                data.print(f"{one.source_number or one.source_id or one.held.subject.label}: {text}", markup=False, soft_wrap=True)


def _record(one: CaseRecord) -> dict[str, object]:
    subject = one.held.subject
    return {
        "subject": subject.subject,
        "kind": one.kind,
        "source_id": one.source_id,
        "source_number": one.source_number,
        "customer": one.customer,
        "books": one.books,
        "links": one.links,
    }


def retries(found: CaseDetail) -> str:
    """Return the command that takes the records up again once the cause is mended; empty where they go by themselves.

    What people changed in the books is put right by the hub only where the next step says so.
    """
    stages = {held.subject.stage for held in found.subjects}
    is_by_itself = (
        found.case.releases_on or stages <= {"poll", "intake"} or (stages <= {"books"} and "case retry" not in found.case.next_step)
    )
    return "" if is_by_itself or found.case.closed_at else f"counterfoil case retry {found.case.id}"


def _plain(found: CaseDetail) -> dict[str, object]:
    return {"case": found.case, "subjects": found.subjects, "history": found.history}


def _held(released_at: datetime | None) -> str:
    return "stands still" if released_at is None else f"went through {when(released_at)}"


def mends(case: Case) -> str:
    """Return the command that mends a case whose cause is a missing mapping; empty for any other."""
    missing = mapping_of(case.releases_on)
    if missing is None:
        return ""
    kind, entity, key = missing
    what = "INTERNAL REFERENCE OR ID IN THE BOOKS" if kind == "product" else "NAME IN THE BOOKS"
    return f"counterfoil map set {kind} {entity} '{key}' '{what}'"


async def _show(config: Path, id: int) -> CaseSeen:
    from counterfoil.app import queries

    async with database_of(config) as (file, database):
        seen = await queries.case_seen(database, file, id)
    if seen is None:
        fail(f"there is no case {id}; `counterfoil case list --state all` lists them", FOUND)
    return seen


@app.command()
def retry(
    case: Annotated[list[int] | None, typer.Argument(help="Numbers of cases.", metavar="[CASE]...")] = None,
    cause: Annotated[str, typer.Option("--class", help="All open cases of a class instead, e.g. target_unavailable.")] = "",
    by: By = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Take the records of open cases up again; a case closes itself when all its records went through. Harmless: twice books once."""
    if bool(case) == bool(cause):
        fail("name cases, or a class with --class")
    retried, restart = run(_retry(config, case or [], cause, who(by)))
    if as_json:
        print_json({"retried": retried, "restart_needed": restart})
    else:
        if restart:
            words.print(f"{restart} Until then what is retried is decided as before.", style="yellow", markup=False)
        words.print(f"{plural(len(retried), 'case')} taken up again: {', '.join(map(str, retried)) or 'none is open'}.")
    raise typer.Exit(FINE if retried else FOUND)


async def _retry(config: Path, ids: Sequence[int], case_class: str, actor: str) -> tuple[list[int], str]:
    from counterfoil.app import desk, queries
    from counterfoil.app.restarts import restart_needed

    async with database_of(config) as (_, database):
        retried = await desk.retry_cases(database, ids, class_of(case_class), actor, datetime.now(UTC))
        return retried, restart_needed(config, await queries.list_workers(database))


@app.command()
def waive(
    case: Ids,
    reason: Annotated[str, typer.Option(help="Why its records need no counterpart in the books; kept in the history.")],
    apply: Apply = False,
    by: By = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Close cases for good: their deliveries count as ignored (rule `waived`), their postings are dropped. Shows its plan first."""
    check_reason(reason)
    plan = run(_waive(config, case, who(by), reason, apply))
    if as_json:
        print_json({"applied": apply, "waived": [{"case": one.case, "records": standing} for one, standing in plan.values()]})
        return
    rows = [(one.case.id, one.case.cause, len(standing), _money(one.case), _waived_as(one)) for one, standing in plan.values()]
    print_table(
        "Waived" if apply else "Would be waived", ["case", "cause", "records", "money", "what becomes of them"], rows, right=(0, 2, 3)
    )
    if not apply:
        words.print("Nothing was changed. Add --apply to do it; it cannot be undone.")


def _waived_as(found: CaseDetail) -> str:
    """Return what waiving does to a case's records."""
    if {held.subject.stage for held in found.subjects} <= {"books", "prove"}:
        return "left as the books have them, until that changes again"
    return "never booked"


async def _waive(config: Path, ids: Sequence[int], actor: str, reason: str, apply: bool) -> dict[int, tuple[CaseDetail, list[CaseSubject]]]:
    from counterfoil.app import desk

    async with database_of(config) as (_, database):
        try:
            plan = await desk.plan_of_waiving(database, ids)
            if apply:
                await desk.waive_cases(database, ids, actor, reason, datetime.now(UTC))
        except LookupError as error:
            fail(str(error), FOUND)
    return plan


@app.command()
def assign(
    case: Annotated[int, typer.Argument(help="Its number.")],
    owner: Annotated[str, typer.Argument(help="Who takes it: a person or a team.")],
    by: By = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Give an open case to somebody. Exit code 1: there is no such open case."""
    if not run(_assign(config, case, owner, who(by))):
        fail(f"there is no open case {case}", FOUND)
    if as_json:
        print_json({"case": case, "owner": owner})
    else:
        data.print(f"Case {case} is now {owner}'s.", markup=False)


async def _assign(config: Path, id: int, owner: str, actor: str) -> bool:
    from counterfoil.app import desk

    async with database_of(config) as (_, database):
        return await desk.assign_case(database, id, owner, actor, datetime.now(UTC))
