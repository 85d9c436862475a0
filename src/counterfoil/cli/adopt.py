"""`counterfoil adopt`: bind customers and documents to what a target holds already, after a plan that people have seen and answered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil.cli.output import count, plain, print_json, print_table, words
from counterfoil.cli.running import DEFAULT_CONFIG, AsJson, By, Config, check_reason, fail, progress, run, who
from counterfoil.cli.wording import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from counterfoil.app.adopting import Adopted
    from counterfoil.app.adoption_plan import AdoptionPlan, DocumentSum, PlanRow
    from counterfoil.core.language.money import Money

SHOWN_MAX = 30
"""Doubtful links shown; the file and --json have all."""
NAMED_MAX = 10
"""Of what nobody answered, so many are named; --json names all."""


def adopt(
    plan: Annotated[bool, typer.Option("--plan", help="Show what is certain, doubtful and missing; writes nothing but --file.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Bind what a plan's file says: what is certain, and what was answered.")] = False,
    file: Annotated[
        Path | None, typer.Option(help="The plan as a CSV file: written by --plan, for people to answer, and read by --apply.")
    ] = None,
    connection: Annotated[str, typer.Option(help="The target that holds the records; needed where there are several.")] = "",
    reason: Annotated[str, typer.Option(help="Why; kept in the audit. Needed by --apply.")] = "",
    by: By = "",
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Bind customers and documents to what the books hold already, so that nothing is made twice: a plan first, then what it says.

    Exit code 2: what a plan rests on has changed, or an answer will not do; the message names the record, and nothing was done.
    """
    if plan == apply:
        fail("say --plan, to see what is there, or --apply, to bind what a plan's file says")
    if plan:
        found, kept = run(_plan(config, connection, file))
        _print(found) if as_json else _show(found, file, kept)
        return
    if file is None:
        fail("--apply needs --file, a plan as `counterfoil adopt --plan --file` wrote it")
    check_reason(reason)
    done = run(_apply(config, connection, file, reason, who(by)))
    if as_json:
        others = [{"key": key, "record": one} for key, one in done.others]
        print_json({"bound": done.bound, "already": done.already, "others": others, "unanswered": done.unanswered})
        return
    _tell(done)


def _tell(done: Adopted) -> None:
    words.print(f"{plural(done.bound, 'customer or document', 'customers and documents')} bound, {done.already} bound before.")
    for key, external_id in done.others:
        words.print(f"{key}: {external_id} is it by now, and stays so.", markup=False)
    if done.unanswered:
        shown = ", ".join(done.unanswered[:NAMED_MAX]) + (", ..." if len(done.unanswered) > NAMED_MAX else "")
        words.print(f"{len(done.unanswered):,} doubtful and not answered: {shown}.", markup=False)
    words.print("What is not bound is made, or posted, when its flow is switched on. Plan again: by what is bound now more may be certain.")


async def _plan(config: Path, connection: str, file: Path | None) -> tuple[AdoptionPlan, int]:
    from counterfoil.app.adopting import plan_of_adoption
    from counterfoil.app.adoption_file import answers_of, write_plan
    from counterfoil.app.hub import open_hub
    from counterfoil.app.logs import quiet
    from counterfoil.app.settings import load

    quiet()
    if file is not None:
        answers_of(file)  # what is no plan is refused before all is read, and not after
    with words.status("Reading what is there ..."):
        async with open_hub(load(config), does_share=False) as hub:
            found = await plan_of_adoption(hub, connection)
            return found, 0 if file is None else write_plan(file, found)


async def _apply(config: Path, connection: str, file: Path, reason: str, actor: str) -> Adopted:
    from counterfoil.app.adopting import apply_plan
    from counterfoil.app.adoption_file import read_plan
    from counterfoil.app.adoption_plan import Adoption, digest_of
    from counterfoil.app.hub import open_hub
    from counterfoil.app.logs import quiet
    from counterfoil.app.settings import load

    quiet()
    rows = read_plan(file)
    with progress() as bars:
        task = bars.add_task("Binding", total=None, note="")
        async with open_hub(load(config), does_share=False) as hub:
            adoption = Adoption(actor, reason, digest_of(rows))
            return await apply_plan(
                hub,
                connection,
                rows,
                adoption,
                lambda done, total: bars.update(task, completed=done, total=total, note=f"{done} of {total}"),
            )


