"""A PostgreSQL of somebody else's with what every client has: budgets, doubt, yielding, retries of reads.

A write is one transaction, and its doubt is small: what fails before the commit was sent certainly took no effect, what the server refuses
neither; only a commit without an answer leaves the outcome unknown.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, Unpack

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from counterfoil.kit.addresses import is_loopback
from counterfoil.kit.calling import Client, ClientOptions, TryResult
from counterfoil.kit.errors import HubError, RejectedError, SetupError, TransientError
from counterfoil.kit.limits import Verdict

T = TypeVar("T")

DatabaseConnection = psycopg.AsyncConnection[tuple[Any, ...]]
SqlParameters = Sequence[Any] | Mapping[str, Any] | None
_PROTECTED = ("require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True)
class StateRule:
    """What a SQLSTATE means, by its beginning: the error, its code, what it says of the database's health."""

    begins: str
    error: type[TransientError] | type[SetupError] | type[RejectedError]
    code: str
    verdict: Verdict = Verdict.OK
    is_unavailable: bool = False


STATES: tuple[StateRule, ...] = (
    StateRule("57014", TransientError, "database.timeout"),  # statement_timeout
    StateRule("57", TransientError, "database.unavailable", Verdict.FAILED, is_unavailable=True),  # shutting down, starting up
    StateRule("53", TransientError, "database.throttled", Verdict.THROTTLED, is_unavailable=True),  # too many connections, no memory
    StateRule("08", TransientError, "database.connection_lost", Verdict.FAILED, is_unavailable=True),
    StateRule("40", TransientError, "database.conflict"),  # serialization failure, deadlock
    StateRule("55P03", TransientError, "database.locked"),
    StateRule("25006", SetupError, "database.read_only"),
    StateRule("28", SetupError, "database.unauthorized"),
    StateRule("3D", SetupError, "database.unknown"),
    StateRule("3F", SetupError, "database.schema"),
    StateRule("42501", SetupError, "database.forbidden"),
    StateRule("42", SetupError, "database.schema"),  # a table or column that is not there
    StateRule("XX", TransientError, "database.server_error", Verdict.NEUTRAL),
)
"""The first that fits decides (https://www.postgresql.org/docs/current/errcodes-appendix.html); any other is a refusal of the row."""
_REFUSED = StateRule("", RejectedError, "database.rejected")


