"""`counterfoil check`: every credential, right and mapping tried against the live systems before anything is posted."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from yarl import URL

from counterfoil.app.hub import Hub
from counterfoil.app.release_settings import Approval
from counterfoil.app.renaming import unnamed
from counterfoil.app.rules import approval_of, body_of
from counterfoil.core.commands.books import Account, AccountRole
from counterfoil.core.policies.rules import DisputeLostAccount, EntityRules, MappingKey, MappingKind, Rules, UncreditedRefundPolicy
from counterfoil.core.policies.tax_keys import tax_key_problem
from counterfoil.kit.connector import Books, Connector, Finding, Severity, TargetCheck
from counterfoil.kit.context import Context
from counterfoil.kit.errors import HubError, SetupError, TransientError
from counterfoil.kit.parts import is_booked
from counterfoil.kit.requirements import Requirements, TargetState
from counterfoil.store import audit, objects, releases
from counterfoil.store.objects import ObjectTotal

ALWAYS = (
    AccountRole.RECEIVABLE,
    AccountRole.REVENUE,
    AccountRole.FEES,
    AccountRole.DISPUTED_FUNDS,
    AccountRole.BANK_IN_TRANSIT,
    AccountRole.CUSTOMER_CREDIT,
    AccountRole.BAD_DEBT,
    AccountRole.ADJUSTMENT,
)
"""Accounts every entity with a processor needs sooner or later."""
SOMETIMES = (AccountRole.FEE_TAX, AccountRole.RESERVE, AccountRole.OUT_OF_BAND, AccountRole.ROUNDING, AccountRole.EXCHANGE_DIFFERENCE)
"""Accounts only some facts need (tax on fees, reserves held back, money received outside the processor): missing ones are warnings."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One finding of one connection; ``connection`` empty: of the configuration itself."""

    connection: str
    finding: Finding


async def check(hub: Hub) -> list[Checked]:
    """Return all findings: the configuration's own, then each connection's, asked at the same time."""
    async with hub.pool.connection() as conn:
        rules = await hub.rules.current(conn)
        seen = await objects.totals(conn)
        confirmed = confirmed_taxes(rules, await audit.newest(conn, "mapped", "mapping/tax/"))
        held = await releases.in_force(conn, hub.clock.now())
        lost = await unnamed(conn, hub.settings.connections)
    found = [Checked("", finding) for finding in (*_routing(hub, rules), *_in_clear(hub), *_unreleased(hub, held), *lost)]
    names = list(hub.contexts)
    for name, findings in zip(
        names, await asyncio.gather(*(_connection(hub, name, rules, seen, confirmed) for name in names)), strict=True
    ):
        found += [Checked(name, finding) for finding in findings]
    return found


async def check_books(hub: Hub) -> list[Checked]:
    """Return what the books alone say of the rules the hub decides by."""
    async with hub.pool.connection() as conn:
        rules = await hub.rules.current(conn)
        seen = await objects.totals(conn)
        confirmed = confirmed_taxes(rules, await audit.newest(conn, "mapped", "mapping/tax/"))
    found = []
    for name, one in hub.settings.connections.items():
        if (books := one.connector.books) is not None:
            needed = requirements(hub, name, rules, seen, confirmed=confirmed)
            found += [Checked(name, finding) for finding in await _books(books, hub.contexts[name], needed, needed)]
    return found


async def _connection(hub: Hub, name: str, rules: Rules, seen: Sequence[ObjectTotal], confirmed: Collection[MappingKey]) -> list[Finding]:
    findings: list[Finding] = []
    connector, ctx = hub.settings.connections[name].connector, hub.contexts[name]
    if connector.books is not None:
        needed = requirements(hub, name, rules, seen, confirmed=confirmed)
        wished = requirements(hub, name, rules, seen, SOMETIMES, confirmed)
        findings += await _books(connector.books, ctx, needed, wished)
    elif connector.target_check is not None and name in _written_to(rules):
        findings += await _tried(connector.target_check, ctx)
    if connector.source is not None and not _has_error(findings):
        findings += await _source(connector, ctx)
    return findings


def _written_to(rules: Rules) -> set[str]:
    """Return the connections that something is written to: to others nothing needs to be."""
    return {entity.target for entity in rules.entities.values()} | {one.connection for one in rules.destinations}


def _has_error(findings: Sequence[Finding]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in findings)


