"""`counterfoil why OBJECT [FIELD]`: who said what of a thing, when, by which rule it counts, and what it is linked to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil.cli.output import FINE, FOUND, print_json, print_table, when, words
from counterfoil.cli.running import DEFAULT_CONFIG, AsJson, Config, database_of, run

if TYPE_CHECKING:
    from pathlib import Path

    from counterfoil.app.queries import LinkSeen, ThingSeen


def why(
    thing: Annotated[str, typer.Argument(metavar="OBJECT", help="An id (cus_1..., customer/billing:cus_1), a number, a customer's name.")],
    field: Annotated[str, typer.Argument(help="Only this field, such as email.")] = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show why a thing stands as it does: each field's value, who said it, when, and by which rule it counts; and its links.

    What tells who somebody is, is not shown. Exit code 1: nothing is known by this id, or nobody says anything of this field.
    """
    found = run(_read(config, thing, field))
    is_empty = not any(one.fields or (one.links and not field) for one in found)
    if as_json:
        print_json(found)
    elif is_empty:
        words.print(f"Nobody says anything of {field or 'it'}: {thing!r}.", markup=False)
    else:
        for one in found:
            _show(one)
    raise typer.Exit(FOUND if is_empty else FINE)


async def _read(config: Path, thing: str, field: str) -> tuple[ThingSeen, ...]:
    from counterfoil.app.queries import why_seen

    async with database_of(config) as (file, database):
        return await why_seen(database, file, thing, field)


def _show(one: ThingSeen) -> None:
    known = "" if one.known_as == one.key else f", known as {one.known_as}"
    rows = [
        (f.field.replace("_", " "), f.value, f.connection, when(f.at), f.rule + (f"; otherwise {', '.join(f.others)}" if f.others else ""))
        for f in one.fields
    ]
    if rows:
        print_table(f"{one.key}{known}", ["field", "value", "said by", "on", "counts as"], rows)
    if one.links:
        print_table(f"Links of {one.key}", ["what", "to", "why", "said by", "since", "until"], [_link(link) for link in one.links])


def _link(link: LinkSeen) -> tuple[str, ...]:
    reason = link.why.replace("_", " ")
    return (link.id, link.golden, reason, link.connection, when(link.since) or "not written down", when(link.until) or "now")
