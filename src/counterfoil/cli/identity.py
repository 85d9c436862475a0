"""`counterfoil identity`: who is who: merging customers and taking it back, what is the same as what, what is linked, exports compared."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil.cli import identity_match, identity_matches
from counterfoil.cli.output import FOUND, print_json, print_table, when, words
from counterfoil.cli.running import DEFAULT_CONFIG, Apply, AsJson, By, Config, check_reason, database_of, fail, progress, run, who

if TYPE_CHECKING:
    from pathlib import Path

    from counterfoil.app.identities import Identity, IdentityPlan, Link
    from counterfoil.app.renaming import RenamingPlan

app = typer.Typer(help="Who is who: merges, and what is the same as what, as people and systems say.", no_args_is_help=True)

Key = Annotated[str, typer.Argument(help="Its key, e.g. customer/billing:cus_1; without a kind, a customer's.", metavar="KEY")]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit.")]


@app.command()
def merge(
    key: Key,
    into_key: Annotated[str, typer.Argument(help="The customer that is left.", metavar="INTO_KEY")],
    reason: Reason,
    apply: Apply = False,
    by: By = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Merge a customer into another: what is open of it goes to that one; what is booked stays. Shows its plan first."""
    _act(config, ("merge", key, into_key), reason, by, is_applied=apply, as_json=as_json)


