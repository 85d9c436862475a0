"""Checks on the pure half of a source: verify, needs, locate, normalize."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any

from counterfoil.core.facts.events import Fact
from counterfoil.core.kinds import KINDS, kind_of_event
from counterfoil.core.kinds.balance_entry import BalanceEntry
from counterfoil.core.kinds.payout import Payout
from counterfoil.core.language.ids import ObjectRef
from counterfoil.core.language.money import Money
from counterfoil.core.language.settlement import Settlement
from counterfoil.kit.codec import decode_record, encode
from counterfoil.kit.conformance.check import Check, CheckedPart, ConformanceError, has_source, has_webhooks, require
from counterfoil.kit.conformance.harness import Harness, Sample, Webhook, opened
from counterfoil.kit.conformance.mutation import damaged
from counterfoil.kit.connector import Delivery, Ignored, Normalized, Reader, Webhooks
from counterfoil.kit.errors import HubError, IntakeRefused, RejectedError

OVERSIZED_BYTES = 8 * 1024 * 1024

_OF_A_BALANCE = (Settlement, BalanceEntry, Payout)
_BLUNDERS = (ArithmeticError, AssertionError, AttributeError, HubError, LookupError, OSError, RuntimeError, TypeError, ValueError)
"""What a normalizer raises that trusts its input too much."""


def source_of(harness: Harness) -> Reader:
    """Return the connector's source, as the stages read it."""
    reader = harness.connector.reader
    if reader is None:
        raise ConformanceError("the connector has no source")
    return reader


def webhooks_of(harness: Harness) -> Webhooks:
    """Return what takes the connector's webhooks."""
    webhooks = harness.connector.webhooks
    if webhooks is None:
        raise ConformanceError("the connector takes no webhooks")
    return webhooks


async def samples_become_facts(kind: type[Harness]) -> None:
    """Every sample gives well-formed facts or a named rule that ignores it."""
    async with opened(kind) as (harness, ctx):
        require(harness.samples(), "the harness gives no samples")
        for sample in harness.samples():
            result = source_of(harness).normalize(ctx.settings, sample.delivery, sample.fetched)
            _check_result(sample.name, result)
            moves = any(isinstance(value, _OF_A_BALANCE) for fact in _facts(result) for _, value in _values(fact, ""))
            require(harness.connector.has_balance or not moves, f"{sample.name}: tells what moved on a balance, which has_balance denies")
            told, declared = {fact.subject.kind for fact in _facts(result)}, harness.connector.tells
            require(not declared or told <= set(declared), f"{sample.name}: tells of {', '.join(sorted(told))}, which is not in tells")


async def normalize_is_pure(kind: type[Harness]) -> None:
    """The same delivery gives equal facts again, in any order, and nothing given to it is changed."""
    async with opened(kind) as (harness, ctx):
        source, samples = source_of(harness), list(harness.samples())
        first = {s.name: source.normalize(ctx.settings, s.delivery, s.fetched) for s in samples}
        require(len(first) == len(samples), "two samples have the same name")
        before = (copy.deepcopy(samples), copy.deepcopy(ctx.settings))
        for sample in reversed(samples):
            backwards = dict(reversed(list(sample.fetched.items())))
            again = source.normalize(ctx.settings, sample.delivery, backwards)
            require(again == first[sample.name], f"{sample.name}: normalizing it again gives something else")
            require(source.needs(sample.delivery) == source.needs(sample.delivery), f"{sample.name}: needs differ between two calls")
        require((samples, ctx.settings) == before, "normalize changed what it was given")


async def damage_is_rejected(kind: type[Harness]) -> None:
    """Truncated, mutated and random payloads give facts, are ignored by a rule, or raise RejectedError; nothing else."""
    async with opened(kind) as (harness, ctx):
        source = source_of(harness)
        for seed, sample in enumerate(harness.samples()):
            for bad in damaged(sample, harness.fuzz_count, seed):
                _try_damaged(source, ctx.settings, bad)