def requirements(
    hub: Hub,
    target: str,
    rules: Rules,
    seen: Sequence[ObjectTotal],
    more: Sequence[AccountRole] = (),
    confirmed: Collection[MappingKey] = (),
) -> Requirements:
    """Return what the hub will need of a target, by the entities it keeps, the mappings in force and the currencies met so far."""
    entities = {name: entity for name, entity in rules.entities.items() if entity.target == target}
    currencies = {entity.currency for entity in entities.values()} | {one.currency for one in seen if one.entity in entities}
    return Requirements(
        entities={name: entity.currency for name, entity in entities.items()},
        accounts={name: _accounts(hub, entity, rules, more) for name, entity in entities.items()},
        taxes={name: _mapped(rules, MappingKind.TAX, name) for name in entities},
        currencies=tuple(sorted(currencies - {""})),
        tax_rates={name: tax_rates(rules, name, confirmed) for name in entities},
        confirmed_taxes={name: frozenset(_all_confirmed(rules, name, confirmed)) for name in entities},
    )


def confirmed_taxes(rules: Rules, mapped: Mapping[str, Mapping[str, object]]) -> frozenset[MappingKey]:
    """Return the tax mappings in force that a person confirmed as they are; ``mapped``: what was set last, by subject of the audit."""
    return frozenset(
        key
        for key, value in rules.mappings.items()
        if (said := mapped.get(key.wait)) is not None and said.get("confirmed") is True and said.get("value") == value
    )


def tax_rates(rules: Rules, entity: str, confirmed: Collection[MappingKey] = ()) -> dict[str, tuple[Decimal, ...]]:
    """Return the percentages that the mapping keys of an entity name, by the target's tax they lead to; confirmed mappings are left out."""
    found: dict[str, set[Decimal]] = {}
    for key, value in rules.mappings.items():
        rate = percentage_of(key.key)
        if key.kind is MappingKind.TAX and key.entity == entity and rate is not None and key not in confirmed:
            found.setdefault(value, set()).add(rate)
    return {value: tuple(sorted(rates)) for value, rates in found.items()}


def percentage_of(key: str) -> Decimal | None:
    """Return the percentage a tax's mapping key names (``19|exclusive``, ``DE/vat/19|inclusive``); None: it names none."""
    try:
        rate = Decimal(key.partition("|")[0].rpartition("/")[2])
    except InvalidOperation:
        return None
    return rate if rate.is_finite() else None


def _all_confirmed(rules: Rules, entity: str, confirmed: Collection[MappingKey]) -> Iterator[str]:
    keys: dict[str, list[MappingKey]] = {}
    for key, value in rules.mappings.items():
        if key.kind is MappingKind.TAX and key.entity == entity:
            keys.setdefault(value, []).append(key)
    return (value for value, own in keys.items() if all(key in confirmed for key in own))


def _accounts(hub: Hub, entity: EntityRules, rules: Rules, more: Sequence[AccountRole]) -> tuple[Account, ...]:
    roles = [role for role in ALWAYS if role is not AccountRole.BAD_DEBT or entity.dispute_lost_account is DisputeLostAccount.BAD_DEBT]
    if entity.uncredited_refund_policy is UncreditedRefundPolicy.ACCOUNT:
        roles.append(AccountRole.REFUNDS)
    if entity.deferred_product_groups:
        roles.append(AccountRole.DEFERRED_REVENUE)
    clearing = [Account(AccountRole.CLEARING, name) for name in processors_of(hub, entity.name, rules)]
    explicit = [Account(AccountRole.EXPLICIT, code) for code in _mapped(rules, MappingKind.ACCOUNT, entity.name)]
    return (*(Account(role) for role in (*roles, *more)), *clearing, *explicit)


def processors_of(hub: Hub, entity: str, rules: Rules) -> list[str]:
    """Return the connections whose money is routed to an entity: those that have a balance, as a route names them or means all of them."""
    everyone = {name for name, one in hub.settings.connections.items() if one.connector.has_balance}
    named = [name for route in rules.routes if route.entity == entity for name in ([route.connection] if route.connection else everyone)]
    return sorted(everyone & set(named))


def _mapped(rules: Rules, kind: MappingKind, entity: str) -> tuple[str, ...]:
    return tuple(sorted({value for key, value in rules.mappings.items() if key.kind is kind and key.entity == entity}))


async def _books(books: Books, ctx: Context, needed: Requirements, wished: Requirements) -> list[Finding]:
    """Return what the books' check found; what only ``wished`` brings to light is a warning."""
    findings: list[Finding] = []
    try:
        findings += await books.check(ctx, needed)
        known = {(finding.code, finding.entity, finding.message) for finding in findings}
        loose = await books.check(ctx, wished)
        extra = [one for one in loose if one.severity is not Severity.OK and (one.code, one.entity, one.message) not in known]
        findings += [_as_warning(finding) for finding in extra]
        return findings + list(_locks(await books.state(ctx)))
    except HubError as error:
        # What was found before says more than what did not work because of it.
        return findings if _has_error(findings) else [*findings, _failed("the books cannot be read", error)]


def _as_warning(finding: Finding) -> Finding:
    message = f"{finding.message}; only needed if such a fact comes"
    return Finding(Severity.WARNING, finding.code, message, finding.remedy, finding.entity)


