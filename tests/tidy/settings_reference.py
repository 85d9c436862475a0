"""The reference of all settings, made from themselves: the hub's own in `docs/reference`, a connector's in its folder.

`python -m tests.tidy.settings_reference > docs/reference/configuration.md`, and
`python -m tests.tidy.settings_reference acme > src/counterfoil/connectors/acme/settings.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from counterfoil.app.destination_settings import DestinationSettings
from counterfoil.app.dunning_settings import DunningSettings
from counterfoil.app.loop_settings import LoopSettings
from counterfoil.app.matching_settings import MatchingSettings
from counterfoil.app.notify_settings import NotifySettings
from counterfoil.app.ownership_settings import OwnershipSettings
from counterfoil.app.release_settings import RulesSettings
from counterfoil.app.retention_settings import RetentionSettings
from counterfoil.app.sections import literal, notes_of
from counterfoil.app.sending_settings import DomainSettings, MaintenanceSettings
from counterfoil.app.settings_file import ConnectionSettings, EntitySettings, HubSettings, RouteSettings
from counterfoil.kit.discovery import connector_names, load_connector

HEAD = """\
# Configuration

Made by `python -m tests.tidy.settings_reference`; do not edit.

One TOML file, `counterfoil.toml` by default; `counterfoil init` writes it with comments. A secret is given by reference,
`{ env = "NAME" }` or `{ file = "path" }`. An error names the line and the fix.

