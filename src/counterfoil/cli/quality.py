"""`counterfoil quality`: what is to be set right of the customers that are known, by entity and owner, and which way it goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterfoil.cli.output import print_json, print_table, words
from counterfoil.cli.running import DEFAULT_CONFIG, AsJson, Config, database_of, run

if TYPE_CHECKING:
    from counterfoil.app.data_quality import QualityLine, QualityReport


def quality(
    entity: Annotated[str, typer.Option(help="Only customers that are routed to this legal entity.")] = "",
    owner: Annotated[str, typer.Option(help="Only what this team, person or connection sets right.")] = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show how good what is known of customers is: duplicates, tax ids missing or wrong, names that differ, currencies mixed.

    As a worker counted it once today, against 7 and 30 days ago, with some of each by key and what to do. Exit code 0, whatever is found.
    """
    report = run(_report(config, entity, owner))
    if as_json:
        print_json({"day": report.day, "customers": report.customers, "lines": [_plain(one) for one in report.lines]})
    elif report.day is None:
        words.print("Nothing was counted yet: a worker (`counterfoil up`) does so within minutes, and then once a day.")
    else:
        _show(report)


async def _report(config: Path, entity: str, owner: str) -> QualityReport:
    from counterfoil.app.data_quality import quality_report

    async with database_of(config) as (_, database):
        return await quality_report(database, entity=entity, owner=owner)


def _plain(one: QualityLine) -> dict[str, Any]:
    from counterfoil.app.data_quality import NEXT_STEPS

    return {
        "measure": one.measure.value,
        "entity": one.entity,
        "owner": one.owner,
        "count": one.count,
        "of": one.of,
        "week_ago": one.week_ago,
        "month_ago": one.month_ago,
        "examples": one.examples,
        "next_step": NEXT_STEPS[one.measure] if one.count else "",
    }


def _show(report: QualityReport) -> None:
    from counterfoil.app.data_quality import NEXT_STEPS

    if not any(one.count for one in report.lines):
        words.print(f"Nothing is to be set right: {report.customers:,} customers were looked at ({report.day}).")
    rows = [
        (
            one.measure.value.replace("_", " "),
            one.entity or "no entity",
            one.owner,
            f"{one.count:,}",
            _then(one.week_ago),
            _then(one.month_ago),
            f"{one.of:,}",
            "\n".join(one.examples),
        )
        for one in report.lines
    ]
    columns = ["what", "entity", "owner", "now", "7 days ago", "30 days ago", "customers", "such as"]
    if rows:
        print_table(f"Customers, {report.day}", columns, rows, right=(3, 4, 5, 6), whole=(7,))
    for measure in dict.fromkeys(one.measure for one in report.lines if one.count):
        words.print(f"{measure.value.replace('_', ' ').capitalize()}: {NEXT_STEPS[measure]}", markup=False)


def _then(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"