async def foreign_objects_are_not_located(kind: type[Harness]) -> None:
    """Locate knows this vendor's objects only, and always answers the same."""
    async with opened(kind) as (harness, ctx):
        source = source_of(harness)
        for object_kind in KINDS:
            found = source.locate(ObjectRef(object_kind, "zz_nobody:zz_1"))
            require(found is None, f"locate claims a foreign {object_kind}: {found}")
        for sample in harness.samples():
            for fact in _facts(source.normalize(ctx.settings, sample.delivery, sample.fetched)):
                require(source.locate(fact.subject) == source.locate(fact.subject), f"{sample.name}: locate differs between two calls")


async def genuine_webhooks_are_taken(kind: type[Harness]) -> None:
    """A signed body gives deliveries with keys that are unique and the same when it is sent again."""
    async with opened(kind) as (harness, ctx):
        require(harness.webhooks(), "the harness gives no webhooks")
        for webhook in harness.webhooks():
            first = _verify(harness, ctx.settings, webhook)
            later = Webhook(webhook.body, webhook.now + timedelta(seconds=5))
            require(first, "a genuine webhook made no delivery")
            keys = [d.dedupe_key for d in first]
            require(len(set(keys)) == len(keys) and all(keys), f"dedupe keys are empty or repeat: {keys}")
            require([d.dedupe_key for d in _verify(harness, ctx.settings, later)] == keys, "the same body sent again has other dedupe keys")
            require(all(d.shard_key and d.occurred_at.tzinfo for d in first), "a delivery needs a shard key and an aware instant")


async def the_intakes_settings_are_enough(kind: type[Harness]) -> None:
    """Verifying needs no more of the settings than the connector declares for an intake, and makes the same deliveries of them."""
    async with opened(kind) as (harness, ctx):
        model = harness.connector.intake or harness.connector.config
        fields = set(model.model_fields)
        strange = fields - set(harness.connector.config.model_fields)
        require(not strange, f"the intake's settings have what the connector's have not: {', '.join(sorted(strange))}")
        part = model.model_validate({name: getattr(ctx.settings, name) for name in fields})
        for webhook in harness.webhooks():
            try:
                taken = _verify(harness, part, webhook)
            except AttributeError as error:
                raise ConformanceError(f"verify reads a setting that is not declared for an intake: {error}") from error
            require(taken == _verify(harness, ctx.settings, webhook), "by the intake's settings the deliveries are others")


async def forgeries_are_refused(kind: type[Harness]) -> None:
    """Forged, stale, truncated, oversized, empty and unsigned bodies are refused with a 4xx and make no delivery."""
    async with opened(kind) as (harness, ctx):
        source = webhooks_of(harness)
        for webhook in harness.webhooks():
            for name, headers, body, now in _forgeries(harness, webhook):
                try:
                    taken = source.verify(ctx.settings, headers, body, now)
                except IntakeRefused as refusal:
                    require(400 <= refusal.status < 500, f"{name}: refused with {refusal.status}, must be 4xx")
                    continue
                raise ConformanceError(f"{name}: was taken and made {len(taken)} deliveries")


def _verify(harness: Harness, settings: Any, webhook: Webhook) -> tuple[Delivery, ...]:
    return webhooks_of(harness).verify(settings, harness.sign(webhook.body, webhook.now), webhook.body, webhook.now)


