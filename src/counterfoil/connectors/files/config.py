"""Settings of a files connection."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator


class FilesIntake(BaseModel):
    """What taking deliveries needs: nothing, as files come through the inbox and webhooks are refused."""


class FilesConfig(BaseModel):
    """Where files come from and go to, and how they are written.

    Attributes:
        inbox: folder that is read; nothing in it is changed. outbox: folder that is written.
        namespace: the id space of the rows: the customer ``17`` becomes ``<namespace>:17``. Never change it once rows were read.
        delimiter, encoding: of CSV files read; a byte order mark is passed over. Files written are UTF-8.
        output: what the outbox is written as.
        time_zone: IANA name; a date without a time is noon of this zone, so that it stays the same day in the books.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    inbox: Path
    outbox: Path
    namespace: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$", examples=["files"])
    delimiter: Literal[",", ";", "\t", "|"] = ","
    encoding: Literal["utf-8", "cp1252", "latin-1", "iso-8859-15"] = "utf-8"
    output: Literal["jsonl", "csv"] = "jsonl"
    time_zone: str = "UTC"

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is not an IANA time zone, such as Europe/Berlin") from error
        return value
