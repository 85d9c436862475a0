"""Settings of how things are sent: maintenance windows of a connection, lanes and service levels of a data domain."""

from __future__ import annotations

from datetime import datetime, time
from typing import TYPE_CHECKING, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from counterfoil.core.commands import DOMAINS
from counterfoil.core.language.commands import Lane
from counterfoil.core.policies.lanes import LaneRule
from counterfoil.kit.windows import Dated, Weekly, Window

if TYPE_CHECKING:
    DomainName = str
else:
    DomainName = Literal[DOMAINS]
    """The name of a data domain: one that a kind of command belongs to."""

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def checked_zone(value: str) -> str:
    """Return the name of a time zone. Raises ValueError if there is none of this name."""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{value!r} is not an IANA time zone; write for example Europe/Berlin") from error
    return value


class _Zoned(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    time_zone: str = "UTC"

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return checked_zone(value)


class MaintenanceSettings(_Zoned):
    """A window in which nothing is sent to the connection and no case opened: weekly (days, starts, ends) or dated (starts_at, ends_at)."""

    days: tuple[Weekday, ...] = ()
    starts: time | None = None
    ends: time | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    @model_validator(mode="after")
    def _is_one_window(self) -> Self:
        is_weekly = bool(self.days) and self.starts is not None and self.ends is not None
        is_dated = self.starts_at is not None and self.ends_at is not None
        has_weekly = bool(self.days) or self.starts is not None or self.ends is not None
        has_dated = self.starts_at is not None or self.ends_at is not None
        if is_weekly == is_dated or (is_weekly and has_dated) or (is_dated and has_weekly):
            raise ValueError("a window is weekly, with days, starts and ends, or dated, with starts_at and ends_at")
        window = self.window()
        if isinstance(window, Dated) and window.ends_at_ <= window.starts_at:
            raise ValueError("the window ends before it starts")
        return self

    def window(self) -> Window:
        """Return the window."""
        zone = ZoneInfo(self.time_zone)
        if self.starts_at is not None and self.ends_at is not None:
            return Dated(*(at if at.tzinfo else at.replace(tzinfo=zone) for at in (self.starts_at, self.ends_at)))
        days = frozenset(DAYS.index(day) for day in self.days)
        return Weekly(days, self.starts or time(0), self.ends or time(0), zone)


class DomainSettings(_Zoned):
    """How one data domain is sent, and how soon it is promised to be."""

    name: DomainName
    entity: str = ""
    lane: Literal["real_time", "micro_batch", "batch"] | None = None
    collect_s: float = Field(default=30.0, gt=0, le=3600)
    every_s: float = Field(default=0.0, ge=0, le=86400)
    at: tuple[time, ...] = ()
    within_s: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _fits_its_lane(self) -> Self:
        if (self.every_s or self.at) and self.lane != "batch":
            raise ValueError('every_s and at are for lane = "batch"')
        if self.every_s and self.at:
            raise ValueError("a batch goes every so many seconds or at times of day, not both")
        if "collect_s" in self.model_fields_set and self.lane != "micro_batch":
            raise ValueError('collect_s is for lane = "micro_batch"')
        return self

    def rule(self) -> LaneRule:
        """Return the rule."""
        lane = None if self.lane is None else Lane[self.lane.upper()]
        return LaneRule(self.name, self.entity, lane, self.collect_s, self.every_s, self.at, ZoneInfo(self.time_zone), self.within_s)
