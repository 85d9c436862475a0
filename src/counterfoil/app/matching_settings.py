"""`[[matching]]`: what becomes of two customers that may be one; wrong declarations with their line."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from counterfoil.app.settings_words import located
from counterfoil.core.policies.rules import MatchingPolicy


class MatchingSettings(BaseModel):
    """From which scores on customers are the same, or for people to look at, and whether those that certainly are one are linked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    entity: str = ""
    same: float = Field(default=0.999, gt=0, le=1)
    review: float = Field(default=0.5, gt=0, le=1)
    links: Literal["never", "certain"] = "never"
    owner: str = Field(default="", max_length=80)

    def policy(self) -> MatchingPolicy:
        """Return it as rules have it."""
        return MatchingPolicy(self.entity, self.same, self.review, self.links == "certain", self.owner)


def wrong_matching(name: str, text: str, declared: Sequence[MatchingSettings], entities: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with `[[matching]]`: a line for each mistake."""
    for position, one in enumerate(declared):
        for setting, message in _mistakes(one, declared[:position], entities):
            yield located(name, text, ("matching", position, setting), message)


def _mistakes(one: MatchingSettings, earlier: Sequence[MatchingSettings], entities: Collection[str]) -> Iterator[tuple[str, str]]:
    if one.entity and one.entity not in entities:
        yield "entity", f"entity {one.entity!r} is not under [entities]"
    if any(other.entity == one.entity for other in earlier):
        yield "entity", f"{f'entity {one.entity}' if one.entity else 'what holds for all entities'} is declared twice"
    if one.review > one.same:
        yield "review", f"must be no more than same, {one.same}: what is less likely is for people"
