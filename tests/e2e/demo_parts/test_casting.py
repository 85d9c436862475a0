"""The month is decided by the seed, and big enough to show everything."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from counterfoil.app.demo.casting import INVOICES_DEFAULT, REPERTOIRE, cast
from counterfoil.app.demo.entities import ENTITIES


def test_the_same_seed_casts_the_same_month() -> None:
    assert cast(ENTITIES, 120, seed=7) == cast(ENTITIES, 120, seed=7)
    assert cast(ENTITIES, 120, seed=7) != cast(ENTITIES, 120, seed=8)


def test_a_month_of_the_default_size_plays_every_story_in_every_entity() -> None:
    roles = cast(ENTITIES, INVOICES_DEFAULT, seed=1)
    played = Counter((role.entity.key, role.story) for role in roles)
    assert all(played[entity.key, part.story] >= 1 for entity in ENTITIES for part in REPERTOIRE)


def test_a_small_month_still_plays_in_all_entities() -> None:
    assert {role.entity.key for role in cast(ENTITIES, 20, seed=3)} == {"US", "DE", "JP"}


def test_every_story_starts_within_december_in_utc() -> None:
    roles = cast(ENTITIES, INVOICES_DEFAULT, seed=5)
    assert min(role.starts_at for role in roles) >= datetime(2025, 12, 1, tzinfo=UTC)
    assert max(role.starts_at for role in roles) < datetime(2026, 1, 1, tzinfo=UTC)


def test_foreign_customers_are_billed_without_tax_and_only_where_the_entity_has_any() -> None:
    foreign = [role for role in cast(ENTITIES, 600, seed=2) if role.currency != role.entity.currency]
    assert foreign
    assert {(role.entity.key, role.currency, role.tax_key) for role in foreign} == {("DE", "USD", "")}


def test_fewer_invoices_than_a_month_needs_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 10"):
        cast(ENTITIES, 9, seed=1)
