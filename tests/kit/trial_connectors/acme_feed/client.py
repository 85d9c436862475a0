"""gRPC only: how a feed is called."""

from __future__ import annotations

from counterfoil.kit.grpc import GrpcClient
from counterfoil.kit.limits import LocalBudget

from .config import FeedConfig


def client(settings: FeedConfig) -> GrpcClient:
    """Return the (unopened) client of one connection."""
    return GrpcClient(
        settings.target,
        metadata=lambda: {"authorization": settings.token.get_secret_value()},
        connect_timeout_s=2.0,
        budget=LocalBudget(rate_per_s=10, concurrency_max=2),
    )
