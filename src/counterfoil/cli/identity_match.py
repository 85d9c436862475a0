"""`counterfoil identity match A.csv B.csv`: which records of two exports are one customer, with the reasons."""

from __future__ import annotations

import json
import sys
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterfoil.cli.output import print_table, words
from counterfoil.cli.running import AsJson, fail
from counterfoil.cli.wording import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from counterfoil.app.customer_lists import CustomerList
    from counterfoil.core.identity.matching.judging import Judgment, Thresholds

SHOWN_MAX = 30
"""Pairs shown of each verdict; --json has all."""


class Delimiter(StrEnum):
    """What separates cells, as it is given."""

    COMMA = "comma"
    SEMICOLON = "semicolon"
    TAB = "tab"
    PIPE = "pipe"


_SIGNS = {Delimiter.COMMA: ",", Delimiter.SEMICOLON: ";", Delimiter.TAB: "\t", Delimiter.PIPE: "|"}

Columns = Annotated[list[str] | None, typer.Option("--column", metavar="FIELD=COLUMN", help="Which column says what, in both files.")]
ColumnsA = Annotated[list[str] | None, typer.Option("--column-a", metavar="FIELD=COLUMN", help="The same, in the first file alone.")]
ColumnsB = Annotated[list[str] | None, typer.Option("--column-b", metavar="FIELD=COLUMN", help="The same, in the second file alone.")]


def match(
    a: Annotated[Path, typer.Argument(metavar="A.csv", help="An export of one system, with a header.")],
    b: Annotated[Path, typer.Argument(metavar="B.csv", help="An export of another.")],
    column: Columns = None,
    column_a: ColumnsA = None,
    column_b: ColumnsB = None,
    same: Annotated[float, typer.Option(help="From this score on two records are the same, where nothing speaks against it.")] = 0.999,
    review: Annotated[float, typer.Option(help="From this score on people look at them.")] = 0.5,
    delimiter: Annotated[Delimiter | None, typer.Option(help="What separates cells; found out otherwise.")] = None,
    encoding: Annotated[str, typer.Option(help="Of both files, such as cp1252; found out otherwise.")] = "",
    as_json: AsJson = False,
) -> None:
    """Find the records of two exports that are one customer: same, review (people decide) or different, with the reasons. Writes nothing.

    Fields: id, name, given_name, family_name, email, domain, phone, tax_id, external_id, national_id, born_on, street, city, state,
    postal_code, country. Columns are known by their usual names; `--column name=Company` names one. `external_id.NAME=COLUMN` tells of
    which third system ids are, where each file calls the column otherwise. street, tax_id and external_id may be given several times.

    Exit code 0: compared, whatever came of it. 2: a file or an option will not do; the message names row and column.
    """
    from counterfoil.app.comparing import compare
    from counterfoil.app.errors import EXPECTED
    from counterfoil.core.identity.matching.judging import Thresholds

    sign = "" if delimiter is None else _SIGNS[delimiter]
    try:
        thresholds = Thresholds(same, review)
        lists = [_list(a, "--column-a", column, column_a, sign, encoding), _list(b, "--column-b", column, column_b, sign, encoding)]
        found = compare(lists[0], lists[1], thresholds)
    except EXPECTED as error:
        fail(str(error), error_code=error.code)
    except ValueError as error:
        fail(str(error), error_code="identity.option")
    if as_json:
        _print(lists, thresholds, found)
    else:
        _show(lists, found)


def _list(path: Path, flag: str, column: list[str] | None, own: list[str] | None, delimiter: str, encoding: str) -> CustomerList:
    """Return a list ready to be read, and say what of it is compared."""
    from counterfoil.app.customer_lists import customer_list
    from counterfoil.app.list_columns import given_columns

    found = customer_list(path, given_columns(column or (), "--column") | given_columns(own or (), flag), delimiter, encoding)
    used = ", ".join(f"{says}={' + '.join(name for _, name in many)}" for says, many in found.columns.places.items())
    unused = f"; not compared: {', '.join(found.columns.unused)}" if found.columns.unused else ""
    words.print(f"{path}: {used}{unused}.", markup=False)
    if found.is_guessed:
        words.print(f"{path}: is not UTF-8, read as {found.encoding}; another one is given by --encoding.", style="yellow", markup=False)
    return found


def _counts(found: Sequence[Judgment]) -> dict[str, int]:
    from counterfoil.core.identity.matching.judging import MatchVerdict

    counts = Counter(one.verdict.value for one in found)
    return {verdict.value: counts[verdict.value] for verdict in MatchVerdict}


def _print(lists: Sequence[CustomerList], thresholds: Thresholds, found: Sequence[Judgment]) -> None:
    """Write one JSON object, the pairs one by one: all of them together as text may be larger than all that was compared."""
    from counterfoil.core.identity.matching.matcher import reasons_of

    head: dict[str, Any] = {
        **{side: {"file": str(one.path), "records": one.count} for side, one in zip("ab", lists, strict=True)},
        "thresholds": {"same": thresholds.same, "review": thresholds.review},
        "counts": _counts(found),
    }
    write = sys.stdout.write
    write(json.dumps(head, ensure_ascii=False, indent=2)[:-2] + ',\n  "pairs": [')
    for place, one in enumerate(found):
        pair = {
            "a": one.left.id,
            "b": one.right.id,
            "score": round(one.score, 6),
            "verdict": one.verdict.value,
            "rule": one.rule.value,
            "reasons": reasons_of(one),
        }
        write(("," if place else "") + "\n    " + json.dumps(pair, ensure_ascii=False))
    write("\n  ]\n}\n" if found else "]\n}\n")


def _show(lists: Sequence[CustomerList], found: Sequence[Judgment]) -> None:
    from counterfoil.core.identity.matching.judging import MatchVerdict
    from counterfoil.core.identity.matching.matcher import reasons_of

    for verdict in (MatchVerdict.SAME, MatchVerdict.REVIEW):
        of_verdict = [one for one in found if one.verdict is verdict]
        rows = [
            (one.left.id, one.left.shown, one.right.id, one.right.shown, f"{one.score:.4f}", "; ".join(reasons_of(one)))
            for one in of_verdict[:SHOWN_MAX]
        ]
        more = f", the first {SHOWN_MAX} of {len(of_verdict):,}" if len(of_verdict) > SHOWN_MAX else ""
        if rows:
            print_table(f"{verdict.value.capitalize()}{more}", ["A", "name", "B", "name", "score", "reasons"], rows, right=(4,))
    counts = _counts(found)
    sizes = " and ".join(plural(one.count, "record") for one in lists)
    words.print(
        f"{sizes}: {plural(counts['same'], 'pair')} the same, {counts['review']:,} for review. All of them, and more, with --json.",
        markup=False,
    )
