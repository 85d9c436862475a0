"""`counterfoil rules`: the releases by which everything is decided; what a changed file would do, and who lets it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterfoil.cli.instants import instant
from counterfoil.cli.output import FINE, FOUND, money, print_json, print_table, when, words
from counterfoil.cli.running import DEFAULT_CONFIG, AsJson, By, Config, database_of, fail, run, who
from counterfoil.cli.wording import plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from counterfoil.app.database import Database
    from counterfoil.app.releasing import Release, ReleaseRequest
    from counterfoil.app.shadowing import Comparison, Shadow, ShadowPosting

app = typer.Typer(
    help="Rules: what shapes bookings, in releases; the one in force decides, not the configuration file.", no_args_is_help=True
)

SHOWN_MAX = 20
"""Postings shown; --json shows all."""

Version = Annotated[int, typer.Argument(help="Its version, as `counterfoil rules list` shows it.")]
Confirmed = Annotated[bool, typer.Option("--confirmed", help="It is meant so, whatever the books say of it.")]
Note = Annotated[str, typer.Option("--note", help="Why; kept with the release.")]
From = Annotated[str, typer.Option("--from", help="When it takes effect: 2027-01-01T00:00+01:00; a day or instant without offset is UTC.")]


@app.command("list")
def list_(config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """List all releases and proposals, the newest first, and say whether the file waits to be released."""
    found, held, said = run(_list(config))
    now = datetime.now(UTC)
    version = 0 if held is None else held.version
    if as_json:
        print_json({"in_force": version, "notice": said, "releases": [_plain(one, now, version) for one in found]})
        return
    rows = [
        (
            one.version,
            one.state(now, version).value,
            when(one.effective_from or one.released_at),
            one.proposed_by,
            one.approved_by,
            one.note,
        )
        for one in reversed(found)
    ]
    if rows:
        print_table("Rules", ["version", "state", "from", "proposed by", "approved by", "note"], rows, right=(0,))
    else:
        words.print("Nothing was released yet: the first `counterfoil up` releases the configuration file.")
    if said:
        words.print(said, style="yellow", markup=False)


def _plain(one: Release, now: datetime, in_force: int) -> dict[str, Any]:
    names = (
        "version", "digest", "origin", "base", "note", "proposed_by", "proposed_at", "approved_by", "approved_at", "released_by",
        "released_at", "effective_from", "withdrawn_by", "withdrawn_at", "applied_at",
    )  # fmt: skip
    return {"state": one.state(now, in_force).value, **{name: getattr(one, name) for name in names}}


async def _list(config: Path) -> tuple[list[Release], Release | None, str]:
    from counterfoil.app import releasing

    now = datetime.now(UTC)
    async with database_of(config) as (_, database):
        known, held = await releasing.listed(database, now)
    return known, held, "" if held is None else releasing.state_words(held, known, _body(config), now)


def _body(config: Path) -> str:
    from counterfoil.app.rules import body_of
    from counterfoil.app.settings import load_unopened

    return body_of(load_unopened(config))


@app.command()
def show(
    version: Annotated[int | None, typer.Argument(help="Which release or proposal; left out: the one in force.")] = None,
    of: Annotated[int | None, typer.Option("--of", help="Instead: the rules of the version that a command carries.")] = None,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show what a release says, setting by setting; with --of also the mappings people had set then."""
    if version is not None and of is not None:
        fail("give a version of the rules, or --of with what a command carries")
    release, said = run(_show(config, version, of))
    if as_json:
        print_json({"version": release.version, "digest": release.digest, "settings": said})
        return
    print_table(f"Rules, version {release.version}", ["setting", "value"], sorted(said.items()))


async def _show(config: Path, version: int | None, of: int | None) -> tuple[Release, Mapping[str, str]]:
    from counterfoil.app import releasing
    from counterfoil.app.rules import leaves_of

    async with database_of(config) as (_, database):
        known, held = await releasing.listed(database, datetime.now(UTC))
        said: dict[str, str] = {}
        if of is not None:
            shaped = await releasing.shaped(database, of)
            if shaped is None:
                fail(f"no release stands behind version {of}: it is of before the first one, or no command carries it", FOUND)
            version = shaped.release
            said = {f"mapping set: {'.'.join(key)}": value for key, value in shaped.mappings.items()}
    found = _chosen(known, held, version)
    return found, leaves_of(found.body) | said


