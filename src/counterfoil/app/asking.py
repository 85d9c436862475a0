"""Asking a target about one name before it is mapped to, as `counterfoil check` asks about all: of that one connection, and no other."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from counterfoil.app.checking import percentage_of
from counterfoil.app.secret_references import Secrets
from counterfoil.app.settings import Connection, connections_of, text_of
from counterfoil.app.settings_file import FileSettings
from counterfoil.core.commands.books import Account, AccountRole
from counterfoil.core.policies.rules import MappingKind
from counterfoil.kit.calling import NoClient
from counterfoil.kit.clock import SystemClock
from counterfoil.kit.connector import Finding, Severity
from counterfoil.kit.context import Context
from counterfoil.kit.errors import HubError, SetupError
from counterfoil.kit.limits import LocalBudget
from counterfoil.kit.requirements import Requirements

ASK_WITHIN_S = 20.0
"""A target that takes longer to answer is not asked: a person waits for the mapping."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a target says of a mapping: ``problems``, each with its remedy; ``why_not``: why it could not be asked, or not about all."""

    problems: tuple[str, ...] = ()
    why_not: str = ""


async def ask(path: Path, file: FileSettings, kind: MappingKind, entity: str, key: str, value: str) -> Asked:
    """Return what the entity's target says of mapping a key to one of its names. Nothing of it is said of products."""
    if kind is MappingKind.PRODUCT:
        return Asked()
    plain = Requirements({entity: file.entities[entity].currency}, {}, {}, ())
    try:
        connection = _connection(path, file, file.entities[entity].target)
        async with asyncio.timeout(ASK_WITHIN_S):
            before, after = await _check(connection, plain, _with(plain, kind, entity, key, value))
    except TimeoutError:
        return Asked(why_not=f"it did not answer within {ASK_WITHIN_S:.0f} s")
    except HubError as error:
        return Asked(why_not=str(error))
    known = {(one.code, one.message) for one in before}
    new = [one for one in after if (one.code, one.message) not in known]
    return Asked(tuple(f"{one.message}. {one.remedy}." for one in new), "" if new or not before else before[0].message)


def _with(plain: Requirements, kind: MappingKind, entity: str, key: str, value: str) -> Requirements:
    if kind is MappingKind.ACCOUNT:
        return Requirements(plain.entities, {entity: (Account(AccountRole.EXPLICIT, value),)}, {}, ())
    rate = percentage_of(key)
    rates = {} if rate is None else {entity: {value: (rate,)}}
    return Requirements(plain.entities, {}, {entity: (value,)}, (), rates)


def _connection(path: Path, file: FileSettings, name: str) -> Connection:
    """Return one connection with its secrets. Raises SetupError."""
    problems: list[str] = []
    alone = file.model_copy(update={"connections": {name: file.connections[name]}})
    found = connections_of(str(path), text_of(path), alone, problems, Secrets.ALL)
    if problems:
        raise SetupError("\n".join(problems), code="settings.invalid")
    return found[name]


async def _check(connection: Connection, *several: Requirements) -> list[list[Finding]]:
    """Return the errors a target finds by each set of requirements."""
    books = connection.connector.books
    if books is None:
        return [[] for _ in several]
    async with AsyncExitStack() as stack:
        build = connection.connector.client
        client = await stack.enter_async_context(build(connection.settings) if build else NoClient(budget=LocalBudget()))
        ctx = Context(connection.name, connection.settings, client, SystemClock())
        found = [await books.check(ctx, one) for one in several]
    return [[one for one in findings if one.severity is Severity.ERROR] for findings in found]
