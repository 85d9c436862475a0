"""A source that streams its customers over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterfoil.kit.connector import Connector

from .config import FeedConfig, FeedIntake
from .feed import Feed

if TYPE_CHECKING:
    from counterfoil.kit.grpc import GrpcClient

    from .sandbox import FeedServer


def _client(settings: FeedConfig) -> GrpcClient:
    """Return the client of one connection; the driver is loaded only when something is to be read."""
    from .client import client

    return client(settings)


def _sandbox() -> FeedServer:
    """Return the other side; its code is loaded only when it is asked for."""
    from .sandbox import FeedServer

    return FeedServer()


_FEED = Feed()

CONNECTOR = Connector(
    name="acme_feed",
    config=FeedConfig,
    intake=FeedIntake,
    client=_client,
    source=_FEED,
    listens=_FEED,
    tells=("customer",),
    sandbox=_sandbox,
)
