"""The configuration file: one TOML for hub, connections, entities, routes and mappings; secrets by reference; errors with their line."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

from counterfoil.app.database import url_of
from counterfoil.app.destination_settings import DestinationSettings, wrong_destinations, wrong_targets
from counterfoil.app.dunning_settings import DunningSettings, wrong_stages
from counterfoil.app.loop_settings import LoopSettings
from counterfoil.app.matching_settings import MatchingSettings, wrong_matching
from counterfoil.app.notify_settings import holds_secret
from counterfoil.app.notifying import Channel
from counterfoil.app.ownership_settings import OwnershipSettings, wrong_ownership
from counterfoil.app.release_settings import Approval
from counterfoil.app.retention_settings import RetentionSettings
from counterfoil.app.secret_references import Secrets, in_clear, resolve, resolve_known, resolve_part
from counterfoil.app.settings_file import EntitySettings, FileSettings, HubSettings, RouteSettings
from counterfoil.app.settings_words import explained, located, plain_errors
from counterfoil.core.identity.people import MATCHING
from counterfoil.core.kinds.intent import PEOPLE
from counterfoil.core.language.commands import Lane
from counterfoil.core.policies.lanes import Lanes
from counterfoil.kit.connector import Connector
from counterfoil.kit.discovery import connector_names, load_connector
from counterfoil.kit.errors import SetupError
from counterfoil.kit.http import is_plain_abroad
from counterfoil.kit.windows import Window
from counterfoil.store.cipher import KEY_FILE
from counterfoil.store.home import try_home

HUB_VARIABLES = "COUNTERFOIL_HUB__"
"""What environment variables begin with that set [hub]: COUNTERFOIL_HUB__PORT sets ``port``."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A configured connection: its name, its connector, the connector's validated settings (for an intake: the part it declares for one),
    the lane of what it receives, when it is being maintained, and for how many seconds after a write got no answer it may still do it.

    ``allow_plain_http``: whether its address may be plain ``http`` of another machine; ``in_clear``: the secrets in the file itself;
    ``every_s``: how often it is read.
    """

    name: str
    connector: Connector
    settings: Any
    lane: Lane = Lane.REAL_TIME
    maintenance: tuple[Window, ...] = ()
    late_s: float = 130.0
    allow_plain_http: bool = False
    in_clear: tuple[str, ...] = ()
    every_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """Validated settings with their connectors resolved. ``is_intake``: only what taking deliveries needs, so nothing else can be done."""

    path: Path | None
    hub: HubSettings
    connections: Mapping[str, Connection]
    entities: Mapping[str, EntitySettings]
    routes: tuple[RouteSettings, ...]
    mappings: Mapping[str, Mapping[str, Mapping[str, str]]]
    lanes: Lanes = field(default_factory=Lanes)
    is_intake: bool = False
    notify: tuple[Channel, ...] = ()
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    destinations: tuple[DestinationSettings, ...] = ()
    ownership: tuple[OwnershipSettings, ...] = ()
    approval: Approval = Approval.NONE
    dunning: tuple[DunningSettings, ...] = ()
    matching: tuple[MatchingSettings, ...] = ()
    loops: LoopSettings = field(default_factory=LoopSettings)

    @property
    def database_url(self) -> str:
        """The PostgreSQL to use; empty: the embedded one."""
        return url_of(self.hub.database_url)


def load(path: Path, *, is_intake: bool = False) -> Settings:
    """Read and validate a configuration file, with what the environment sets of its [hub].

    ``is_intake``: for a process that only takes deliveries. Of the connections' settings just what verifying them reads is read; the other
    secrets need not be there, and are not looked at.

    Raises:
        SetupError: the file or the environment is missing or wrong; the message names the line or variable and the fix of every error.
    """
    text = text_of(path)
    return from_values(_with_environment(_values_of(text, str(path))), text, path, is_intake=is_intake)


def load_plain(path: Path) -> FileSettings:
    """Read a configuration file for a command that opens no connection: secrets need not be there; all else is validated as by :func:`load`
    and told in the same words.
    """
    text, name = text_of(path), str(path)
    file = _at_home(_file_of(_with_environment(_values_of(text, name)), text, name), path)
    _validated(name, text, file, Secrets.OPTIONAL)
    channels_of(name, text, file, does_need_secrets=False)
    return file


def _at_home(file: FileSettings, path: Path | None) -> FileSettings:
    """Return the settings with ``home`` made absolute: a relative one lies beside the configuration file, wherever a command is run.

    Raises:
        SetupError: the hub lies where earlier releases looked, below the current folder; a second, empty one must not be begun.
    """
    if path is None or file.hub.home.is_absolute():
        return file
    home = path.absolute().parent / file.hub.home
    former = Path.cwd() / file.hub.home
    if former != home and not has_hub(home) and has_hub(former):
        message = (
            f"{path}: home: {home} holds no hub, and {former}, where earlier releases looked, does: move that folder there, or set"
            f' `home = "{former}"` in [hub]'
        )
        raise SetupError(message, code="settings.home_moved")
    return file.model_copy(update={"hub": file.hub.model_copy(update={"home": home})})


def has_hub(home: Path) -> bool:
    """Tell whether a home holds an embedded database or an encryption key."""
    return (home / KEY_FILE).exists() or (home / "postgres").exists()


def try_beginning(home: Path) -> None:
    """See whether a hub could be begun in a home, and leave nothing behind. Raises StoreError."""
    try_home(home)


def _with_environment(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the values with those of [hub] that the environment sets as COUNTERFOIL_HUB__NAME; an empty variable sets nothing."""
    given = {
        name.removeprefix(HUB_VARIABLES).lower(): value for name, value in os.environ.items() if name.startswith(HUB_VARIABLES) and value
    }
    hub = raw.get("hub", {})
    if not given or not isinstance(hub, dict):  # what is no table is told with its line by the validation of the file
        return raw
    try:
        HubSettings.model_validate(given)
    except ValidationError as error:
        raise SetupError(_explain_variables(error), code="settings.environment") from None
    return raw | {"hub": hub | given}


