"""`counterfoil map`: what people decide about taxes, products and accounts; a mapping set releases what waited for it."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil.cli.output import FINE, FOUND, print_json, print_table, words
from counterfoil.cli.running import DEFAULT_CONFIG, AsJson, By, Config, database_of, fail, run, who
from counterfoil.cli.wording import plural

if TYPE_CHECKING:
    from pathlib import Path

    from counterfoil.app.desk import MappingsSet
    from counterfoil.app.queries import MappingSeen

app = typer.Typer(help="Mappings: this tax (product, account) of the source is that one in the books.", no_args_is_help=True)


class MappedKind(StrEnum):
    """What is mapped."""

    TAX = "tax"
    PRODUCT = "product"
    ACCOUNT = "account"


KindArgument = Annotated[MappedKind, typer.Argument(help="What is mapped.")]
EntityArgument = Annotated[str, typer.Argument(help="The entity it is for, as in the configuration.")]
KeyArgument = Annotated[
    str, typer.Argument(help="The source's side, as the case names it; a tax: '19|exclusive', 'billing:txr_1...|inclusive'.")
]


@app.command("list")
def list_(
    kind: Annotated[MappedKind | None, typer.Option(help="Only of this kind.")] = None,
    entity: Annotated[str, typer.Option(help="Only of this entity.")] = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """List the mappings in force: those of the release in force, and those set here, which win."""
    lines = [line for line in run(_list(config)) if (kind is None or line.kind == kind.value) and entity in ("", line.entity)]
    if as_json:
        print_json(lines)
    elif lines:
        rows = [(line.kind, line.entity, line.key, line.value, line.where) for line in lines]
        print_table("Mappings", ["kind", "entity", "source", "books", "from"], rows)
    else:
        words.print("Nothing is mapped.")


async def _list(config: Path) -> list[MappingSeen]:
    from counterfoil.app import queries

    async with database_of(config) as (file, database):
        return await queries.list_mappings(database, file)


@app.command("set")
def set_(
    kind: KindArgument,
    entity: EntityArgument,
    key: KeyArgument,
    value: Annotated[str, typer.Argument(help="The books' side: the tax's name or id, the product, the account's code.")],
    confirmed: Annotated[
        bool,
        typer.Option("--confirmed", help="A tax or account: it is meant so, whatever the books say of it (unknown, of another rate)."),
    ] = False,
    by: By = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Set a mapping. What waited for it goes on at once. It holds for what is decided from now on; what is posted stays as it is.

    The books are asked first: a tax or account they do not have, or a tax of another rate, is refused unless it is confirmed. Books that
    cannot be asked now are said to be so.
    """
    if not value.strip():
        fail("the books' side is empty; `counterfoil map unset` takes a mapping away")
    if confirmed and kind is MappedKind.PRODUCT:
        fail("--confirmed is for taxes and accounts: a product is not compared with what the books make of it")
    _change(config, kind, entity, key, value.strip(), who(by), as_json, confirmed)


@app.command()
def unset(
    kind: KindArgument,
    entity: EntityArgument,
    key: KeyArgument,
    by: By = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Take a mapping that was set here away; one of the configuration file then holds again. Exit code 1: it was not set."""
    _change(config, kind, entity, key, "", who(by), as_json)


def _change(config: Path, kind: MappedKind, entity: str, key: str, value: str, actor: str, as_json: bool, confirmed: bool = False) -> None:
    done = run(_write(config, kind, entity, key, value, actor, confirmed))
    if as_json:
        print_json({"kind": kind, "entity": entity, "key": key, "value": value, "changed": bool(done.changed), "version": done.version})
    elif not done.changed:
        words.print("It says so already." if value else "It was not set here.")
    elif value:
        words.print(f"Set: {kind.value} {key} of {entity} is {value!r}.", markup=False)
        words.print(f"What waited for it goes on ({plural(len(done.touched), 'partition')})." if done.touched else "Nothing waited for it.")
    else:
        words.print("Taken away.")
    raise typer.Exit(FINE if done.changed or value else FOUND)


async def _write(config: Path, kind: MappedKind, entity: str, key: str, value: str, actor: str, confirmed: bool) -> MappingsSet:
    from counterfoil.app import desk
    from counterfoil.core.policies.rules import MappingKind

    wanted = desk.MappingRequest(MappingKind(kind.value), entity, key, value, confirmed)
    async with database_of(config) as (file, database):
        why_not = await desk.ask_of_mapping(config, file, wanted)
        if why_not:
            target = file.entities[entity].target
            words.print(f"{target} could not be asked about {value!r}; `counterfoil check` does later: {why_not}", markup=False)
        return await desk.set_mapping(database, wanted, actor, datetime.now(UTC))
