"""`counterfoil init`: a commented configuration, written by asking the connected systems what they hold."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from counterfoil.app.destination_settings import unfit
from counterfoil.app.sections import Given, literal, section, suggested, typed
from counterfoil.core.language.records import Purpose
from counterfoil.kit.calling import NoClient
from counterfoil.kit.clock import SystemClock
from counterfoil.kit.connector import Books, Connector
from counterfoil.kit.context import Context
from counterfoil.kit.discovery import load_connector
from counterfoil.kit.errors import SetupError
from counterfoil.kit.limits import LocalBudget
from counterfoil.kit.parts import is_booked
from counterfoil.kit.suggestions import Processors, SuggestedBooks, Suggestion

HEAD = """\
# Counterfoil: what is connected, whose books are kept where, and what is mapped to what.
# Secrets are never written here: { env = "NAME" } is read from the environment, { file = "path" } from a file.
# `counterfoil check` tries everything in this file against the live systems; nothing is posted before `counterfoil up`.

[hub]
# home = ".counterfoil"        # where the embedded database and the encryption keys are kept
# database_url = ""            # a PostgreSQL of your own instead, e.g. postgresql://user@host/counterfoil
# host = "127.0.0.1"           # where deliveries are taken; put a TLS proxy in front
# port = 8400
# poll_interval_s = 60.0
"""
ENTITIES = """\
# Whose books: one table per legal entity. posting = "summary" books one entry per day, currency, product group and tax instead of one
# document per fact. Accounting dates are days of the time zone."""
ROUTES = """\
# Which facts belong to which entity; the first that matches wins. connection, account, country (of the customer) and currency narrow it
# down; what no route matches becomes a case and is booked nowhere."""
DESTINATIONS = """\
# What is written beside the books. Remove the # of those that are meant: from then on `counterfoil check` tries what they need."""
TAXES = """\
# Which tax of the source is which tax in the books. A key is `<percentage>|<inclusive or exclusive>`, or more exactly
# `billing:txr_1...|exclusive`. A tax that is not mapped parks its document as a case, which names the key that is missing."""


@dataclass(frozen=True, slots=True)
class NewConnection:
    """A connection to be written: its name, its connector and what is known of its settings."""

    name: str
    connector: str
    given: Given


@dataclass(frozen=True, slots=True)
class Found:
    """An entity found in a target, the connection's name."""

    books: SuggestedBooks
    target: str


async def configuration(wanted: Sequence[NewConnection]) -> str:
    """Return the text of a configuration file: it is valid TOML, and complete but for what only its owner knows.

    Raises:
        SetupError: an unknown connector or setting, a secret that is not there, or a target that refuses.
        TransientError: a target that does not answer.
    """
    connectors = {one.name: load_connector(one.connector) for one in wanted}
    wanted = [_typed(one, connectors[one.name]) for one in wanted]
    sources = [one for one in wanted if connectors[one.name].source is not None and connectors[one.name].books is None]
    parts = [HEAD]
    processors = {one.name: one.connector for one in sources if connectors[one.name].has_balance}
    books: list[Found] = []
    for one in wanted:
        connector = connectors[one.name]
        parts.append("\n".join(section(one.name, one.connector, connector.config, one.given)) + "\n")
        if connector.books is not None:
            suggestion = await _ask(one, connector, connector.books, processors)
            parts.append("\n".join(suggested(one.name, suggestion)) + "\n")
            books += [Found(entity, one.name) for entity in suggestion.books]
    parts += [
        _entities(books, wanted, connectors),
        _routes(books, [one for one in sources if is_booked(connectors[one.name])]),
        _destinations(wanted, connectors),
        _taxes(books),
    ]
    text = "\n".join(part for part in parts if part)
    tomllib.loads(text)  # what a connector suggests must not make the file unreadable
    return text


def _typed(one: NewConnection, connector: Connector) -> NewConnection:
    """Return a connection with its settings as their types have them. Raises SetupError for one its connector has not."""
    fields = connector.config.model_fields
    unknown = sorted(set(one.given) - set(fields))
    if unknown:
        raise SetupError(
            f"{one.name}: {one.connector} has no setting {', '.join(unknown)}; there are: {', '.join(fields)}", code="init.setting"
        )
    return replace(one, given={name: typed(fields[name], value) for name, value in one.given.items()})