The settings of a connector stand in `settings.md` of its folder, `src/counterfoil/connectors/<name>`.
`counterfoil init` writes them with their meanings.
"""
NOTES: dict[str, dict[str, str]] = {
    "HubSettings": {
        "home": "folder of the embedded database and the encryption key, beside this file if relative; made by the first `counterfoil up`",
        "database_url": "address of a PostgreSQL of yours; empty: the embedded one."
        " COUNTERFOIL_DATABASE_URL wins, and the file COUNTERFOIL_DATABASE_URL_FILE names",
        "host": "address the intake listens on",
        "port": "port the intake listens on; 0: a free one",
        "health_host": "address health checks are answered on, if `health_port` is set",
        "health_port": "port of /health/live, /health/ready and /metrics alone, for every kind of process; 0: a free one; left out: none",
        "linger_s": "how long deliveries are still taken once /health/ready says no, on the way out",
        "does_migrate": "whether opening the database brings its schema up to date; if not, `counterfoil migrate` does",
        "poll_interval_s": "how often every source is read, as the net under the webhooks",
        "capture_interval_s": "how often changes are read out of the books",
        "wait_limit_s": "what waits longer for an object of its source becomes a case (payouts: a day at least, disputes three)",
        "prove_interval_s": "how often `counterfoil prove` is made by itself, for this month and the last one while it is open; 0: never",
        "sweep_interval_s": "how often everything posted is looked for in the books, for what was deleted or merged there",
        "stop_wait_s": "asked to stop, a worker lets what is under way end for so long; then it is cut short and handed to other workers",
    },
    "EntitySettings": {
        "target": "the connection its books are kept in: its destination of the purpose `books`",
        "currency": "its own currency, ISO 4217",
        "time_zone": "IANA name; accounting dates are the days of this zone",
        "posting": "one document per fact, or one entry per day, currency, product group and tax",
        "posting_from": "first accounting day of `posting`, required once that changes; earlier facts and what follows them keep the other",
        "locked_period": "a fact of a locked day goes to the first open day, or becomes a case",
        "products": "products are created in the books, or only mapped ones are booked",
        "zero_invoices": "invoices whose lines are all zero become documents of zero, or nothing",
        "dispute_lost": "the account of lost disputes",
        "rounding_tolerance_minor": "what a rounding line may carry, in minor units of the document; left out: 0.02 of the major unit",
        "uncredited_refunds": "what a refund gives back beyond its credit notes and what its payment left open is a case, or booked to the"
        " account `refunds`; a credit note that comes later takes its part back",
        "collecting_customer": "canonical id (`billing:cus_...`) of the customer that payments and refunds of nobody (guest checkout) are"
        " booked on; left out: they are a case",
        "deferred_groups": "product groups whose revenue is booked as deferred",
        "observe_only": "everything is decided, and nothing is sent to its books; `counterfoil observe` shows what would be",
    },
    "RouteSettings": {
        "entity": "where matching facts belong",
        "connection": "only facts of this connection",
        "account": "only facts of this account of the source",
        "country": "only documents of customers in this country (ISO 3166-1 alpha-2)",
        "currency": "only facts in this currency",
    },
    "OwnershipSettings": {
        "kind": "the kind of record, such as `customer`, `payment` or `invoice`",
        "connection": "whose word counts",
        "fields": "of a customer, product or company: the fields, such as `email`; left out: all that no other is declared for",
    },
    "MatchingSettings": {
        "entity": "only for customers that are routed to this entity; left out: for those that have no rule of their own",
        "same": "from this score on two are taken for the same, where nothing speaks against it",
        "review": "from this score on people are asked",
        "links": "`certain`: two that are taken for the same are linked without asking, as if `counterfoil identity same-as` had been said;"
        " `never`: people are asked of them, too",
        "owner": "whose case a question is: a team or a person. Left out: sales operations",
    },
    "LoopSettings": {
        "returns": "so many times a field may come back to a value it was written with before, at one place and within the window",
        "answers": "so many times a field may be written with what a system told that is written to itself",
        "window_days": "the window",
    },
    "DestinationSettings": {
        "purpose": "why it is written there; `books` are the `target` of each entity",
        "connection": "the connection it is written to: it must take every kind of command of the purpose",
        "entity": "only facts of this entity; left out: of the whole company",
        "observe_only": "everything is decided, and nothing is sent there; `counterfoil observe` shows what would be",
    },
    "DunningSettings": {
        "stage": "its name; small letters, digits and underscores",
        "days_after_due": "it begins on the day so many days after the invoice was due, in the entity's time zone; one that is collected by"
        " itself was due when it was issued, once a payment of it failed",
        "blocks": "what is blocked for the customer while it lasts",
        "tells": "whose case it is: a team or a person. Left out: nobody is told",
        "asks": "whether somebody must approve before it begins (`counterfoil process answer`); until then the stage before lasts",
        "entity": "only for this entity; left out: for those that have no stages of their own",
    },
    "ConnectionSettings": {
        "connector": "which connector it speaks through; its own settings stand in the same section, see below",
        "lane": "how urgent what it receives is: `batch` for month-end imports, which then delay nothing else",
        "maintenance": "windows in which nothing is sent to it, see below",
        "late_s": "how long a write that got no answer may still be done there, in seconds: more than the target's own time limit (Odoo:"
        " `limit_time_real`, 120); then what is newer is sent once more where the late write could have undone it",
        "poll_interval_s": "how often it is read; left out: as [hub] says, `capture_interval_s` for books, `poll_interval_s` for a source."
        " An inbox that is a target's, too, may want its own",
        "allow_plain_http": "plain `http` to another machine is meant: the network between is your own. Loopback is always allowed",
    },
    "MaintenanceSettings": {
        "days": "weekly: days of the week, in English",
        "starts": "weekly: local time it starts at on those days",
        "ends": "weekly: local time it ends at; at or before `starts`: on the day after",
        "starts_at": "dated: local time, or an instant with offset",
        "ends_at": "dated: likewise, exclusive",
        "time_zone": "IANA name of the zone of the local times",
    },
    "DomainSettings": {
        "name": "the data domain",
        "entity": "only for this entity; wins over a rule for all",
        "lane": "at once, collected for `collect_s` or until a batch is full, or in batches; left out: as each fact's own policy says",
        "collect_s": "`micro_batch`: seconds that are collected",
        "every_s": "`batch`: goes at each multiple of so many seconds",
        "at": "`batch`: goes at these local times of day; neither: at once, after all more urgent work",
        "within_s": "service level: promised seconds from decided to posted; `counterfoil status` measures against it",
        "time_zone": "IANA name of the zone of `at`",
    },
    "RulesSettings": {
        "approval": "`none`: a start with a changed file releases it. `self`: `counterfoil rules release` does, whoever gives the command."
        " `required`: another person than the proposer has to approve. What holds is what the release in force says",
    },
    "NotifySettings": {
        "name": "what the channel is called, in `counterfoil notify test` and `counterfoil status`",
        "url": "address in the form of Apprise, e.g. `mailtos://user:password@smtp.example/?to=desk@example.com`, a Slack or Teams"
        " webhook's own address, `jsons://host/path` for any webhook; it holds secrets:"
        ' `{ env = "NAME" }`',
        "classes": "only cases of these classes; empty: all",
        "owners": "only cases of these owners; empty: all",
        "severity": "`urgent`: only classes that are due within four hours",
        "wait_s": "how long new cases are collected before one message tells of them",
        "every_s": "how often the channel is told at most, in seconds",
    },
}
"""What the classes' own docstrings leave out."""


