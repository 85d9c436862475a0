"""What the shell of a connector gets to work with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from counterfoil.kit.calling import Client
    from counterfoil.kit.clock import Clock
    from counterfoil.kit.http import HttpClient


@dataclass(frozen=True, slots=True)
class Context:
    """What a connector's shell gets to work with: its own configured connection, its client with the shared budget, the clock.

    ``settings`` is an instance of the connector's config class; ``connection`` the configured name. ``state`` is a per-process cache the
    connector may fill (detected version, resolved ids); losing it is harmless.
    """

    connection: str
    settings: Any
    client: Client
    clock: Clock
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def http(self) -> HttpClient:
        """The client of a connector that speaks HTTP."""
        return cast("HttpClient", self.client)