async def _ask(one: NewConnection, connector: Connector, books: Books, processors: Processors) -> Suggestion:
    """Ask a target for what it suggests."""
    try:
        settings = connector.config.model_validate({key: _resolved(value) for key, value in one.given.items()})
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_input=False))
        raise SetupError(f"{one.name} cannot be asked yet: {problems}", code="init.settings") from None
    async with connector.client(settings) if connector.client else NoClient(budget=LocalBudget()) as client:
        return await books.suggest(Context(one.name, settings, client, SystemClock()), processors)


def _resolved(value: Any) -> Any:
    if isinstance(value, Mapping) and set(value) == {"env"}:
        secret = os.environ.get(str(value["env"]))
        if not secret:
            raise SetupError(f"environment variable {value['env']} is not set", code="settings.secret_missing")
        return secret
    return [_resolved(item) for item in value] if isinstance(value, list) else value


def _plain(percent: str) -> str:
    """``19.0`` -> ``19``: percentages in keys have no superfluous zeros."""
    return percent.rstrip("0").rstrip(".") if "." in percent else percent


def _entities(found: Sequence[Found], wanted: Sequence[NewConnection], connectors: Mapping[str, Connector]) -> str:
    lines = [ENTITIES]
    for one in found:
        currency = literal(one.books.currency) if one.books.currency else '"..."  # required: fill this in'
        lines += [f"[entities.{one.books.key}]", f"target = {literal(one.target)}", f"currency = {currency}"]
        lines += ['time_zone = "UTC"  # change it to yours, e.g. "Europe/Berlin"', '# posting = "detailed"']
        lines += ["# observe_only = true  # decide everything and write nothing: until what the books have already is adopted", ""]
    if not found:
        target = next((one.name for one in wanted if connectors[one.name].books is not None), "NAME")
        lines += ["# [entities.us]", f"# target = {literal(target)}", '# currency = "USD"', '# time_zone = "America/New_York"', ""]
    return "\n".join(lines)


def _routes(found: Sequence[Found], sources: Sequence[NewConnection]) -> str:
    """With one entity every source is its; with several only their owner knows, so that nothing is routed by a guess."""
    lines = [ROUTES]
    is_clear = len(found) == 1
    for source in sources:
        for key in [one.books.key for one in found] or ["us"]:
            mark = "" if is_clear else "# "
            lines += [f"{mark}[[routes]]", f"{mark}entity = {literal(key)}", f"{mark}connection = {literal(source.name)}", ""]
    return "\n".join(lines)


def _destinations(wanted: Sequence[NewConnection], connectors: Mapping[str, Connector]) -> str:
    """Return a table for each purpose beside books that a connection can serve, none of them in force, with the fields it is shown in."""
    lines: list[str] = []
    for purpose in Purpose:
        for one in wanted:
            connector = connectors[one.name]
            if purpose.terms.is_per_entity or unfit(purpose, one.name, connector):
                continue
            lines += [f"# {one.name} would {purpose.terms.verb}.", "# [[destinations]]"]
            lines += [f"# purpose = {literal(purpose.value)}", f"# connection = {literal(one.name)}"]
            fields = connector.fields() if connector.fields is not None else {}
            lines += ["# It is shown in these fields, which the hub makes where it may, and people otherwise:"] if fields else []
            lines += [*(f"#   {name}: {said}" for name, said in fields.items()), ""]
    return "\n".join([DESTINATIONS, *lines]) if lines else ""


def _taxes(found: Sequence[Found]) -> str:
    lines = [TAXES]
    for one in found:
        lines.append(f"[mappings.tax.{one.books.key}]")
        lines += _suggestions(one.books)
        lines.append("")
    if not found:
        lines += ["# [mappings.tax.us]", '# "8.875|exclusive" = "NAME OF THE TAX IN THE BOOKS"', ""]
    return "\n".join(lines)


def _suggestions(books: SuggestedBooks) -> Iterator[str]:
    if books.taxes:
        yield "# Found there; remove the # of those that are right (one line per key):"
    for tax in books.taxes:
        yield f'# "{_plain(tax.percentage)}|{"inclusive" if tax.is_inclusive else "exclusive"}" = {literal(tax.name)}'
