"""From the configuration file to the rules a decision is made by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from counterfoil.app.settings import EntitySettings, Settings
from counterfoil.core.policies.rules import (
    DisputeLostAccount,
    EntityRules,
    LockedPeriodPolicy,
    MappingKey,
    MappingKind,
    PostingMode,
    ProductPolicy,
    Route,
    UncreditedRefundPolicy,
    ZeroInvoicePolicy,
)
from counterfoil.decide.rules_source import RulesSource
from counterfoil.kit.errors import SetupError


def rules_source(settings: Settings) -> RulesSource:
    """Return where the hub's rules come from. Raises SetupError for a mapping of an unknown kind."""
    declared: dict[MappingKey, str] = {}
    for kind, by_entity in settings.mappings.items():
        if kind not in [known.value for known in MappingKind]:
            choices = ", ".join(known.value for known in MappingKind)
            raise SetupError(f"[mappings.{kind}]: unknown kind of mapping; known: {choices}", code="settings.invalid")
        for entity, entries in by_entity.items():
            declared.update({MappingKey(MappingKind(kind), entity, key): value for key, value in entries.items()})
    entities = {name: _entity(name, entity) for name, entity in settings.entities.items()}
    routes = tuple(Route(r.entity, r.connection, r.account, r.country, r.currency) for r in settings.routes)
    destinations = tuple(one.destination() for one in settings.destinations)
    return RulesSource(entities, routes, declared, destinations)


def declared_rules(settings: Settings) -> dict[str, str]:
    """Return all of the configuration that decides what is booked, as text by its path: what workers must agree in.

    What is left at its default is left out, so that a release that adds a setting agrees with the one before it.
    """
    given: dict[str, Any] = {
        "entities": {name: one.model_dump(mode="json", exclude_defaults=True) for name, one in settings.entities.items()},
        "routes": [one.model_dump(mode="json", exclude_defaults=True) for one in settings.routes],
        "destinations": [one.model_dump(mode="json", exclude_defaults=True) for one in settings.destinations],
        "mappings": settings.mappings,
        "connections": {
            name: {"connector": one.connector.name}
            | one.settings.model_dump(mode="json", exclude_defaults=True, include=set(one.connector.booking_settings))
            for name, one in settings.connections.items()
        },
    }
    return dict(_leaves("", given))


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
    )
