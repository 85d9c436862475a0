"""`counterfoil prove`: what the sources say of a month against what the books say, each read by a client of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil.cli.output import FINE, FOUND, money, print_json, print_table, words
from counterfoil.cli.running import DEFAULT_CONFIG, AsJson, Config, run
from counterfoil.cli.wording import plural

if TYPE_CHECKING:
    from pathlib import Path

    from counterfoil.app.proving.run import GroupProof
    from counterfoil.core.proving.items import Apart, ProofLine

SHOWN_MAX = 50
"""Documents shown of each group; ``--json`` has up to a thousand."""


def prove(
    period: Annotated[str, typer.Option(help="An accounting month, e.g. 2026-10; this month otherwise.")] = "",
    entity: Annotated[str, typer.Option(help="Only this entity, with those that share its sources.")] = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Compare sources and books for a month, each read afresh by a client of its own, down to the document. Writes nothing.

    What stands now (open invoices, customers' credit, disputed funds, the processor's balance) is compared as of now, whatever the month.
    Exit code 1: something differs. 3: a side cannot be read now.
    """
    found = run(_prove(config, period or f"{datetime.now(UTC):%Y-%m}", entity))
    if as_json:
        print_json({"is_proven": all(one.is_proven for one in found), "proofs": [{**_plain(one)} for one in found]})
    else:
        for one in found:
            _show(one)
    raise typer.Exit(FINE if all(one.is_proven for one in found) else FOUND)


async def _prove(config: Path, period: str, entity: str) -> list[GroupProof]:
    from counterfoil.app.database import open_database
    from counterfoil.app.logs import quiet
    from counterfoil.app.proving import run as proving
    from counterfoil.app.ruling import released
    from counterfoil.app.settings import load

    quiet()
    file, now = load(config), datetime.now(UTC)
    opening = open_database(file.hub.home, file.database_url, size_max=3, does_migrate=file.hub.does_migrate)
    with words.status("Reading both sides ..."):
        async with opening as database:
            settings = await released(database, file, now)  # by those accounts it was booked
            wanted = [(group, proving.period_of(settings, group, period)) for group in proving.chosen(settings, entity)]
            return [await proving.prove(settings, database.pool, group, when, datetime.now(UTC)) for group, when in wanted]


def _plain(proof: GroupProof) -> dict[str, object]:
    return {
        "entities": proof.group.entities,
        "connections": proof.group.connections,
        "period": proof.period,
        "is_proven": proof.is_proven,
        "differences": proof.differences,
        "explained": proof.explained,
        "lines": [_line(one) for one in proof.lines],
        "documents": [_document(one) for one in proof.apart],
    }


def _line(line: ProofLine) -> dict[str, object]:
    return {
        "kind": line.kind.value,
        "currency": line.currency,
        "source_minor": line.source_minor,
        "books_minor": line.books_minor,
        "explained_minor": line.apart_minor,
        "difference_minor": line.difference_minor,
        "count_source": line.count_source,
        "count_books": line.count_books,
    }


def _document(one: Apart) -> dict[str, object]:
    return {
        "kind": one.kind.value,
        "currency": one.currency,
        "id": one.id,
        "source_name": one.source_name,
        "books_name": one.books_name,
        "source_minor": one.source_minor,
        "books_minor": one.books_minor,
        "difference_minor": one.difference.minor,
        "why": one.why.value,
        "is_difference": one.is_difference,
        "booked_on": one.booked_on,
    }


def _show(proof: GroupProof) -> None:
    from counterfoil.core.proving.items import STOCKS
    from counterfoil.core.proving.totals import WORDS, TotalKind

    rows = [
        (
            line.currency,
            WORDS[line.kind] + (" (now)" if line.kind in STOCKS and line.kind is not TotalKind.PENDING else ""),
            money(line.source_minor, line.currency),
            "" if line.kind is TotalKind.PENDING else money(line.books_minor, line.currency),
            money(line.apart_minor, line.currency) if line.apart_minor else "",
            "" if line.kind is TotalKind.PENDING else money(line.difference_minor, line.currency),
        )
        for line in proof.lines
    ]
    columns = ["currency", "what", "source", "books", "explained", "difference"]
    print_table(f"{proof.group.name}, {proof.period}", columns, rows, right=(2, 3, 4, 5))
    _documents("Differences", [one for one in proof.apart if one.is_difference])
    _documents("Explained: on its way, or booked in another month", [one for one in proof.apart if not one.is_difference])
    if proof.is_proven:
        words.print(f"{proof.group.name}: source and books agree.")
    else:
        words.print(f"{proof.group.name}: {plural(proof.differences, 'difference')}.", style="bold red")


def _documents(title: str, found: Sequence[Apart]) -> None:
    from counterfoil.core.proving.totals import WORDS

    rows = [
        (
            WORDS[one.kind],
            " ".join(part for part in (one.id, one.source_name) if part),
            one.books_name,
            money(one.source_minor, one.currency),
            money(one.books_minor, one.currency),
            one.why.value + (f" ({one.booked_on:%Y-%m-%d})" if one.booked_on is not None and not one.is_difference else ""),
        )
        for one in found[:SHOWN_MAX]
    ]
    if rows:
        print_table(title, ["what", "at the source", "in the books", "source", "books", "why"], rows, right=(3, 4))
    if len(found) > SHOWN_MAX:
        words.print(f"and {len(found) - SHOWN_MAX} more; --json has them.")
