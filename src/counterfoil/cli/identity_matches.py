"""`counterfoil identity matches [KEY]`: customers the hub found that may be one, with both sides and what speaks for and against it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterfoil.cli.output import FOUND, print_json, print_table, when, words
from counterfoil.cli.running import DEFAULT_CONFIG, AsJson, Config, database_of, fail, run

if TYPE_CHECKING:
    from counterfoil.app.resemblances import Resemblance

SHOWN_MAX = 100


def matches(
    key: Annotated[str, typer.Argument(help="A customer: its pairs, answered ones too; left out: all that wait.", metavar="[KEY]")] = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show customers that may be one: those nobody has answered, or one customer's. Answer with `same-as`, `merge` or `not-same-as`.

    Exit code 1: no such customer is known.
    """
    try:
        found = run(_found(config, key))
    except LookupError as error:
        fail(str(error.args[0]), FOUND)
    if as_json:
        print_json([_plain(one) for one in found])
    elif not found:
        words.print("No two customers wait to be told apart." if not key else "Nobody is known that may be the same.")
    else:
        _show(found)


async def _found(config: Path, key: str) -> list[Resemblance]:
    from counterfoil.app.resemblances import resemblances

    async with database_of(config) as (_, database):
        return await resemblances(database, key, limit=SHOWN_MAX)


def _plain(one: Resemblance) -> dict[str, Any]:
    sides = [
        {"key": key, "name": name, "connection": connection}
        for key, name, connection in zip(one.keys, one.names, one.connections, strict=True)
    ]
    evidence = [{"about": e.about, "agreement": e.agreement.value, "bits": e.bits, "values": [e.left, e.right]} for e in one.evidence]
    return {
        "sides": sides,
        "entity": one.entity,
        "answer": one.answer,
        "found_at": one.found_at,
        "verdict": one.verdict,
        "rule": one.rule,
        "score": one.score,
        "evidence": evidence,
        "remarks": one.remarks,
    }


def _show(found: list[Resemblance]) -> None:
    from counterfoil.core.identity.matching.matcher import words_of_evidence

    for one in found:
        rows = [(key, name, connection, "") for key, name, connection in zip(one.keys, one.names, one.connections, strict=True)]
        rows += [("", "", "", words_of_evidence(piece)) for piece in sorted(one.evidence, key=lambda piece: -piece.bits)]
        rows += [("", "", "", remark) for remark in one.remarks]
        answer = {"": "not answered", "apart": "two, people say", "linked": "linked by the hub"}[one.answer]
        by = f"{one.verdict} by {one.rule}, score {one.score:.3f}; " if one.verdict else ""
        print_table(f"{by}found {when(one.found_at)} UTC; {answer}", ["customer", "name", "told by", "evidence"], rows, whole=(0,))
    words.print(f"{len(found)} pairs." if len(found) < SHOWN_MAX else f"The newest {SHOWN_MAX} pairs.")