def _chosen(known: Sequence[Release], held: Release | None, version: int | None) -> Release:
    found = held if version is None else next((one for one in known if one.version == version), None)
    if found is None:
        fail("nothing was released yet" if version is None else f"there is no version {version}; `counterfoil rules list` shows all", FOUND)
    return found


@app.command()
def diff(
    version: Annotated[int | None, typer.Argument(help="A proposal or release; left out: the configuration file.")] = None,
    against: Annotated[int | None, typer.Option(help="Compare with this version instead of the one in force.")] = None,
    documents: Annotated[int, typer.Option(min=0, max=20_000, help="How many of the newest documents are decided again, by both.")] = 500,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show what a proposal, or the file, changes: settings, postings, journal lines, money. Nothing is written.

    What is not booked yet is decided by both rules: so its release posts it. What is booked stays; the newest of it are decided by both
    as if they were new: so their like will be posted. Exit code 1: something differs.
    """
    found = run(_diff(config, version, against, documents))
    if as_json:
        print_json({"settings": found.settings, "open": found.open, "again": found.again, "why_not": found.why_not})
    elif not found.settings:
        words.print("Nothing differs.")
    else:
        _show_diff(found)
    raise typer.Exit(FOUND if found.settings else FINE)


async def _diff(config: Path, version: int | None, against: int | None, documents: int) -> Comparison:
    from counterfoil.app import releasing, shadowing
    from counterfoil.app.settings import load_unopened

    now = datetime.now(UTC)
    async with database_of(config) as (_, database):
        known, held = await releasing.listed(database, now)
        before = _chosen(known, held, against)
        after = _body(config) if version is None else _chosen(known, held, version).body
        return await shadowing.compare(database, load_unopened(config), before.body, after, documents, now)


def _show_diff(found: Comparison) -> None:
    print_table("Settings", ["setting", "before", "after"], [(one.path, one.before, one.after) for one in found.settings])
    if found.why_not:
        words.print(f"What would be posted cannot be told: {found.why_not}", markup=False)
    for title, shadow in (("Not booked yet: posted by the release", found.open), ("Newest documents, as if they were new", found.again)):
        if shadow is not None:
            _show_shadow(title, shadow)


def _show_shadow(title: str, shadow: Shadow) -> None:
    rows = [
        (change.key, one.kind if (one := change.after or change.before) else "", _lines(change.before), _lines(change.after))
        for change in shadow.changes[:SHOWN_MAX]
    ]
    words.print(f"{title}: {plural(shadow.subjects, 'object')} decided, {plural(len(shadow.changes), 'posting')} would differ.")
    if rows:
        print_table(title, ["posting", "kind", "before", "after"], rows)
    if len(shadow.changes) > SHOWN_MAX:
        words.print(f"... and {len(shadow.changes) - SHOWN_MAX:,} more: --json shows all.")
    sums = [
        (entity, account, money(before, currency), money(after, currency))
        for (entity, account, currency), (before, after) in shadow.totals().items()
    ]
    if sums:
        print_table("By account (debits positive)", ["entity", "account", "before", "after"], sums, right=(2, 3))
    stuck = [(code, before, after) for code, (before, after) in shadow.problems.items()]
    if stuck:
        print_table("Objects that stand still with a case", ["code", "before", "after"], stuck, right=(1, 2))


def _lines(posting: ShadowPosting | None) -> str:
    if posting is None:
        return "nothing"
    return "\n".join(f"{line.account} {money(line.minor, line.currency)}" for line in posting.lines) or "no money"


@app.command()
def propose(note: Note = "", confirmed: Confirmed = False, by: By = "", config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Propose what the configuration file says. Nothing is decided by it before it is released.

    The books are asked first: an account, journal or tax they do not have is refused unless it is confirmed.
    """
    made = run(_propose(config, _ask(by, note), confirmed))
    _tell(made, as_json, f"Proposed as version {made.version}: `counterfoil rules diff {made.version}` shows what changes.")


async def _propose(config: Path, ask: ReleaseRequest, confirmed: bool) -> Release:
    from counterfoil.app import releasing

    async with database_of(config) as (_, database):
        await _ask_the_books(config, database, ask.now, confirmed)
        return await releasing.propose(database, _body(config), ask)


async def _ask_the_books(config: Path, database: Database, now: datetime, confirmed: bool) -> None:
    """Refuse what the books do not have and the rules in force do not name either. Raises ValueError."""
    from counterfoil.app import releasing
    from counterfoil.app.asking_rules import ask_of_rules

    _, held = await releasing.listed(database, now)
    if confirmed or held is None:
        return
    asked = await ask_of_rules(config, held.body, _body(config))
    if asked.problems:
        raise ValueError("\n".join((*asked.problems, "Nothing was proposed. If it is meant so, say it with --confirmed.")))
    if asked.why_not:
        words.print(f"The books could not be asked about all; `counterfoil check` does later: {asked.why_not}", markup=False)


@app.command()
def approve(version: Version, by: By = "", config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Approve a proposal. Where approval is required, nobody approves his own."""
    run(_approve(config, version, _ask(by)))
    if as_json:
        print_json({"approved": version})
    else:
        words.print(f"Approved. `counterfoil rules release {version}` puts it into force.")


async def _approve(config: Path, version: int, ask: ReleaseRequest) -> None:
    from counterfoil.app import releasing

    async with database_of(config) as (_, database):
        await releasing.approve(database, version, ask)


@app.command()
def release(
    version: Annotated[
        int | None, typer.Argument(help="Which proposal; left out: the configuration file is proposed and released.")
    ] = None,
    effective_from: From = "",
    note: Note = "",
    confirmed: Confirmed = False,
    by: By = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Put a proposal, or the file, into force, now or from an instant on. Workers take it up within seconds, without a restart.

    What is posted stays as it is. What is not booked yet is decided again by the new rules. Of the file the books are asked first, as by
    `propose`, unless it is confirmed; of a proposal they were asked when it was proposed.
    """
    if confirmed and version is not None:
        fail(f"--confirmed is of the file: the books were asked about proposal {version} when it was proposed; release it without")
    at = instant(effective_from) if effective_from else None
    made = run(_release(config, version, _ask(by, note, at), confirmed))
    _tell(made, as_json, f"Version {made.version} is released" + (f", from {when(at)} UTC on." if at else " and in force."))


async def _release(config: Path, version: int | None, ask: ReleaseRequest, confirmed: bool) -> Release:
    from counterfoil.app import releasing

    async with database_of(config) as (_, database):
        if version is None:
            await _ask_the_books(config, database, ask.now, confirmed)
            return await releasing.release_body(database, _body(config), ask)
        return await releasing.release(database, version, ask)


@app.command()
def rollback(
    version: Annotated[int | None, typer.Argument(help="Back to which release; left out: to the one before.")] = None,
    note: Note = "",
    by: By = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Release the rules of an earlier release anew, as a version of its own. Where approval is required, propose them."""
    made = run(_rollback(config, version, _ask(by, note)))
    done = "is in force" if made.released_at else "is proposed and waits for approval"
    _tell(
        made,
        as_json,
        f"Version {made.version}, with the rules of before, {done}. The configuration file is as it was: change it back, too.",
    )


async def _rollback(config: Path, version: int | None, ask: ReleaseRequest) -> Release:
    from counterfoil.app import releasing

    async with database_of(config) as (_, database):
        return await releasing.roll_back(database, version, ask)


@app.command()
def withdraw(version: Version, by: By = "", config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Take back a proposal, or a release whose instant is still to come."""
    run(_withdraw(config, version, _ask(by)))
    if as_json:
        print_json({"withdrawn": version})
    else:
        words.print("Withdrawn.")


async def _withdraw(config: Path, version: int, ask: ReleaseRequest) -> None:
    from counterfoil.app import releasing

    async with database_of(config) as (_, database):
        await releasing.withdraw(database, version, ask)


def _ask(by: str, note: str = "", effective_from: datetime | None = None) -> ReleaseRequest:
    from counterfoil.app.releasing import ReleaseRequest

    return ReleaseRequest(who(by), datetime.now(UTC), note, effective_from)


def _tell(made: Release, as_json: bool, text: str) -> None:
    if as_json:
        now = datetime.now(UTC)
        print_json(_plain(made, now, made.version if made.released_at and (made.effective_from or now) <= now else 0))
    else:
        words.print(text, markup=False)
