"""The stages of dunning: one ``[[dunning]]`` table each; wrong ones are refused with their line."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from pydantic import BaseModel, ConfigDict, Field

from counterfoil.app.settings_words import located
from counterfoil.core.kinds.dunning import Block
from counterfoil.core.policies.rules import DunningStage


class DunningSettings(BaseModel):
    """A stage an invoice that is not paid in time goes through. The stages of an entity follow each other by their days."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stage: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", examples=["first_reminder"])
    days_after_due: int = Field(ge=0, le=3650)
    blocks: tuple[Block, ...] = ()
    tells: str = Field(default="", max_length=80)
    asks: bool = False
    entity: str = ""

    def rule(self) -> DunningStage:
        """Return it as rules have it."""
        return DunningStage(self.stage, self.days_after_due, self.blocks, self.tells, self.asks, self.entity)


def wrong_stages(name: str, text: str, stages: Sequence[DunningSettings], entities: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with ``[[dunning]]``: a line for each mistake."""
    for position, one in enumerate(stages):
        for setting, message in _mistakes(one, stages[:position], entities):
            yield located(name, text, ("dunning", position, setting), message)


def _mistakes(one: DunningSettings, earlier: Sequence[DunningSettings], entities: Collection[str]) -> Iterator[tuple[str, str]]:
    if one.entity and one.entity not in entities:
        yield "entity", f"entity {one.entity!r} is not under [entities]"
    if len(set(one.blocks)) < len(one.blocks):
        yield "blocks", "names something twice"
    before = [other for other in earlier if other.entity == one.entity]
    whose = f"entity {one.entity}" if one.entity else "all entities"
    if any(other.stage == one.stage for other in before):
        yield "stage", f"stage {one.stage!r} is there twice for {whose}"
    if before and one.days_after_due <= before[-1].days_after_due:
        former = before[-1]
        yield "days_after_due", f"must be more than the {former.days_after_due} of the stage {former.stage!r} before it for {whose}"
