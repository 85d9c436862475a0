"""Settings of who is told of cases, and by what: one ``[[notify]]`` table per channel."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class NotifySettings(BaseModel):
    """A channel: an address (a secret: give it as ``{ env = "NAME" }``) and which cases it is told of; empty filters match all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    url: str | dict[str, str]
    classes: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    severity: Literal["any", "urgent"] = "any"
    wait_s: float = Field(default=20.0, ge=0, le=3600)
    every_s: float = Field(default=60.0, ge=0, le=86_400)