@app.command()
def unmerge(key: Key, reason: Reason, apply: Apply = False, by: By = "", config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Take a merge back: what is open comes back. Where a source says it, too, the customer is kept apart from then on."""
    _act(config, ("unmerge", key, ""), reason, by, is_applied=apply, as_json=as_json)


@app.command("same-as")
def same_as(
    key: Key,
    other_key: Annotated[str, typer.Argument(help="What it is the same as, of the same kind.", metavar="OTHER_KEY")],
    reason: Reason,
    apply: Apply = False,
    by: By = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Say that one thing is the same as another that a second system tells of: it is booked once. Shows its plan first."""
    _act(config, ("same_as", key, other_key), reason, by, is_applied=apply, as_json=as_json)


@app.command("not-same-as")
def not_same_as(
    key: Key,
    reason: Reason,
    other_key: Annotated[str, typer.Argument(help="The customer it is not; left out: it is the same as none.", metavar="[OTHER_KEY]")] = "",
    apply: Apply = False,
    by: By = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Say that a customer is not another it looks like; or that a thing is the same as none, whatever its source says. Shows its plan."""
    _act(config, ("not_same_as", key, other_key), reason, by, is_applied=apply, as_json=as_json)


def _act(config: Path, act: tuple[str, str, str], reason: str, by: str, *, is_applied: bool, as_json: bool) -> None:
    check_reason(reason)
    try:
        plan = run(_decide(config, act, reason, who(by), is_applied=is_applied))
    except LookupError as error:
        fail(str(error.args[0]), FOUND)
    if as_json:
        print_json({"applied": is_applied, "verb": plan.act.verb, "key": plan.act.key, "other": plan.act.other, **_more(plan)})
        return
    rows = [("what", plan.act.verb.value.replace("_", " ")), ("of", plan.act.key), ("with", plan.act.other), ("left is", plan.into)]
    rows += [("objects that name it", str(plan.documents) if plan.documents else ""), *(("note", note) for note in plan.notes)]
    print_table("Done" if is_applied else "Would be done", ["", ""], [row for row in rows if row[1]])
    words.print("Kept; a worker that runs does it within seconds." if is_applied else "Nothing was changed. Add --apply to do it.")


def _more(plan: IdentityPlan) -> dict[str, object]:
    return {"into": plan.into, "documents": plan.documents, "notes": plan.notes}


async def _decide(config: Path, act: tuple[str, str, str], reason: str, actor: str, *, is_applied: bool) -> IdentityPlan:
    from counterfoil.app.identities import IdentityAct, IdentityVerb, decide, plan_of

    verb, key, other = act
    wanted = IdentityAct(IdentityVerb(verb), key, other)
    async with database_of(config) as (_, database):
        if is_applied:
            return await decide(database, wanted, actor, reason, datetime.now(UTC))
        return await plan_of(database, wanted)


Former = Annotated[str, typer.Argument(help="Its former name, which is no connection any more.", metavar="FORMER")]


@app.command("rename-source")
def rename_source(
    former: Former,
    name: Annotated[str, typer.Argument(help="The connection it is now.", metavar="NAME")],
    reason: Reason,
    apply: Apply = False,
    by: By = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Take what a connection said under its former name for its own word. May be stopped and run again. Shows its plan first."""
    _rename(config, former, name, reason, by, is_applied=apply, as_json=as_json)


@app.command("drop-source")
def drop_source(
    former: Former, reason: Reason, apply: Apply = False, by: By = "", config: Config = DEFAULT_CONFIG, as_json: AsJson = False
) -> None:
    """Drop what a connection that is gone said of what others tell of, too; what it alone told stays. Shows its plan first."""
    _rename(config, former, "", reason, by, is_applied=apply, as_json=as_json)


def _rename(config: Path, former: str, name: str, reason: str, by: str, *, is_applied: bool, as_json: bool) -> None:
    check_reason(reason)
    plan, done = run(_renamed(config, former, name, reason, who(by), is_applied=is_applied))
    if as_json:
        found = {"beside": plan.beside, "alone": plan.alone, "unbooked": plan.unbooked}
        print_json({"applied": is_applied, "former": former, "name": name, **found, "done": done})
        return
    what = f"renamed to {name}" if name else "dropped"
    stays = "" if name else " stay"
    rows = [
        ("of what other systems tell of, too", str(plan.beside)),
        ("of what it alone told", f"{plan.alone}{stays}"),
        ("documents not booked yet", f"{plan.unbooked}{stays}"),
    ]
    print_table(f"{former}: {what}" if is_applied else f"{former}: would be {what}", ["", "things"], rows, right=(1,))
    if not is_applied:
        words.print("Nothing was changed. Add --apply to do it.")


async def _renamed(config: Path, former: str, name: str, reason: str, actor: str, *, is_applied: bool) -> tuple[RenamingPlan, int]:
    from counterfoil.app.renaming import Renaming, plan_of_renaming, rename

    what, count = Renaming(former, name), 0
    async with database_of(config) as (file, database):
        plan = await plan_of_renaming(database, file, what)
        if is_applied:
            with progress() as shown:
                task = shown.add_task(former, total=plan.total, note="")
                async for count, total in rename(database, file, what, actor, reason, datetime.now(UTC)):
                    shown.update(task, completed=count, total=total, note=f"{count} of {total}")
    return plan, count


@app.command("list")
def list_(
    ended: Annotated[bool, typer.Option("--ended", help="Those that are over, too.")] = False,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """List what is merged into what, and what is the same as what, newest first."""
    found = run(_list(config, does_include_ended=ended))
    if as_json:
        print_json([_plain(one) for one in found])
    elif found:
        _print_links("Links", found)
    else:
        words.print("Nothing is linked.")


async def _list(config: Path, *, does_include_ended: bool) -> list[Link]:
    from counterfoil.app.identities import linked

    async with database_of(config) as (_, database):
        return await linked(database, does_include_ended=does_include_ended)


def _print_links(title: str, found: list[Link]) -> None:
    columns = ["what", "to", "why", "said by", "since", "until"]
    rows = [
        (one.ref.key, one.golden, one.why.replace("_", " "), one.connection, when(one.since), when(one.until) or "now") for one in found
    ]
    print_table(title, columns, rows, whole=(0, 1))


def _plain(one: Link) -> dict[str, object]:
    return {"key": one.ref.key, "to": one.golden, "why": one.why, "by": one.connection, "since": one.since, "until": one.until}


@app.command()
def show(key: Key, config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show who a thing is: who is left of it by merges, its links, and what people did to it and why. Exit code 1: it is not known."""
    try:
        found = run(_show(config, key))
    except LookupError as error:
        fail(str(error.args[0]), FOUND)
    if as_json:
        acts = [{"at": one.at, "by": one.actor, "verb": one.action, **one.detail} for one in found.acts]
        print_json({"key": found.key, "into": found.into, "links": [_plain(one) for one in found.links], "acts": acts})
        return
    words.print(f"{found.key} is merged: who is left is {found.into}." if found.into else f"{found.key} stands for itself.", markup=False)
    if found.links:
        _print_links("Links", list(found.links))
    if found.acts:
        rows = [
            (when(one.at), one.actor, one.action.replace("_", " "), str(one.detail.get("other", "")), str(one.detail.get("reason", "")))
            for one in found.acts
        ]
        print_table("What people did (UTC)", ["time", "who", "what", "with", "why"], rows)


async def _show(config: Path, key: str) -> Identity:
    from counterfoil.app.identities import show as show_identity

    async with database_of(config) as (_, database):
        return await show_identity(database, key)


app.command("match")(identity_match.match)
app.command("matches")(identity_matches.matches)
