"""`counterfoil trace ID`: the whole path of one thing, with times, by any id people may hold."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from counterfoil.cli.output import FINE, FOUND, money, print_json, print_table, span, when, words
from counterfoil.cli.running import DEFAULT_CONFIG, AsJson, Config, database_of, run
from counterfoil.cli.wording import MERGED, ONE, STATES

if TYPE_CHECKING:
    from pathlib import Path

    from counterfoil.app.queries import Attempt, Trace

TraceRow = tuple[datetime, str, str, str]

ACCEPTED = (
    "Looked for: ids of the source (in_1..., cus_1..., billing:in_1..., a record's id in a sales system), numbers of its invoices and"
    " credit notes (ABC-0001), numbers and ids of the books (INV/2026/00001, account.move/7), a customer's whole name or e-mail as the"
    " source has it, ids of receipts, deliveries, events and postings, external keys."
)
"""What may be asked for."""


def trace(
    id: Annotated[
        str,
        typer.Argument(help="A source's id (in_1...), a number there or in the books, a customer's name or e-mail, a delivery or posting."),
    ],
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show the whole path of one thing with times: received, read, decided, posted, and what it is called in the books.

    An invoice comes with its payments, fees, matches, credit notes and refunds, a customer with everything of his.

    Exit code 1: nothing is known by this id.
    """
    found = run(_read(config, id))
    if as_json:
        print_json(found)
    elif found.is_empty:
        words.print(f"Nothing is known by {id!r}.", markup=False)
        words.print(ACCEPTED)
    else:
        _show(found)
    raise typer.Exit(FOUND if found.is_empty else FINE)


async def _read(config: Path, asked: str) -> Trace:
    from counterfoil.app.queries import trace_seen

    async with database_of(config) as (file, database):
        return await trace_seen(database, file, asked)


def _show(found: Trace) -> None:
    if found.objects:
        rows = [
            (
                o.ref.kind.replace("_", " "),
                o.ref.id,
                o.entity,
                o.state.replace("_", " "),
                money(o.total_minor, o.currency),
                when(o.occurred_at),
            )
            for o in found.objects
        ]
        print_table("As it stands at the source", ["what", "id", "entity", "state", "total", "last change"], rows, right=(4,))
    path = sorted(_path(found), key=lambda row: row[0])
    if path:
        rows_of_path = [(_precise(at), step, what, result) for at, step, what, result in path]
        print_table("Path (UTC)", ["time", "step", "what", "result"], rows_of_path)
    if found.bindings:
        named = [(b.connection, b.key, b.external_name, b.external_id, when(b.since), when(b.until) or "now") for b in found.bindings]
        print_table("In the books", ["connection", "what", "number", "id", "since", "until"], named)
    if found.waits:
        waits = [(w.subject.key, w.key, when(w.since)) for w in found.waits]
        print_table("Waits for", ["what", "waits for", "since"], waits)
    if found.cases:
        cases = [(case.id, case.state.value, case.cause, case.next_step) for case in found.cases]
        print_table("Cases", ["case", "state", "cause", "next step"], cases, right=(0,))


def _path(found: Trace) -> list[TraceRow]:
    rows: list[TraceRow] = []
    for r in found.receipts:
        state = STATES.get(r.state, r.state) + (f": {r.rule}" if r.rule else "")
        rows.append((r.received_at, "received", f"{r.connection} {r.kind} ({r.dedupe_key}), receipt {r.id}", state))
        if r.normalized_at:
            rows.append((r.normalized_at, "read", f"receipt {r.id}", f"after {span((r.normalized_at - r.received_at).total_seconds())}"))
    rows += [(e.occurred_at, "happened", f"{e.type} {e.subject.id}", MERGED.get(e.merged, e.merged)) for e in found.events]
    for c in found.commands:
        what = f"{ONE.get(c.kind, c.kind)} of {c.subject.key} in {c.target} for {c.entity or 'the whole company'}"
        rows.append((c.created_at, "decided", what, "" if c.done_at else _standing(c.state, c.reason or c.code, c.missing)))
        if c.sent_at:
            rows.append((c.sent_at, "sent", f"{ONE.get(c.kind, c.kind)} of {c.subject.key}", "" if c.done_at else f"try {c.attempts}"))
        if c.done_at:
            rows.append((c.done_at, "posted", f"{ONE.get(c.kind, c.kind)} of {c.subject.key}", c.external_name or c.external_id))
    rows += [
        (a.started_at, "looked up" if a.is_resolution else "try", f"{a.size} of kind {ONE.get(a.kind, a.kind)} to {a.target}", _ended(a))
        for a in found.attempts
        if a.is_resolution or a.done < a.size
    ]
    rows += [(case.opened_at, "case opened", f"case {case.id}", case.cause) for case in found.cases]
    rows += [(case.closed_at, f"case {case.state.value}", f"case {case.id}", case.reason) for case in found.cases if case.closed_at]
    return rows


def _ended(a: Attempt) -> str:
    """Return how a try ended that did not simply work."""
    parts = [(a.done, "posted"), (a.refused, "refused"), (a.unknown, "outcome unknown: to be looked up"), (a.retried, "to be tried again")]
    return ", ".join(f"{number} {what}" for number, what in parts if number) + (f" ({a.detail})" if a.detail else "")


def _standing(state: str, reason: str, missing: tuple[str, ...]) -> str:
    needs = f": {', '.join(missing)}" if missing else ""
    return STATES.get(state, state) + needs + (f" ({reason})" if reason else "")


def _precise(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