def _locks(state: TargetState) -> Iterator[Finding]:
    locks = (
        ("the books are", state.locked_until),
        ("customers' invoices and credit notes are", state.sales_locked_until),
        ("what carries taxes is", state.taxed_locked_until),
    )
    for what, by_entity in locks:
        for entity, day in by_entity.items():
            if day is not None:
                yield Finding(Severity.OK, "period.locked", f"{entity}: {what} locked up to and including {day}", entity=entity)


async def _tried(try_it: TargetCheck, ctx: Context) -> list[Finding]:
    """Return what a target that keeps no books lacks."""
    try:
        return list(await try_it(ctx))
    except HubError as error:
        return [_failed("it cannot be written to", error)]


async def _source(connector: Connector, ctx: Context) -> list[Finding]:
    """Try what the connector says, then read one page of every list of changes, as polling does, and throw it away."""
    findings: list[Finding] = []
    try:
        if connector.source_check is not None:
            findings += await connector.source_check(ctx)
    except HubError as error:
        return [*findings, _failed("changes cannot be read", error)]
    if _has_error(findings) or not connector.is_polled:
        return findings
    count = 0
    for name, polls in connector.lists_of_changes(ctx.settings).items():
        try:
            count += len((await polls.poll(ctx, "")).deliveries)
        except HubError as error:
            findings.append(_failed(f"changes cannot be read{f' ({name})' if name else ''}", error))
    if _has_error(findings):
        return findings
    return [*findings, Finding(Severity.OK, "source.readable", f"changes can be read ({count} on the first page)")]


def _failed(what: str, error: HubError) -> Finding:
    remedy = "Correct the key, its rights or the settings of the connection"
    if isinstance(error, TransientError):
        remedy = "Make sure the address is right and the system is up, then check again"
    elif not isinstance(error, SetupError):
        remedy = "Report this with the code"
    return Finding(Severity.ERROR, error.code, f"{what}: {error}", remedy)


def _in_clear(hub: Hub) -> Iterator[Finding]:
    """Tell which secrets stand in the configuration file itself: whoever may read or back up the file has them."""
    named = [(f"[connections.{name}] {setting}", setting) for name, one in hub.settings.connections.items() for setting in one.in_clear]
    channels = [channel.name for channel in hub.settings.notify if channel.is_in_clear]
    named += [(f"the address of [[notify]] {name} holds a password or token: it", "url") for name in channels]
    database_url = hub.settings.hub.database_url
    if "password=" in database_url or URL(database_url).password:
        named.append(("[hub] database_url holds a password: it", "database_url"))
    for where, setting in named:
        message = f"{where} stands in clear in the configuration file"
        remedy = f'Write {setting} = {{ env = "NAME" }} or {{ file = "path" }}'
        if setting == "database_url":
            remedy = "Set COUNTERFOIL_DATABASE_URL or COUNTERFOIL_DATABASE_URL_FILE instead"
        yield Finding(Severity.WARNING, "settings.secret_in_clear", message, remedy)


def _unreleased(hub: Hub, held: releases.Release | None) -> Iterator[Finding]:
    """Tell whether a start would leave the file's rules unreleased: what was checked is then not what is decided by."""
    if held is not None and held.body != body_of(hub.settings) and approval_of(held.body) is not Approval.NONE:
        message = f"rules release {held.version} decides, and the file, which was checked here, says otherwise"
        remedy = "`counterfoil rules diff` shows how; propose and release it, or change the file back"
        yield Finding(Severity.WARNING, "rules.unreleased", message, remedy)


def _routing(hub: Hub, rules: Rules) -> Iterator[Finding]:
    routed = {route.connection for route in rules.routes}
    books = {entity.target for entity in hub.settings.entities.values()}
    for name in hub.sources:
        if name not in books and not routed & {name, ""} and is_booked(hub.settings.connections[name].connector):
            message = f"no route names {name}: everything it tells would become a case"
            yield Finding(Severity.ERROR, "route.missing", message, f'Add [[routes]] with connection = "{name}" and its entity')
    for key in sorted(rules.mappings, key=lambda key: (key.kind, key.entity, key.key)):
        problem = tax_key_problem(key.key) if key.kind is MappingKind.TAX else ""
        if problem:
            yield Finding(Severity.ERROR, "mapping.tax_key", f"[mappings.tax.{key.entity}]: {problem}", entity=key.entity)
        if key.entity not in rules.entities:
            message = f"the mapping of {key.kind.value} {key.key} is for entity {key.entity!r}, which is not configured"
            remedy = f"Correct [mappings.{key.kind.value}.{key.entity}], or `counterfoil map unset`"
            yield Finding(Severity.WARNING, "mapping.entity_unknown", message, remedy, key.entity)
    if not rules.entities:
        yield Finding(Severity.ERROR, "entity.missing", "no entity is configured: nothing can be booked", "Add [entities.NAME]")
