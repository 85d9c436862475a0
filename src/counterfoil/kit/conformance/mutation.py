"""Damaged payloads: what a careless, changed or hostile sender might deliver; the same seed gives the same damage."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from counterfoil.kit.conformance.harness import Sample
from counterfoil.kit.connector import Delivery, Fetched

_ODD: tuple[Any, ...] = (
    None, "", "x", "zz_unknown", "\x00", "\ud7ff" * 3, "9" * 400, "-1", 0, -1, 2**63, 10**30, 1.5, 1e308, True, [], {}, [None], [[]],
    {"id": None}, "2026-13-45", "NaN", "Infinity", "1e400", "1E-400",
)  # fmt: skip


def damaged(sample: Sample, count: int, seed: int) -> Iterator[Sample]:
    """Yield ``count`` damaged versions of a sample: its body, its kind, or something fetched for it."""
    chance = random.Random(seed)  # noqa: S311 - damage, not security
    for _ in range(count):
        choice = chance.random()
        if choice < 0.1:
            yield _with(sample, kind=chance.choice(("", "zz.unknown", sample.delivery.kind + "x", sample.delivery.kind.upper())))
        elif choice < 0.35 and sample.fetched:
            yield replace(sample, fetched=_damage_fetched(sample.fetched, chance))
        else:
            yield _with(sample, body=mutate(sample.delivery.body, chance))


def mutate(body: bytes, chance: random.Random) -> bytes:
    """Return the body with one to three damages: structural where it is JSON, otherwise in its bytes."""
    for _ in range(chance.randint(1, 3)):
        structured = _structured(body)
        body = _mutate_bytes(body, chance) if structured is None or chance.random() < 0.3 else _mutate_json(structured, chance)
    return body


def _with(sample: Sample, **changes: Any) -> Sample:
    delivery: Delivery = replace(sample.delivery, **changes)
    return replace(sample, delivery=delivery)


def _damage_fetched(fetched: Any, chance: random.Random) -> dict[str, Fetched]:
    damaged = dict(fetched)
    ref = chance.choice(sorted(damaged))
    choice = chance.random()
    if choice < 0.2:
        del damaged[ref]
    elif choice < 0.4:
        damaged[ref] = replace(damaged[ref], body=None)
    else:
        damaged[ref] = replace(damaged[ref], body=mutate(damaged[ref].body or b"{}", chance))
    return damaged


def _structured(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _mutate_bytes(body: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(body) + 1)
    match chance.randrange(5):
        case 0:
            return body[:at]
        case 1:
            return body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :]
        case 2:
            return body[:at] + chance.randbytes(chance.randint(1, 8)) + body[at:]
        case 3:
            return chance.randbytes(chance.randint(0, 64))
        case _:
            return body[at:]


def _mutate_json(document: Any, chance: random.Random) -> bytes:
    places = list(_places(document))
    if not places:
        return json.dumps(chance.choice(_ODD)).encode()
    holder, key = chance.choice(places)
    match chance.randrange(4):
        case 0:
            del holder[key]
        case 1:
            other, other_key = chance.choice(places)
            holder[key] = json.loads(json.dumps(other[other_key]))
        case _:
            holder[key] = chance.choice(_ODD)
    return json.dumps(document).encode("utf-8", "surrogatepass")


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every (holder, key) in the document."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield value, key
        yield from _places(inner)
