"""`[loops]`: how often a field must be written again and again until it is held."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field

from counterfoil.core.identity.loops import USUAL, LoopLimits


class LoopSettings(BaseModel):
    """From how many returns to a former value, or answers of systems that are written to themselves, and within how many days."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    returns: int = Field(default=USUAL.returns, ge=2, le=50)
    answers: int = Field(default=USUAL.answers, ge=2, le=50)
    window_days: int = Field(default=USUAL.window.days, ge=1, le=90)

    def limits(self) -> LoopLimits:
        """Return them as rules have them."""
        return LoopLimits(self.returns, self.answers, timedelta(days=self.window_days))