def _explain_variables(error: ValidationError) -> str:
    rows = []
    for loc, message in plain_errors(error, HubSettings):
        name = HUB_VARIABLES + "__".join(str(part).upper() for part in loc)
        is_unknown = loc[0] not in HubSettings.model_fields
        words = f"is no setting of [hub]; known: {', '.join(HubSettings.model_fields)}" if is_unknown else message
        rows.append(f"environment variable {name}: {words}")
    return "\n".join(rows)


def text_of(path: Path) -> str:
    """Return the text of a configuration file. Raises SetupError."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SetupError(f"{path}: no such file; write one with `counterfoil init`", code="settings.missing") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{path}: cannot be read: {error}", code="settings.unreadable") from None


def parse(text: str, path: Path | None = None) -> Settings:
    """Validate a configuration text; see :func:`load`."""
    name = str(path) if path else "configuration"
    return from_values(_values_of(text, name), text, path)


def _values_of(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SetupError(f"{name}: not valid TOML: {error}", code="settings.syntax") from None


def _file_of(raw: Mapping[str, Any], text: str, name: str) -> FileSettings:
    try:
        return FileSettings.model_validate(raw)
    except ValidationError as error:
        raise SetupError("\n".join(explained(name, text, (), error, FileSettings)), code="settings.invalid") from None


def from_values(raw: Mapping[str, Any], text: str = "", path: Path | None = None, *, is_intake: bool = False) -> Settings:
    """Validate a configuration given as values; ``text`` is where they came from, for the line numbers of errors. See :func:`load`."""
    name = str(path) if path else "configuration"
    file = _at_home(_file_of(raw, text, name), path)
    connections = _validated(name, text, file, Secrets.OF_INTAKE if is_intake else Secrets.ALL)
    notify = () if is_intake else channels_of(name, text, file)
    return _settings(path, file, connections, is_intake, notify)


def load_unopened(path: Path) -> Settings:
    """Return the settings for a command that reads the rules in them and opens no connection: as :func:`load`, without secrets."""
    text, name = text_of(path), str(path)
    file = _at_home(_file_of(_with_environment(_values_of(text, name)), text, name), path)
    return _settings(path, file, _validated(name, text, file, Secrets.OPTIONAL))


def _settings(
    path: Path | None,
    file: FileSettings,
    connections: Mapping[str, Connection],
    is_intake: bool = False,
    notify: tuple[Channel, ...] = (),
) -> Settings:
    lanes = Lanes(tuple(domain.rule() for domain in file.domains))
    declared = (file.entities, file.routes, file.mappings, lanes, is_intake, notify, file.retention, file.destinations, file.ownership)
    return Settings(path, file.hub, connections, *declared, file.rules.approval, file.dunning, file.matching, file.loops)


def _validated(name: str, text: str, file: FileSettings, secrets: Secrets) -> dict[str, Connection]:
    """Return the connections with their settings. Raises SetupError with a line for every mistake."""
    problems: list[str] = []
    connections = connections_of(name, text, file, problems, secrets)
    _cross_check(name, text, file, connections, problems)
    if problems:
        raise SetupError("\n".join(problems), code="settings.invalid")
    return connections


def load_channels(path: Path) -> tuple[Channel, ...]:
    """Read the channels of notifications, whose addresses must be there; raises as :func:`load_plain`."""
    return channels_of(str(path), text_of(path), load_plain(path))


def channels_of(name: str, text: str, file: FileSettings, *, does_need_secrets: bool = True) -> tuple[Channel, ...]:
    """Return the channels of notifications with their addresses resolved; where not all are needed: those that can. Raises SetupError."""
    found: list[Channel] = []
    for position, one in enumerate(file.notify):
        if one.name in {other.name for other in file.notify[:position]}:
            raise SetupError(located(name, text, ("notify", position, "name"), f"{one.name!r} is there twice"), code="settings.invalid")
        try:
            url = resolve(one.url)
        except SetupError as error:
            if not does_need_secrets:
                continue
            raise SetupError(located(name, text, ("notify", position, "url"), str(error)), code=error.code) from None
        if not isinstance(url, str):
            message = 'give the address, or { env = "NAME" } for a variable that holds it'
            raise SetupError(located(name, text, ("notify", position, "url"), message), code="settings.invalid")
        is_urgent_only = one.severity == "urgent"
        is_in_clear = isinstance(one.url, str) and holds_secret(one.url)
        found.append(Channel(one.name, SecretStr(url), one.classes, one.owners, is_urgent_only, one.wait_s, one.every_s, is_in_clear))
    return tuple(found)


def connections_of(name: str, text: str, file: FileSettings, problems: list[str], secrets: Secrets) -> dict[str, Connection]:
    """Return the connections that are configured rightly; add a line to ``problems`` for each mistake in the others."""
    known = connector_names()
    every_s = file.intervals()
    found: dict[str, Connection] = {}
    for key, connection in file.connections.items():
        if connection.connector not in known:
            message = f"unknown connector {connection.connector!r}; known: {', '.join(known)}"
            problems.append(located(name, text, ("connections", key, "connector"), message))
            continue
        connector = load_connector(connection.connector)
        given = connection.model_extra or {}
        model = (connector.intake if secrets is Secrets.OF_INTAKE else None) or connector.config
        unknown: frozenset[str] = frozenset()
        try:
            clear = tuple(in_clear(given, model))
            values, unknown = _resolved(given, model, secrets, connector)
            settings = model.model_validate(values)
            windows = tuple(one.window() for one in connection.maintenance)
            allows = connection.allow_plain_http
            lane = Lane[connection.lane.upper()]
            found[key] = Connection(key, connector, settings, lane, windows, connection.late_s, allows, clear, every_s[key])
            plain = () if allows else _plain_addresses(settings)
            problems += [located(name, text, ("connections", key, setting), PLAIN_HTTP) for setting in plain]
        except ValidationError as error:
            problems += explained(name, text, ("connections", key), error, connector.config, unknown)
        except SetupError as error:
            problems.append(located(name, text, ("connections", key), str(error)))
    return found


def _resolved(
    given: Mapping[str, Any], model: type[BaseModel], secrets: Secrets, connector: Connector
) -> tuple[Mapping[str, Any], frozenset[str]]:
    """Return a connection's settings with what they refer to, and the names of those whose values are not needed and not there."""
    if secrets is Secrets.OPTIONAL:
        return resolve_known(given, model)
    if model is connector.config:
        return resolve(given), frozenset()
    strange = {name: value for name, value in given.items() if name not in connector.config.model_fields}
    return strange | resolve_part(given, model), frozenset()


