"""From the configuration file to the rules a decision is made by."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from counterfoil.app.destination_settings import DestinationSettings
from counterfoil.app.dunning_settings import DunningSettings
from counterfoil.app.loop_settings import LoopSettings
from counterfoil.app.matching_settings import MatchingSettings
from counterfoil.app.ownership_settings import OwnershipSettings
from counterfoil.app.release_settings import Approval
from counterfoil.app.settings import Connection, Settings
from counterfoil.app.settings_file import EntitySettings, FileSettings, RouteSettings
from counterfoil.core.identity.ownership import ownership_of
from counterfoil.core.policies.rules import (
    DisputeLostAccount,
    EntityRules,
    LockedPeriodPolicy,
    MappingKey,
    MappingKind,
    ObservedFlows,
    PostingMode,
    ProductPolicy,
    Route,
    UncreditedRefundPolicy,
    ZeroInvoicePolicy,
)
from counterfoil.decide.rules_source import RulesSource
from counterfoil.kit.errors import SetupError


def rules_source(settings: Settings, release: int = 0) -> RulesSource:
    """Return where the hub's rules come from; ``release``: the version they are of, 0: none, but a file.

    Raises SetupError for a mapping of an unknown kind.
    """
    declared: dict[MappingKey, str] = {}
    for kind, by_entity in settings.mappings.items():
        if kind not in [known.value for known in MappingKind]:
            choices = ", ".join(known.value for known in MappingKind)
            raise SetupError(f"[mappings.{kind}]: unknown kind of mapping; known: {choices}", code="settings.invalid")
        for entity, entries in by_entity.items():
            declared.update({MappingKey(MappingKind(kind), entity, key): value for key, value in entries.items()})
    entities = {name: _entity(name, entity) for name, entity in settings.entities.items()}
    routes = tuple(Route(r.entity, r.connection, r.account, r.country, r.currency) for r in settings.routes)
    destinations = tuple(one.destination(settings.connections[one.connection].connector) for one in settings.destinations)
    return RulesSource(
        entities,
        routes,
        declared,
        destinations,
        release,
        ownership_of([one.owner() for one in settings.ownership]),
        dunning=tuple(one.rule() for one in settings.dunning),
        matching=tuple(one.policy() for one in settings.matching),
        loops=settings.loops.limits(),
    )


_SOMETIMES_SAID = frozenset({"dunning", "loops", "matching", "ownership", "rules"})
"""What a body says only where it is declared."""


def declared_rules(settings: Settings) -> dict[str, str]:
    """Return all of the configuration that decides what is booked, as text by its path: what workers must agree in.

    What is left at its default is left out, so that a release that adds a setting agrees with the one before it.
    """
    return dict(_leaves("", _given(settings)))


def body_of(settings: Settings) -> str:
    """Return the body of a release of these settings: what :func:`declared_rules` tells, and how the next release comes about, as JSON."""
    given = _given(settings)
    if settings.approval is not Approval.NONE:
        given["rules"] = {"approval": settings.approval.value}
    return json.dumps(given, sort_keys=True, ensure_ascii=False)


def leaves_of(body: str) -> dict[str, str]:
    """Return what a body says, as text by the path of each setting."""
    return dict(_leaves("", json.loads(body)))


def approval_of(body: str) -> Approval:
    """Return what the next release needs while this one is in force."""
    return Approval(json.loads(body).get("rules", {}).get("approval", Approval.NONE))


def observed_in(body: str) -> dict[str, ObservedFlows]:
    """Return what a body has only observed, by target."""
    said = json.loads(body)
    books = [(one["target"], name) for name, one in said["entities"].items() if one.get("observe_only")]
    others = [(one["connection"], one.get("entity", "")) for one in said["destinations"] if one.get("observe_only")]
    return _flows([*books, *others])


def observed_of(file: Settings | FileSettings) -> dict[str, ObservedFlows]:
    """Return what a file has only observed, by target."""
    books = [(one.target, name) for name, one in file.entities.items() if one.observe_only]
    return _flows([*books, *((one.connection, one.entity) for one in file.destinations if one.observe_only)])


def _flows(pairs: Sequence[tuple[str, str]]) -> dict[str, ObservedFlows]:
    """Return flows of targets and entities, an empty one being all of the target."""
    entities: defaultdict[str, set[str]] = defaultdict(set)
    for target, entity in pairs:
        entities[target].add(entity)
    return {target: ObservedFlows(frozenset(names - {""}), is_whole="" in names) for target, names in entities.items()}


def mappings_of(body: str) -> dict[str, dict[str, dict[str, str]]]:
    """Return the mappings a body declares: kind -> entity -> key -> value."""
    found: dict[str, dict[str, dict[str, str]]] = json.loads(body)["mappings"]
    return found


def settled(file: Settings, body: str, version: int = 0) -> Settings:
    """Return a file's settings as they decide by a release: all that shapes bookings is the release's, all else (addresses, secrets, pace)
    the file's. A connection the release does not name is left out: nothing of it is read, booked or sent before it is released.

    Raises:
        SetupError: the release is of a newer program (``rules.unreadable``), or writes to a connection that the file has not
            (``rules.connection_missing``).
    """
    said, name = json.loads(body), f"rules release {version}" if version else "these rules"
    if unknown := ", ".join(sorted(said.keys() - _given(file).keys() - _SOMETIMES_SAID)):
        raise SetupError(
            f"{name} cannot be read by this program, which does not know {unknown}; run the version of it that released them",
            code="rules.unreadable",
        )
    try:
        entities = {name: EntitySettings.model_validate(one) for name, one in said["entities"].items()}
        routes = tuple(RouteSettings.model_validate(one) for one in said["routes"])
        destinations = tuple(DestinationSettings.model_validate(one) for one in said["destinations"])
        dunning = tuple(DunningSettings.model_validate(one) for one in said.get("dunning", ()))
        connections = {
            name: _connection(file.connections[name], one)
            for name, one in said["connections"].items()
            if name in file.connections and file.connections[name].connector.name == one["connector"]
        }
        loops = LoopSettings.model_validate(said.get("loops", {}))
        matching = tuple(MatchingSettings.model_validate(one) for one in said.get("matching", ()))
        ownership = tuple(OwnershipSettings.model_validate(one) for one in said.get("ownership", ()))
        approval = approval_of(body)
    except (ValidationError, KeyError, ValueError) as error:
        raise SetupError(
            f"{name} cannot be read by this program: {type(error).__name__}; run the version of it that released them",
            code="rules.unreadable",
        ) from error
    written = {one.target for one in entities.values()} | {one.connection for one in destinations}
    if missing := ", ".join(sorted(written - connections.keys())):
        raise SetupError(
            f"{name} {'writes' if version else 'write'} to {missing}, which the file does not declare, or with another connector:"
            " declare it under [connections], or release rules without it first (`counterfoil rules show`)",
            code="rules.connection_missing",
        )
    return replace(
        file,
        entities=entities,
        routes=routes,
        destinations=destinations,
        dunning=dunning,
        matching=matching,
        loops=loops,
        ownership=ownership,
        mappings=said["mappings"],
        connections=connections,
        approval=approval,
    )


def _connection(one: Connection, said: Mapping[str, Any]) -> Connection:
    """Return a connection with the settings that shape bookings as they were released."""
    shaping = set(one.connector.booking_settings)
    given = {name: getattr(one.settings, name) for name in one.settings.model_fields_set - shaping}
    released = {name: value for name, value in said.items() if name in shaping}
    return replace(one, settings=type(one.settings).model_validate(given | released))


def _given(settings: Settings) -> dict[str, Any]:
    optional: dict[str, Any] = {
        name: [one.model_dump(mode="json", exclude_defaults=True) for one in several]
        for name, several in (("dunning", settings.dunning), ("matching", settings.matching), ("ownership", settings.ownership))
        if several
    }
    if loops := settings.loops.model_dump(mode="json", exclude_defaults=True):
        optional["loops"] = loops
    return optional | {
        "entities": {name: one.model_dump(mode="json", exclude_defaults=True) for name, one in settings.entities.items()},
        "routes": [one.model_dump(mode="json", exclude_defaults=True) for one in settings.routes],
        "destinations": [one.model_dump(mode="json", exclude_defaults=True) for one in settings.destinations],
        "mappings": {kind: {entity: dict(pairs) for entity, pairs in entries.items()} for kind, entries in settings.mappings.items()},
        "connections": {
            name: {"connector": one.connector.name}
            | one.settings.model_dump(mode="json", exclude_defaults=True, include=set(one.connector.booking_settings))
            for name, one in settings.connections.items()
        },
    }


def _leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _leaves(f"{path}.{key}" if path else str(key), one)
    elif isinstance(value, list | tuple):
        for place, one in enumerate(value):
            yield from _leaves(f"{path}[{place}]", one)
    else:
        yield path, str(value)


def _entity(name: str, entity: EntitySettings) -> EntityRules:
    return EntityRules(
        name=name,
        target=entity.target,
        currency=entity.currency,
        time_zone=ZoneInfo(entity.time_zone),
        posting_mode=PostingMode(entity.posting),
        posting_mode_from=entity.posting_from,
        locked_period_policy=LockedPeriodPolicy(entity.locked_period),
        rounding_tolerance_minor=entity.rounding_tolerance_minor,
        product_policy=ProductPolicy(entity.products),
        dispute_lost_account=DisputeLostAccount(entity.dispute_lost),
        zero_invoice_policy=ZeroInvoicePolicy(entity.zero_invoices),
        deferred_product_groups=entity.deferred_groups,
        uncredited_refund_policy=UncreditedRefundPolicy(entity.uncredited_refunds),
        collecting_customer=entity.collecting_customer,
        is_observed=entity.observe_only,
    )