class DatabaseClient(Client):
    """Reads and writes one database.

    Args:
        conninfo: address in libpq's form or as a URL; a password stays out of messages.
        timeout_s: for one statement, set in the session; a whole try may take twice that. connect_timeout_s: for a connection.
        statuses: the vendor's meanings of SQLSTATEs, looked at before the default ones.
        options: as :class:`counterfoil.kit.calling.Client` takes them.
    """

    def __init__(
        self,
        conninfo: str,
        *,
        timeout_s: float = 30.0,
        connect_timeout_s: float = 10.0,
        states: Sequence[StateRule] = (),
        **options: Unpack[ClientOptions],
    ) -> None:
        super().__init__(**options)
        try:
            self._given = conninfo_to_dict(conninfo)
        except psycopg.ProgrammingError:
            raise SetupError(
                "the database's address cannot be read; write postgresql://user@host/database", code="database.address"
            ) from None
        limits = f"-c statement_timeout={int(timeout_s * 1000)} -c idle_in_transaction_session_timeout={int(timeout_s * 2000)}"
        session = f"{self._given.get('options') or ''} {limits}".strip()
        self._conninfo = make_conninfo(conninfo, connect_timeout=max(1, round(connect_timeout_s)), options=session)
        self._try_within_s = connect_timeout_s + 2 * timeout_s
        self._states = (*states, *STATES)
        self._idle: list[DatabaseConnection] = []
        self._is_open = False

    @property
    def address(self) -> str:
        """Where the database is: host, port and name."""
        given = self._given
        return f"postgresql://{given.get('host', '')}:{given.get('port', 5432)}/{given.get('dbname', '')}"

    @property
    def is_plain_abroad(self) -> bool:
        """Whether the server is another machine's and the session may be without TLS."""
        host = str(self._given.get("host") or "")
        return bool(host) and not host.startswith("/") and not is_loopback(host) and self._given.get("sslmode") not in _PROTECTED

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        return self._is_open

    async def open(self) -> None:
        """Be ready; the first call connects."""
        self._is_open = True

    async def close(self) -> None:
        """Close all connections."""
        self._is_open = False
        while self._idle:
            await self._idle.pop().close()

    async def read(self, query: str, params: SqlParameters = None) -> list[tuple[Any, ...]]:
        """Return the rows of a query, read in a transaction that may write nothing. Raises TransientError, SetupError, RejectedError."""

        async def work(conn: DatabaseConnection) -> list[tuple[Any, ...]]:
            await conn.execute("set transaction read only")
            return await (await conn.execute(query.encode(), params)).fetchall()

        return await self._run(work, is_write=False, is_repeatable=True)

    async def write(self, work: Callable[[DatabaseConnection], Awaitable[T]], *, is_idempotent: bool = False) -> T:
        """Do ``work`` in one transaction and return what it gives once that is committed. Tried again only with ``is_idempotent``.

        ``work`` may leave out an error of the database only within a savepoint (``conn.transaction()``): otherwise the server undoes all.
        Raises as :meth:`read` does; ``is_outcome_unknown`` only if the commit was sent and not answered.
        """
        return await self._run(work, is_write=True, is_repeatable=is_idempotent)

    async def _run(self, work: Callable[[DatabaseConnection], Awaitable[T]], *, is_write: bool, is_repeatable: bool) -> T:
        async def attempt(_nothing: None) -> TryResult[T]:
            return await self._attempt(work, is_write=is_write)

        return await self._try(attempt, prepare=_nothing, is_repeatable=is_repeatable)

    async def _attempt(self, work: Callable[[DatabaseConnection], Awaitable[T]], *, is_write: bool) -> TryResult[T]:
        if not self._is_open:
            raise RuntimeError("the client is not open; use it as an async context manager")
        is_committing = False
        conn: DatabaseConnection | None = None
        try:
            async with asyncio.timeout(self._try_within_s):  # the server's limits are nothing to one that stands still
                conn = self._idle.pop() if self._idle else await psycopg.AsyncConnection.connect(self._conninfo)
                value = await work(conn)
                if conn.info.transaction_status is psycopg.pq.TransactionStatus.INERROR:
                    return TryResult(Verdict.OK, _never, self._undone())  # a commit would be answered, and do nothing
                is_committing = is_write
                await conn.commit()
        except TimeoutError:
            return TryResult(Verdict.FAILED, _never, self._silent(is_in_doubt=is_committing))
        except psycopg.Error as error:
            rule, failure = self._failure(error, is_in_doubt=is_committing and _is_silent(error), is_connected=conn is not None)
            return TryResult(rule.verdict, _never, failure)
        finally:
            await self._give_back(conn)
        return TryResult(Verdict.OK, lambda: value)

    async def _give_back(self, conn: DatabaseConnection | None) -> None:
        """Keep a connection that ended its transaction; any other is closed, which undoes what was not committed."""
        if conn is None:
            return
        if self._is_open and not conn.closed and conn.info.transaction_status is psycopg.pq.TransactionStatus.IDLE:
            self._idle.append(conn)
        else:
            await conn.close()

    def _undone(self) -> HubError:
        message = f"{self.address}: an error within the transaction was passed over, and all of it was undone"
        return RejectedError(message, code="database.undone")

    def _silent(self, *, is_in_doubt: bool) -> HubError:
        message = f"{self.address}: no answer within {self._try_within_s:g} s"
        return TransientError(message, code="database.timeout", is_outcome_unknown=is_in_doubt, is_unavailable=True)

    def _failure(self, error: psycopg.Error, *, is_in_doubt: bool, is_connected: bool) -> tuple[StateRule, HubError]:
        """Return what an error means. Its words are left out: they quote values."""
        state = error.sqlstate
        if state is None:
            rule = _without_state(error, is_connected=is_connected)
        else:
            rule = next((one for one in self._states if state.startswith(one.begins)), _REFUSED)
        message = f"{self.address}: {type(error).__name__}" + (f" (SQLSTATE {state})" if state else "")
        if not issubclass(rule.error, TransientError):
            return rule, rule.error(message, code=rule.code)
        is_unavailable = rule.is_unavailable or not is_connected
        return rule, TransientError(message, code=rule.code, is_outcome_unknown=is_in_doubt, is_unavailable=is_unavailable)


def _is_silent(error: psycopg.Error) -> bool:
    """Tell whether a commit that ended so may have been done: no answer, the word of a server that ends the session, or 40003: nobody
    knows (statement_completion_unknown, of databases of several machines).
    """
    return error.sqlstate is None or error.sqlstate[:2] in ("08", "57", "XX") or error.sqlstate == "40003"


def _without_state(error: psycopg.Error, *, is_connected: bool) -> StateRule:
    """Return what an error of the driver means. Of one that refused a connection the driver keeps the server's words alone."""
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return _REFUSED  # a value the driver cannot send
    if is_connected:
        return StateRule("", TransientError, "database.connection_lost", Verdict.FAILED)
    if re.search(r'no pg_hba\.conf entry|authentication failed|role ".*" (does not exist|is not permitted)', str(error)):
        return StateRule("", SetupError, "database.unauthorized")
    if re.search(r'database ".*" does not exist', str(error)):
        return StateRule("", SetupError, "database.unknown")
    return StateRule("", TransientError, "database.unreachable", Verdict.FAILED)


async def _nothing() -> None:
    """Nothing is prepared: the password is in the address."""


def _never() -> Any:
    raise RuntimeError("a failed try has no value")