PLAIN_HTTP = (
    "plain http to another machine: the key and all data would travel in clear; use https, or where the network in between is your own, say"
    " `allow_plain_http = true` in this connection"
)


def _plain_addresses(settings: BaseModel) -> Iterator[str]:
    """Yield the settings of a connection that are addresses reached without encryption."""
    for setting in type(settings).model_fields:
        value = getattr(settings, setting)
        if isinstance(value, str) and is_plain_abroad(value):
            yield setting


_OWN_SOURCES = {PEOPLE: "the people who decide with it", MATCHING: "its own word on customers that are one"}
"""Whose word is none of a connection."""


def _cross_check(name: str, text: str, file: FileSettings, connections: Mapping[str, Connection], problems: list[str]) -> None:
    usable = {key: one.connector for key, one in connections.items()}
    targets = {key: entity.target for key, entity in file.entities.items()}
    problems += wrong_targets(name, text, targets, file.connections, usable)
    problems += wrong_destinations(name, text, file.destinations, file.entities, file.connections, usable)
    problems += wrong_ownership(name, text, file.ownership, file.connections)
    problems += wrong_stages(name, text, file.dunning, file.entities)
    problems += wrong_matching(name, text, file.matching, file.entities)
    for taken in sorted(_OWN_SOURCES.keys() & file.connections.keys()):
        message = f"{taken!r} is what the hub calls {_OWN_SOURCES[taken]}; call the connection otherwise"
        problems.append(located(name, text, ("connections", taken), message))
    for position, domain in enumerate(file.domains):
        if domain.entity and domain.entity not in file.entities:
            problems.append(located(name, text, ("domains", position, "entity"), f"entity {domain.entity!r} is not under [entities]"))
    for position, route in enumerate(file.routes):
        if route.entity not in file.entities:
            problems.append(located(name, text, ("routes", position, "entity"), f"entity {route.entity!r} is not under [entities]"))
        if route.connection and route.connection not in file.connections:
            problems.append(
                located(name, text, ("routes", position, "connection"), f"connection {route.connection!r} is not under [connections]")
            )
