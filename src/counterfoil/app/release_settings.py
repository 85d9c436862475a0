"""Part ``[rules]`` of the configuration file: how a changed file comes into force."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Approval(StrEnum):
    """What a changed file needs before anything is decided by it. The one that holds is that of the release in force, not of the file."""

    NONE = "none"  # a start with it
    SELF = "self"  # a command, which may be given by whoever changed it
    REQUIRED = "required"  # the approval of another person


class RulesSettings(BaseModel):
    """How a changed file comes into force."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    approval: Approval = Approval.NONE