def _amounts(several: Sequence[Money]) -> str:
    from counterfoil.core.language.money import format_money

    return " + ".join(format_money(one) for one in several)


def _summary(plan: AdoptionPlan) -> list[tuple[str, int, Sequence[Money], Sequence[Money]]]:
    from counterfoil.app.adoption_plan import sums_of
    from counterfoil.core.identity.adoption import LinkVerdict

    return [(verdict.value, *sums_of(plan.of(verdict))) for verdict in LinkVerdict]


def _print(plan: AdoptionPlan) -> None:
    sums = {
        verdict: {"customers": customers, "open_at_source": source, "open_in_books": books}
        for verdict, customers, source, books in _summary(plan)
    }
    print_json(
        {
            "connection": plan.connection,
            "plan": plan.digest,
            "bound": plan.bound,
            **sums,
            "written": plan.written,
            "nobodys": {"records": plan.nobodys, "open_in_books": plan.nobodys_open},
            "documents": [{**plain(one), "difference": one.difference} for one in plan.documents()],
            "links": [_plain(row) for row in plan.rows],
        }
    )


def _plain(row: PlanRow) -> dict[str, object]:
    return {
        "kind": row.kind,
        "id": row.id,
        "name": row.name,
        "entity": row.entity,
        "verdict": row.verdict,
        "record": row.external_id,
        "record_name": row.record_name,
        "at_source": row.at_source,
        "in_books": row.in_books,
        "reasons": row.reasons,
        "changes": row.changes,
    }


def _documents(one: DocumentSum) -> tuple[str, ...]:
    counts = (count(number) for number in (one.certain, one.doubtful, one.missing))
    return (
        one.kind.replace("_", " "),
        one.entity,
        *counts,
        *(_amounts([money]) for money in (one.at_source, one.in_books, one.difference)),
    )


def _show(plan: AdoptionPlan, file: Path | None, kept: int) -> None:
    from counterfoil.core.identity.adoption import LinkVerdict

    doubtful = [row for row in plan.rows if row.verdict is LinkVerdict.DOUBTFUL]
    rows = [(row.key, row.name, row.external_id, row.record_name, "; ".join(row.reasons)) for row in doubtful[:SHOWN_MAX]]
    more = f", the first {SHOWN_MAX} of {len(doubtful):,}" if len(doubtful) > SHOWN_MAX else ""
    if rows:
        print_table(f"Doubtful{more}", ["what", "name", "record", "name", "why"], rows)
    sums = [(verdict, count(customers), _amounts(source), _amounts(books)) for verdict, customers, source, books in _summary(plan)]
    sums += [("in the books alone", count(plan.nobodys), "", _amounts(plan.nobodys_open)), ("bound already", count(plan.bound), "", "")]
    print_table(f"{plan.connection}: plan {plan.digest}", ["", "", "open at the source", "open in the books"], sums, right=(1, 2, 3))
    if documents := plan.documents():
        columns = ["", "entity", "certain", "doubtful", "missing", "at the source", "in the books", "difference"]
        print_table("Documents that wait to be posted", columns, [_documents(one) for one in documents], right=(2, 3, 4, 5, 6, 7))
    if plan.written:
        meanwhile = f"{', '.join(plan.written)}: not only observed; what is not bound is made and posted while you look (observe_only)."
        words.print(meanwhile, style="yellow", markup=False)
    if file is None:
        words.print("Nothing was changed. Add --file PLAN.csv to answer what is doubtful and to apply it.")
    else:
        again = f"; {plural(kept, 'answer')} of the plan before still hold" if kept else ""
        said = f"Nothing was changed. The plan is in {file}{again}: answer yes, no or a record in its column answer, then --apply."
        words.print(said, markup=False)
