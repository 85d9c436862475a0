"""The client of somebody else's PostgreSQL: a write is one transaction, and only a commit without an answer is in doubt."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from tests.conftest import Server
from tests.kit.trial_connectors.acme_warehouse import CONNECTOR

from counterfoil.core.commands.books import BookCommand, UpsertCustomer
from counterfoil.core.kinds.customer import Customer
from counterfoil.core.language.commands import Command
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.keys import need_of
from counterfoil.kit.calling import RetryPolicy
from counterfoil.kit.clock import SystemClock
from counterfoil.kit.connector import Severity
from counterfoil.kit.context import Context
from counterfoil.kit.database import DatabaseClient, DatabaseConnection
from counterfoil.kit.doubts import counting_doubts
from counterfoil.kit.errors import HubError, RejectedError, SetupError, TransientError
from counterfoil.kit.limits import LocalBudget
from counterfoil.kit.writing import Outcome, OutcomeStatus

BUDGET = {"rate_per_s": 1000.0, "concurrency_max": 2}


@pytest.fixture
def table(empty_database: str) -> str:
    """Return the URL of a database with one table."""
    with psycopg.connect(empty_database, autocommit=True) as conn:
        conn.execute("create table customers (key text primary key, name text check (name <> ''))")
    return empty_database


@pytest.fixture
async def client(table: str) -> AsyncIterator[DatabaseClient]:
    async with DatabaseClient(table, budget=LocalBudget(**BUDGET), retry=RetryPolicy(base_s=0.0)) as opened:  # type: ignore[arg-type]
        yield opened


async def insert(conn: DatabaseConnection) -> None:
    await conn.execute("insert into customers values ('1', 'Blue Harbor')")


async def count(client: DatabaseClient) -> int:
    [(found,)] = await client.read("select count(*) from customers")
    return int(found)


async def failing(client: DatabaseClient, work: Any) -> HubError:
    with pytest.raises(HubError) as caught:
        await client.write(work)
    return caught.value


async def cut(conn: DatabaseConnection) -> None:
    """Have the server end the session, as a restart does."""
    pid = conn.info.backend_pid
    async with await psycopg.AsyncConnection.connect(conn.info.dsn, autocommit=True) as other:
        await other.execute("select pg_terminate_backend(%s, 5000)", (pid,))


async def test_what_is_cut_off_before_the_commit_certainly_took_no_effect(client: DatabaseClient) -> None:
    async def work(conn: DatabaseConnection) -> None:
        await insert(conn)
        await cut(conn)
        await conn.execute("select 1")

    with counting_doubts() as doubts:
        error = await failing(client, work)
    assert isinstance(error, TransientError)
    assert (error.is_outcome_unknown, error.is_unavailable, doubts.count, await count(client)) == (False, True, 0, 0)


async def test_a_commit_that_gets_no_answer_leaves_the_outcome_unknown(client: DatabaseClient) -> None:
    async def work(conn: DatabaseConnection) -> None:
        await insert(conn)
        await cut(conn)

    with counting_doubts() as doubts:
        error = await failing(client, work)
    assert isinstance(error, TransientError)
    assert (error.is_outcome_unknown, doubts.count) == (True, 1)


async def test_what_the_server_refuses_is_known_not_to_be_done_also_at_the_commit(client: DatabaseClient, table: str) -> None:
    with psycopg.connect(table, autocommit=True) as conn:
        conn.execute("alter table customers add constraint one unique (name) deferrable initially deferred")

    async def work(conn: DatabaseConnection) -> None:
        await insert(conn)
        await conn.execute("insert into customers values ('2', 'Blue Harbor')")

    error = await failing(client, work)
    assert (type(error), error.is_outcome_unknown, await count(client)) == (RejectedError, False, 0)
    assert "Blue Harbor" not in str(error)


async def test_a_work_that_passes_over_an_error_of_the_database_is_not_told_as_done(client: DatabaseClient) -> None:
    async def work(conn: DatabaseConnection) -> None:
        await insert(conn)
        with contextlib.suppress(psycopg.errors.UniqueViolation):
            await insert(conn)

    error = await failing(client, work)
    assert (type(error), error.code, await count(client)) == (RejectedError, "database.undone", 0)


async def test_an_error_passed_over_within_a_savepoint_undoes_nothing_else(client: DatabaseClient) -> None:
    async def work(conn: DatabaseConnection) -> None:
        await insert(conn)
        with contextlib.suppress(psycopg.errors.UniqueViolation):
            async with conn.transaction():
                await insert(conn)

    await client.write(work)
    assert await count(client) == 1


@pytest.mark.parametrize(("state", "is_unknown"), [("40003", True), ("40001", False), ("57P01", True), ("23505", False)])
async def test_a_commit_of_which_the_database_says_that_nobody_knows_is_in_doubt(
    client: DatabaseClient, table: str, state: str, is_unknown: bool
) -> None:
    with psycopg.connect(table, autocommit=True) as conn:
        conn.execute(
            f"create function refuse() returns trigger language plpgsql as $$ begin raise exception 'x' using errcode = '{state}'; end $$"
        )
        conn.execute(
            "create constraint trigger late after insert on customers deferrable initially deferred for each row execute function refuse()"
        )
    error = await failing(client, insert)
    assert error.is_outcome_unknown == is_unknown


@pytest.mark.parametrize("is_committing", [True, False])
async def test_a_database_that_stands_still_is_waited_for_no_longer_than_a_try_lasts(table: str, is_committing: bool) -> None:
    async def work(conn: DatabaseConnection) -> None:
        await insert(conn)
        pid = conn.info.backend_pid
        os.kill(pid, signal.SIGSTOP)
        asyncio.get_running_loop().call_later(1.5, os.kill, pid, signal.SIGCONT)
        if not is_committing:
            await conn.execute("select 1")

    budget = LocalBudget(**BUDGET)  # type: ignore[arg-type]
    async with DatabaseClient(table, budget=budget, timeout_s=0.25, connect_timeout_s=0.25) as client:
        error = await failing(client, work)
    assert isinstance(error, TransientError)
    assert (error.code, error.is_outcome_unknown) == ("database.timeout", is_committing)


async def test_a_write_refused_after_a_try_without_an_answer_stays_in_doubt(client: DatabaseClient) -> None:
    tries: list[int] = []

    async def work(conn: DatabaseConnection) -> None:
        tries.append(1)
        if len(tries) > 1:
            await conn.execute("insert into customers values ('1', '')")
        await insert(conn)
        await cut(conn)

    with pytest.raises(TransientError) as caught:
        await client.write(work, is_idempotent=True)
    assert (caught.value.code, caught.value.is_outcome_unknown, len(tries)) == ("database.rejected", True, 2)


async def test_options_of_the_address_hold_beside_the_client_s_own(table: str) -> None:
    conninfo = psycopg.conninfo.make_conninfo(table, options="-c search_path=elsewhere")
    async with DatabaseClient(conninfo, budget=LocalBudget(**BUDGET), timeout_s=7.0) as client:  # type: ignore[arg-type]
        [found] = await client.read("select current_setting('search_path'), current_setting('statement_timeout')")
    assert found == ("elsewhere", "7s")


async def test_a_read_is_tried_again_over_a_connection_that_was_cut(client: DatabaseClient, postgres_server: Server) -> None:
    assert await count(client) == 0
    postgres_server.execute("select pg_terminate_backend(pid) from pg_stat_activity where query like '%from customers%' and state = 'idle'")
    assert await count(client) == 0


async def test_a_read_writes_nothing(client: DatabaseClient) -> None:
    with pytest.raises(SetupError) as caught:
        await client.read("insert into customers values ('1', 'x') returning key")
    assert (caught.value.code, await count(client)) == ("database.read_only", 0)


@pytest.mark.parametrize(
    ("other", "code"), [({"dbname": "nowhere_at_all"}, "database.unknown"), ({"user": "nobody_here"}, "database.unauthorized")]
)
async def test_a_database_or_user_that_is_not_there_is_to_be_set_right(table: str, other: dict[str, str], code: str) -> None:
    conninfo = psycopg.conninfo.make_conninfo(table, **other)
    async with DatabaseClient(conninfo, budget=LocalBudget(**BUDGET)) as client:  # type: ignore[arg-type]
        with pytest.raises(SetupError) as caught:
            await client.read("select 1")
    assert caught.value.code == code


async def test_a_server_that_is_not_there_is_away() -> None:
    budget = LocalBudget(rate_per_s=1000, concurrency_max=2, failures_max=9)
    async with DatabaseClient("host=127.0.0.1 port=9 dbname=x", budget=budget, retry=RetryPolicy(base_s=0.0)) as client:
        error = await failing(client, insert)
    assert isinstance(error, TransientError)
    assert (error.code, error.is_outcome_unknown, error.is_unavailable) == ("database.unreachable", False, True)


async def test_two_at_once_share_no_transaction(client: DatabaseClient) -> None:
    async def both(conn: DatabaseConnection) -> int:
        [(before,)] = await (await conn.execute("select count(*) from customers")).fetchall()
        await conn.execute("insert into customers values (gen_random_uuid(), 'x')")
        await asyncio.sleep(0.05)
        return int(before)

    assert list(await asyncio.gather(client.write(both), client.write(both))) == [0, 0]
    assert await count(client) == 2


def customer(number: str, name: str) -> Command:
    arguments = UpsertCustomer(Customer(f"other:{number}", name))
    subject = ObjectRef("customer", f"other:{number}")
    return Command(
        number, BookCommand.UPSERT_CUSTOMER, "warehouse", "US", subject, f"customer_other.{number}", arguments, produces=need_of(subject)
    )


async def deliver(url: str, *commands: Command) -> tuple[tuple[Outcome, ...], Context]:
    settings = CONNECTOR.config.model_validate({"conninfo": url})
    assert CONNECTOR.client is not None
    async with CONNECTOR.client(settings) as client:
        ctx = Context("warehouse", settings, client, SystemClock())
        return await CONNECTOR.deliver[BookCommand.UPSERT_CUSTOMER].send(ctx, commands, {}), ctx


async def test_the_trial_warehouse_writes_a_batch_twice_as_once(table: str, client: DatabaseClient) -> None:
    batch = (customer("1", "Blue Harbor"), customer("2", "Green Hill"))
    for _ in range(2):
        outcomes, _ = await deliver(table, *batch)
        assert [one.status for one in outcomes] == [OutcomeStatus.DONE, OutcomeStatus.DONE]
    assert await client.read("select * from customers order by key") == [
        ("customer_other.1", "Blue Harbor"),
        ("customer_other.2", "Green Hill"),
    ]


async def test_the_trial_warehouse_says_what_it_was_refused(table: str, client: DatabaseClient) -> None:
    outcomes, _ = await deliver(table, customer("1", "Blue Harbor"), customer("2", ""))
    assert {one.status for one in outcomes} == {OutcomeStatus.REFUSED}
    assert await count(client) == 0


async def test_the_trial_warehouse_says_whether_it_may_be_written_to(table: str) -> None:
    settings = CONNECTOR.config.model_validate({"conninfo": table})
    assert CONNECTOR.client is not None
    assert CONNECTOR.target_check is not None
    async with CONNECTOR.client(settings) as client:
        [found] = await CONNECTOR.target_check(Context("warehouse", settings, client, SystemClock()))
        assert found.severity is Severity.OK
        other = settings.model_copy(update={"table": "nothing"})
        [found] = await CONNECTOR.target_check(Context("warehouse", other, client, SystemClock()))
    assert found.severity is Severity.ERROR
