"""Rules that cannot be released because of what is booked already: each is named with a document that would lose its place."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from counterfoil.core.commands.books import Account
from counterfoil.core.finance.postings import postings_of
from counterfoil.kit.discovery import connector_names, load_connector
from counterfoil.kit.errors import SetupError
from counterfoil.store import modes, posted
from counterfoil.store.cipher import Cipher
from counterfoil.store.commands import command_of
from counterfoil.store.pool import Conn

LATEST_MAX = 2_000
"""So many of the latest documents of an entity are looked through for an account; what is older rarely changes any more."""
_MODES = {"detailed", "summary"}
LATER = "What is booked until then would lose its place: release this at once, while nothing is"
"""Why what holds now is refused for later: nobody looks again when its instant comes."""


@dataclass(frozen=True, slots=True)
class _Entity:
    """What of an entity stays as long as something is booked in it."""

    name: str
    before: dict[str, Any]
    after: dict[str, Any] | None

    def changed(self) -> Iterator[tuple[str, str]]:
        """Yield the settings that must not change, each with why."""
        if self.after is None:
            yield f"entities.{self.name}", "it is not declared any more, and credit notes, refunds and voids of it would have no books"
            return
        for setting, why in (
            ("currency", "its books are kept in the former"),
            ("target", "what follows it would be looked for in other books"),
        ):
            if self.before.get(setting) != self.after.get(setting):
                yield (
                    f"entities.{self.name}.{setting}",
                    f"{setting} is {self.after.get(setting)!r} instead of {self.before.get(setting)!r}: {why}",
                )


async def refuse_contradictions(conn: Conn, cipher: Cipher, before: str, after: str, *, is_later: bool = False) -> None:
    """Refuse rules that contradict what was booked by those before; ``is_later``: or what may be, until they take effect.

    Raises:
        SetupError: an entity in which documents are booked is gone, or has another currency or other books, or an account that its latest
            documents are on is not named any more (``rules.contradict``); one that books in another mode than so far does not say since
            when (``settings.posting_changed``).
    """
    old, new = json.loads(before), json.loads(after)
    said = [line async for line in _entities(conn, old, new, is_later=is_later)]
    said += [line async for line in _targets(conn, old, new, is_later=is_later)]
    said += [line async for line in _accounts(conn, cipher, old, new)]
    if said:
        raise SetupError("\n".join(said), code="rules.contradict")
    await _refuse_modes(conn, old, new, is_later=is_later)


async def _entities(conn: Conn, old: dict[str, Any], new: dict[str, Any], *, is_later: bool) -> AsyncIterator[str]:
    for name, was in old["entities"].items():
        for path, why in _Entity(name, was, new["entities"].get(name)).changed():
            document = await posted.newest_of(conn, name)
            if is_later and not document:
                yield f"{path}: {why}. {LATER}"
            elif document:
                yield f"{path}: {why}. Booked there: {document}. Leave it as it is; `[[routes]]` say what is booked there from now on"


async def _targets(conn: Conn, old: dict[str, Any], new: dict[str, Any], *, is_later: bool) -> AsyncIterator[str]:
    """Yield what is said of connections that are gone, and that something is still to be written to."""
    for name in sorted(old["connections"].keys() - new["connections"].keys()):
        if command := await posted.open_at(conn, name):
            yield f"connections.{name}: it is not declared any more, and {command} is still to be written there"
        elif is_later and name in _written(old):
            yield f"connections.{name}: it is not declared any more, and is written to until then. {LATER}"


def _written(said: Mapping[str, Any]) -> set[str]:
    return {one["target"] for one in said["entities"].values()} | {one["connection"] for one in said["destinations"]}


async def _accounts(conn: Conn, cipher: Cipher, old: dict[str, Any], new: dict[str, Any]) -> AsyncIterator[str]:
    """Yield what is said of accounts that are not named any more: what follows a document on one of them could not be booked."""
    for entity in sorted(old["entities"].keys() & new["entities"].keys()):
        target = old["entities"][entity]["target"]
        was, now = (_codes(body["connections"].get(target, {})) for body in (old, new))
        if was is None or now is None or old["connections"][target] == new["connections"][target]:
            continue
        told: set[str] = set()
        for row in await posted.latest(conn, cipher, entity, LATEST_MAX):
            command = command_of(row)
            for account in {one.account for one in postings_of(command.kind, command.arguments)}:
                if str(account) not in told and was(entity, account) and not now(entity, account):
                    told.add(str(account))
                    yield (
                        f"connections.{target}: {entity} has no account for {account} any more, and {row.external_key} is booked on"
                        f" {was(entity, account)}: what follows it (a credit note, a refund, a void) could not be booked. Name one"
                    )


def _codes(said: Mapping[str, Any]) -> Callable[[str, Account], str] | None:
    """Return what tells the code of an account by a connection's released settings; None: its connector tells none."""
    connector = load_connector(said["connector"]) if said.get("connector") in connector_names() else None
    if connector is None or connector.account_code is None:
        return None
    fields, name = connector.config.model_fields, connector.account_code
    shaping = {key: TypeAdapter(fields[key].rebuild_annotation()).validate_python(value) for key, value in said.items() if key in fields}
    settings = connector.config.model_construct(**shaping)
    return lambda entity, account: name(settings, entity, account)


async def _refuse_modes(conn: Conn, old: dict[str, Any], new: dict[str, Any], *, is_later: bool) -> None:
    booked = await modes.load(conn)
    if is_later:
        booked |= {(name, _mode(entity)) for name, entity in old["entities"].items()}
    for name, entity in new["entities"].items():
        mode = _mode(entity)
        other = next((other for other in sorted(_MODES - {mode}) if (name, other) in booked), "")
        if other and "posting_from" not in entity:
            document = await posted.newest_of(conn, name) or "until these rules take effect"
            raise SetupError(
                f"[entities.{name}] posting is {mode!r}, but {name} has booked in mode {other!r} ({document});"
                f" add posting_from, the first accounting day of {mode!r}",
                code="settings.posting_changed",
            )


def _mode(entity: Mapping[str, Any]) -> str:
    return str(entity.get("posting", "detailed"))
