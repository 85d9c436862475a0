"""`counterfoil observe`: what would be written by flows that are only observed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil.cli.output import count, money, print_json, print_table, words
from counterfoil.cli.running import DEFAULT_CONFIG, AsJson, Config, run
from counterfoil.cli.wording import ONE

if TYPE_CHECKING:
    from pathlib import Path

    from counterfoil.app.observing import Observation, ObservedPosting

SHOWN_MAX = 20
"""Postings shown with their lines; --json has all."""


def observe(
    entity: Annotated[str, typer.Option(help="Only what is of this legal entity.")] = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show what flows with `observe_only` would have written: each posting with its journal lines, and what comes on each account."""
    found = run(_observe(config, entity))
    if as_json:
        print_json({"flows": found.flows, "postings": [_plain(one) for one in found.postings], "totals": _totals(found)})
        return
    _show(found)


async def _observe(config: Path, entity: str) -> Observation:
    from counterfoil.app.hub import open_hub
    from counterfoil.app.logs import quiet
    from counterfoil.app.observing import observe as observed
    from counterfoil.app.settings import load

    quiet()
    async with open_hub(load(config), does_share=False) as hub:
        return await observed(hub, entity)


def _plain(one: ObservedPosting) -> dict[str, object]:
    posting = one.posting
    told = {"key": posting.key, "of": one.subject, "kind": posting.kind, "target": posting.target, "entity": posting.entity}
    return {**told, "money": one.money, "waits": one.is_waiting, "lines": posting.lines}


def _totals(found: Observation) -> list[dict[str, object]]:
    return [
        {"entity": entity, "account": account, "currency": currency, "minor": minor}
        for (entity, account, currency), minor in found.totals().items()
    ]


def _show(found: Observation) -> None:
    if not found.flows:
        words.print("Nothing is only observed: no entity and no destination says observe_only.")
        return
    for posting in [one.posting for one in found.postings if one.posting.lines][:SHOWN_MAX]:
        lines = [
            (line.account, *(money(max(minor, 0) or None, line.currency) for minor in (line.minor, -line.minor))) for line in posting.lines
        ]
        title = f"{ONE[posting.kind]} {posting.key}, {posting.entity}"
        print_table(title, ["account", "debit", "credit"], lines, right=(1, 2))
    rows = [
        (target, entity, ONE[kind], count(number), "" if sum_ is None else money(sum_.minor, sum_.currency))
        for (target, entity, kind, _), (number, sum_) in found.counts().items()
    ]
    print_table("Would be written", ["to", "entity", "what", "", "money"], rows, right=(3, 4))
    totals = [(entity, account, money(minor, currency)) for (entity, account, currency), minor in found.totals().items()]
    print_table("On accounts (debit > 0)", ["entity", "account", "money"], totals, right=(2,))
    words.print(f"Only observed: {', '.join(found.flows)}. Nothing was written; without observe_only exactly this is.", markup=False)