def models() -> Iterator[tuple[str, str, type[BaseModel]]]:
    """Yield title, introduction and model of every section of the hub's own."""
    words = "Where the hub keeps its state and where it listens. The environment wins over the file: `COUNTERFOIL_HUB__PORT` sets `port`."
    yield "[hub]", words, HubSettings
    yield "[entities.NAME]", "One legal entity.", EntitySettings
    yield "[[routes]]", "Tried in order; an empty condition matches anything; no match is a case.", RouteSettings
    words = "Where anything but books is written to: a table for each purpose and connection. A purpose without one is left out."
    yield "[[destinations]]", words, DestinationSettings
    words = "The stages an invoice goes through that is not paid in time. Without any, nothing is dunned."
    yield "[[dunning]]", words, DunningSettings
    words = (
        "Whose word counts where several sources tell of one thing: a table for each connection and what it owns. What nobody owns is the"
        " newest word of those that say anything. Of customers, products and companies each field may have an owner; another's word is kept"
        " as a proposal, with a case. Other records are told whole: their owner is declared for the kind, and its record counts where a"
        " system names another's as the same (`same_as` in files)."
    )
    yield "[[ownership]]", words, OwnershipSettings
    words = (
        "What becomes of two customers that may be one, of one source or of two: a table for all, and one for each entity that wants it"
        " otherwise. Of two that are of different entities the stricter of both holds: the higher scores, and linked only where both say"
        " so. Without any, people are asked of all (`docs/how-to/duplicates.md`)."
    )
    yield "[[matching]]", words, MatchingSettings
    words = (
        "How often one field of one record is written again and again until it is taken for a loop: then it is held, with a case that names"
        " who fights by which rule (`decide.loop`), until somebody answers. Part of the rules that are released."
    )
    yield "[loops]", words, LoopSettings
    words = "How a data domain is sent: its lane and its service level. Without a rule, as each fact's own policy says."
    yield "[[domains]]", words, DomainSettings
    yield "[rules]", "How changed rules come into force (`docs/how-to/rules.md`).", RulesSettings
    yield (
        "[retention]",
        "How many days each payload class is kept; 0: for ever. Commands, bindings, objects and sums always are.",
        RetentionSettings,
    )
    yield "[connections.NAME]", "One system the hub is connected to.", ConnectionSettings
    words = "A window in which nothing is sent to the connection and no case is opened; weekly or dated. Validated when the hub starts."
    yield "[[connections.NAME.maintenance]]", words, MaintenanceSettings
    words = "Who is told of cases, and of which: one table per channel. `counterfoil notify test` sends a message."
    yield "[[notify]]", words, NotifySettings


def models_of(name: str) -> Iterator[tuple[str, str, type[BaseModel]]]:
    """Yield title, introduction and model of every section of a connector's settings."""
    config: Any = load_connector(name).config
    yield f'[connections.NAME] with connector = "{name}"', (config.__doc__ or "").split("\n", 1)[0], config
    for field, info in config.model_fields.items():
        for inner in _models_in(info.annotation):
            yield f"[connections.NAME.{field}.KEY]", (inner.__doc__ or "").split("\n", 1)[0], inner


def every_model() -> Iterator[tuple[str, str, type[BaseModel]]]:
    """Yield the hub's own sections, then those of all connectors."""
    yield from models()
    for name in connector_names():
        yield from models_of(name)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def notes(model: type[BaseModel]) -> dict[str, str]:
    """Return a sentence per setting."""
    return {**notes_of(model), **NOTES.get(model.__name__, {})}


def _default(info: Any) -> str:
    if info.is_required():
        return "required"
    default = info.get_default(call_default_factory=True, validated_data={})
    if default is None or default is PydanticUndefined:
        return "none"
    return "none" if default == {} else f"`{literal(default)}`"


def _kind(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation)).replace("|", "\\|").replace("\t", "tab")
    if annotation is SecretStr:
        return "secret"
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return " or ".join(f"`{value}`" for value in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "tables"
    parts = [part for part in get_args(annotation) if part not in (type(None), Ellipsis)]
    if get_origin(annotation) is tuple:
        return f"list of {_kind(parts[0])}"
    if get_origin(annotation) is dict:
        return "table"
    if parts and not isinstance(annotation, type):
        return " or ".join(_kind(part) for part in parts if get_origin(part) or not callable(part) or isinstance(part, type))
    name = getattr(annotation, "__name__", str(annotation))
    return {
        "str": "text",
        "int": "whole number",
        "float": "number",
        "bool": "true or false",
        "Path": "path",
        "date": "date",
        "time": "time",
        "datetime": "date and time",
    }.get(name, name)


def _sections(found: Iterator[tuple[str, str, type[BaseModel]]]) -> Iterator[str]:
    for title, words, model in found:
        lines = [f"## `{title}`\n", f"{words}\n", "| setting | kind | default | |", "|---|---|---|---|"]
        known = notes(model)
        for field, info in model.model_fields.items():
            lines.append(f"| `{field}` | {_kind(info.annotation)} | {_default(info)} | {known.get(field, '')} |")
        yield from (*lines, "")


def reference_of(name: str) -> str:
    """Return the reference of a connector's settings as Markdown."""
    head = f"# Settings of the {name} connector\n\nMade by `python -m tests.tidy.settings_reference {name}`; do not edit.\n"
    return "\n".join([head, *_sections(models_of(name)), *_asked(name)])


def _asked(name: str) -> Iterator[str]:
    """Yield the table of what `counterfoil init` asks for the connector."""
    asks = load_connector(name).asks
    if asks:
        yield "## Options of `counterfoil init`\n"
        yield "| option | setting | default | |\n|---|---|---|---|"
    for question in asks:
        option = f"{question.option_of(name)} {question.placeholder}"
        yield f"| `{option}` | `{question.setting}` | {f'`{question.default}`' if question.default else ''} | {question.help} |"
    if asks:
        yield ""


def reference() -> str:
    """Return the reference of the hub's own settings as Markdown."""
    lines = [HEAD, *_sections(models())]
    lines += [
        "## `[mappings.KIND.ENTITY]`\n",
        "`KIND` is `tax`, `product` or `account`; keys are the source's side as cases name it, values the books' side.",
        "What `counterfoil map set` says wins over what is written here.\n",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(reference_of(sys.argv[1]) if len(sys.argv) > 1 else reference())
