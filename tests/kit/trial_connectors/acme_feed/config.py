"""Settings of one feed."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class FeedIntake(BaseModel):
    """What taking deliveries needs: nothing, as everything is streamed."""


class FeedConfig(BaseModel):
    """One feed.

    Attributes:
        target: the server, `host:port`.
        token: sent with every call.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: str = Field(pattern=r"^[^\s/]+:\d+$", examples=["feed.example.com:443"])
    token: SecretStr
