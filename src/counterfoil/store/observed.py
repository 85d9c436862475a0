"""What is decided and not sent, since its flow is only observed: told apart from what waits to be sent, wherever either is counted.

No row says so: what is held is what the rules in force hold, and a switch of them changes no row.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from counterfoil.core.policies.rules import ObservedFlows

Held = Mapping[str, ObservedFlows]
"""What is only observed, by target."""
NOTHING_HELD: Held = MappingProxyType({})

IS_HELD = """
(s.state in ('waiting', 'ready') and not s.in_doubt and exists (
    select from unnest(%(held_targets)s::text[], %(held_entities)s::text[]) as h(target, entity)
    join command_body k on k.created_at = s.created_at and k.id = s.id
    where h.target = s.target and h.entity in ('', k.entity)))
"""
"""Whether a command ``s`` is held. What was sent once and is in doubt is not: it is resolved all the same. Where nothing is observed, this
looks at nothing; else a look into an index for each command that is open."""


def held_given(held: Held) -> dict[str, list[str]]:
    """Return what :data:`IS_HELD` is to be given; an empty entity stands for all of a target."""
    pairs = sorted((target, entity) for target, flows in held.items() for entity in ("",) * flows.is_whole or flows.entities)
    return {"held_targets": [target for target, _ in pairs], "held_entities": [entity for _, entity in pairs]}