def _forgeries(harness: Harness, webhook: Webhook) -> Iterator[tuple[str, Mapping[str, str], bytes, datetime]]:
    body, now = webhook.body, webhook.now
    headers = harness.sign(body, now)
    yield "a body changed after signing", headers, body[:-1] + bytes([body[-1] ^ 1]), now
    yield "a truncated body", headers, body[: len(body) // 2], now
    yield "an empty body", headers, b"", now
    yield "a body without headers", {}, body, now
    yield "an oversized body", headers, body + b" " * OVERSIZED_BYTES, now
    yield "a signed body that is not JSON", harness.sign(b"\x00\xff not json", now), b"\x00\xff not json", now
    yield "a signed list instead of an object", harness.sign(b"[1, 2]", now), b"[1, 2]", now
    for name, value in headers.items():
        yield f"a forged header {name}", {**headers, name: value[:-1] + ("0" if value[-1:] != "0" else "1")}, body, now
        yield f"an empty header {name}", {**headers, name: ""}, body, now
    if harness.stale_after_s:
        yield "a stale body", headers, body, now + timedelta(seconds=harness.stale_after_s)


def _try_damaged(source: Reader, settings: Any, bad: Sample) -> None:
    try:
        source.needs(bad.delivery)
        result = source.normalize(settings, bad.delivery, bad.fetched)
    except RejectedError as error:
        require(error.code and str(error), f"{bad.name}: rejected without code or words")
        return
    except _BLUNDERS as error:
        shown = bad.delivery.body[:300]
        raise ConformanceError(f"{bad.name}: a damaged payload raised {type(error).__name__}: {error}; body {shown!r}") from error
    _check_result(f"{bad.name} (damaged, body {bad.delivery.body[:300]!r})", result)


def _facts(result: Normalized) -> tuple[Fact, ...]:
    return () if isinstance(result, Ignored) else result


def _check_result(name: str, result: Normalized) -> None:
    if isinstance(result, Ignored):
        require(result.rule.strip(), f"{name}: ignored without naming the rule")
        return
    require(isinstance(result, tuple) and result, f"{name}: gives no fact; say Ignored(rule) instead")
    for fact in result:
        _check_fact(name, fact)


def _check_fact(name: str, fact: Fact) -> None:
    subject = fact.subject
    namespace, _, source_id = subject.id.partition(":")
    require(namespace and source_id, f"{name}: the id {subject.id!r} must be <namespace>:<source id>")
    require(
        kind_of_event(fact.type.value).record is type(fact.data),
        f"{name}: {fact.type} must carry {kind_of_event(fact.type.value).record.__name__}",
    )
    require(isinstance(fact.sequence, int) and not isinstance(fact.sequence, bool), f"{name}: the sequence must be an integer")
    for path, value in _values(fact, type(fact).__name__):
        require(not isinstance(value, float), f"{name}: {path} is a float")
        if isinstance(value, datetime):
            require(value.utcoffset() == timedelta(0), f"{name}: {path} must be an aware UTC instant, is {value!r}")
        if isinstance(value, Money):
            is_code = len(value.currency) == 3 and value.currency.isascii() and value.currency.isupper()
            require(is_code and type(value.minor) is int, f"{name}: {path} is not whole minor units of an ISO 4217 code: {value!r}")
    require(
        decode_record(subject.kind, encode(fact.data)) == fact.data, f"{name}: {subject.key} does not read back equal when written down"
    )


def _values(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, value
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _values(getattr(value, field.name), f"{path}.{field.name}")
    elif isinstance(value, tuple):
        for index, inner in enumerate(value):
            yield from _values(inner, f"{path}[{index}]")


CHECKS = (
    Check("samples_become_well_formed_facts", CheckedPart.READS, samples_become_facts, has_source),
    Check("normalize_is_pure_and_deterministic", CheckedPart.READS, normalize_is_pure, has_source),
    Check("damaged_payloads_raise_rejected_error_only", CheckedPart.READS, damage_is_rejected, has_source),
    Check("foreign_objects_are_not_located", CheckedPart.READS, foreign_objects_are_not_located, has_source),
    Check("genuine_webhooks_make_deliveries_with_stable_keys", CheckedPart.READS, genuine_webhooks_are_taken, has_webhooks),
    Check("an_intake_needs_no_more_settings_than_are_declared_for_it", CheckedPart.READS, the_intakes_settings_are_enough, has_webhooks),
    Check("forged_and_malformed_webhooks_are_refused", CheckedPart.READS, forgeries_are_refused, has_webhooks),
)
