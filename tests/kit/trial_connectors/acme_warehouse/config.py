"""Settings of one warehouse."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class WarehouseConfig(BaseModel):
    """One database.

    Attributes:
        conninfo: address of the database with user and password, as libpq takes it.
        table: the table that is written to.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    conninfo: SecretStr
    table: str = Field(default="customers", pattern=r"^[a-z_]+$", examples=["customers"])
