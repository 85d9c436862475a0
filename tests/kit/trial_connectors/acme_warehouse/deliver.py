"""A batch of customers in one transaction: all of them, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from counterfoil.core.commands.books import BookCommand, UpsertCustomer
from counterfoil.core.language.commands import Command, CommandKind
from counterfoil.kit.connector import Finding, Severity
from counterfoil.kit.context import Context
from counterfoil.kit.errors import HubError, RejectedError, TransientError
from counterfoil.kit.writing import CommandWriter, Outcome, OutcomeStatus

if TYPE_CHECKING:
    from counterfoil.kit.database import DatabaseClient, DatabaseConnection


def _client(ctx: Context) -> DatabaseClient:
    return cast("DatabaseClient", ctx.client)


async def upsert_customers(ctx: Context, batch: Sequence[Command], bindings: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Write customers under their external keys."""
    del bindings
    table = ctx.settings.table
    statement = f"insert into {table} (key, name) values (%s, %s) on conflict (key) do update set name = excluded.name"

    async def work(conn: DatabaseConnection) -> None:
        rows = [(one.external_key, one.arguments.customer.name) for one in batch if isinstance(one.arguments, UpsertCustomer)]
        async with conn.cursor() as cursor:
            await cursor.executemany(statement.encode(), rows)

    try:
        await _client(ctx).write(work)
    except (TransientError, RejectedError) as error:
        return tuple(_ended(one, error) for one in batch)
    return tuple(Outcome(one.id, OutcomeStatus.DONE, f"customer/{one.external_key}") for one in batch)


def _ended(command: Command, error: TransientError | RejectedError) -> Outcome:
    if isinstance(error, RejectedError):
        return Outcome(command.id, OutcomeStatus.REFUSED, code=error.code, case_class=error.case_class, message=str(error))
    status = OutcomeStatus.UNKNOWN if error.is_outcome_unknown else OutcomeStatus.RETRY
    return Outcome(command.id, status, code=error.code, message=str(error), is_unavailable=error.is_unavailable)


DELIVER: Mapping[CommandKind, CommandWriter] = {
    BookCommand.UPSERT_CUSTOMER: CommandWriter(
        send=upsert_customers,
        resolve=upsert_customers,
        resolve_reason="an insert that on conflict writes the same values again",
        batch_size_max=100,
        overwrites=True,
    )
}


async def check(ctx: Context) -> tuple[Finding, ...]:
    """Say whether the table can be written to."""
    question = "select has_table_privilege(to_regclass(%s), 'insert, update')"
    try:
        [(may_write,)] = await _client(ctx).read(question, (ctx.settings.table,))
    except HubError as error:
        return (Finding(Severity.ERROR, error.code, str(error), "let the user read and write the table"),)
    if not may_write:
        words = f"the table {ctx.settings.table} is not there, or may not be written to"
        return (Finding(Severity.ERROR, "acme_warehouse.table", words, "make it, or grant insert and update"),)
    return (Finding(Severity.OK, "acme_warehouse.table", f"the table {ctx.settings.table} can be written to"),)
