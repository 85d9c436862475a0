"""What the configuration file holds, section by section: names, bounds and defaults."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from counterfoil.app.destination_settings import DestinationSettings
from counterfoil.app.dunning_settings import DunningSettings
from counterfoil.app.loop_settings import LoopSettings
from counterfoil.app.matching_settings import MatchingSettings
from counterfoil.app.notify_settings import NotifySettings
from counterfoil.app.ownership_settings import OwnershipSettings
from counterfoil.app.release_settings import RulesSettings
from counterfoil.app.retention_settings import RetentionSettings
from counterfoil.app.sending_settings import DomainSettings, MaintenanceSettings, checked_zone


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HubSettings(_Strict):
    """Where the hub keeps its state and where it listens."""

    home: Path = Path(".counterfoil")
    database_url: str = ""
    host: str = "127.0.0.1"
    port: int = Field(default=8400, ge=0, le=65535)
    health_host: str = "127.0.0.1"
    health_port: int | None = Field(default=None, ge=0, le=65535)
    linger_s: float = Field(default=0.0, ge=0, le=60)
    does_migrate: bool = True
    poll_interval_s: float = Field(default=60.0, gt=0)
    capture_interval_s: float = Field(default=60.0, gt=0)
    sweep_interval_s: float = Field(default=3600.0, gt=0)
    prove_interval_s: float = Field(default=86400.0, ge=0)
    stop_wait_s: float = Field(default=10.0, ge=0)
    wait_limit_s: float = Field(default=3600.0, gt=0)


class EntitySettings(_Strict):
    """One legal entity: where its books are and how its facts are posted. Amounts are in the currency's minor units."""

    target: str
    currency: str = Field(pattern=r"^[A-Z]{3}$", examples=["EUR"])
    time_zone: str
    posting: Literal["detailed", "summary"] = "detailed"
    posting_from: date | None = None
    locked_period: Literal["first_open_day", "park"] = "first_open_day"
    products: Literal["create", "mapped"] = "create"
    zero_invoices: Literal["post", "skip"] = "post"
    dispute_lost: Literal["bad_debt", "adjustment"] = "bad_debt"
    rounding_tolerance_minor: int | None = Field(default=None, ge=0)
    deferred_groups: tuple[str, ...] = ()
    uncredited_refunds: Literal["case", "account"] = "case"
    collecting_customer: str = Field(default="", pattern=r"^([a-z0-9_]+:[^\s]+)?$", examples=["billing:cus_1ABC"])
    observe_only: bool = False

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return checked_zone(value)


class RouteSettings(_Strict):
    """One routing rule; empty conditions match anything. Rules are tried in order; no match is a case."""

    entity: str
    connection: str = ""
    account: str = ""
    country: str = ""
    currency: str = ""


class ConnectionSettings(BaseModel):
    """One connection: which connector, and that connector's own settings."""

    model_config = ConfigDict(extra="allow")
    connector: str
    lane: Literal["real_time", "micro_batch", "batch"] = "real_time"
    maintenance: tuple[MaintenanceSettings, ...] = ()
    late_s: float = Field(default=130.0, ge=0, le=3600)
    allow_plain_http: bool = False
    poll_interval_s: float | None = Field(default=None, gt=0)


class FileSettings(_Strict):
    """The whole file."""

    hub: HubSettings = HubSettings()
    connections: dict[str, ConnectionSettings] = {}
    entities: dict[str, EntitySettings] = {}
    routes: tuple[RouteSettings, ...] = ()
    destinations: tuple[DestinationSettings, ...] = ()
    dunning: tuple[DunningSettings, ...] = ()
    ownership: tuple[OwnershipSettings, ...] = ()
    matching: tuple[MatchingSettings, ...] = ()
    loops: LoopSettings = LoopSettings()
    domains: tuple[DomainSettings, ...] = ()
    mappings: dict[str, dict[str, dict[str, str]]] = {}  # kind -> entity -> key -> value
    notify: tuple[NotifySettings, ...] = ()
    retention: RetentionSettings = RetentionSettings()
    rules: RulesSettings = RulesSettings()

    def written_to(self) -> set[str]:
        """Return the connections that something is written to: books, and the destinations of every other purpose."""
        return {entity.target for entity in self.entities.values()} | {one.connection for one in self.destinations}

    def intervals(self) -> dict[str, float]:
        """Return how often each connection is read, in seconds."""
        targets = {entity.target for entity in self.entities.values()}
        hub = self.hub
        return {
            name: one.poll_interval_s or (hub.capture_interval_s if name in targets else hub.poll_interval_s)
            for name, one in self.connections.items()
        }
