"""The control interface under ``/_control`` and the same in Python: records, clock, limits, sessions, locks, rules, fields.

README.md documents it with examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from counterfoil.kit.sandbox import Sandbox, Trigger, answered, set_field

from .bulk import Bulk
from .bus import Bus
from .checking import Rule
from .errors import SalesforceError
from .limits import Limits
from .oauth import Sessions
from .rest import Rest
from .schema import Field
from .world import Late, Record, World

Obj = dict[str, Any]


class Control(Sandbox):
    """The part of the sandbox class that steers it; the server adds the API."""

    client_id = "3MVG9sandbox"
    client_secret = "salesforce-sandbox-secret"
    username = "hub@blueharbor.example"

    def __init__(self, seed: int, world: World) -> None:
        super().__init__(seed)
        self.world = world
        self.rest = Rest(world)
        self.bulk = Bulk(self.rest)
        self.bus = Bus(world, seed)
        self.limits = Limits()
        self.sessions = Sessions(self.client_id, self.client_secret, self.username)

    def run_clock(self) -> None:
        """Let the clock show the time of day from now on."""
        self.world.run()

    def details(self) -> Obj:
        """Return address, org, client id and secret."""
        return {
            **super().details(),
            "org_id": self.world.org_id,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "username": self.username,
            "currency": self.world.currency,
        }

    # What happens in Salesforce's own pages

    def create(self, type_name: str, **values: Any) -> Record:
        """Make a record."""
        return self.world.create(type_name, values)

    def update(self, record: Record, **values: Any) -> None:
        """Change a record."""
        self.world.update(record.type, record.id, values)

    def delete(self, record: Record) -> None:
        """Put a record into the recycle bin."""
        self.world.delete(record.type, record.id)

    def restore(self, record: Record) -> None:
        """Take a record out of the recycle bin."""
        self.world.undelete(record.id)

    def merge(self, winner: Record, *losers: Record) -> Record:
        """Merge records into another."""
        return self.world.merge(winner.id, *(one.id for one in losers))

    def begin(self) -> Late:
        """Begin a transaction that is committed late."""
        return self.world.begin()

    def add_field(self, type_name: str, name: str, **more: Any) -> None:
        """Let a type have a field of the org's own (``Shop_Number__c``), which the hub's user may see and write."""
        self.world.types[type_name].fields[name] = Field(name, **more)

    def scenes(self) -> Mapping[str, Trigger]:
        """Return scenes that make something happen each, by a name."""
        return {
            "account.created": lambda: {"Account": self.create("Account", Name="Blue Harbor", Website="https://blueharbor.example").id},
            "opportunity.won": self._won,
            "account.merged": self._merged,
            "account.deleted": self._deleted,
        }

    def _won(self) -> Mapping[str, str]:
        account = self.create("Account", Name="Blue Harbor")
        deal = self.create("Opportunity", Name="100 seats", AccountId=account.id, StageName="Closed Won", CloseDate="2026-01-31")
        self.create("OpportunityLineItem", OpportunityId=deal.id, Quantity=100, UnitPrice=12.0)
        return {"Account": account.id, "Opportunity": deal.id}

    def _merged(self) -> Mapping[str, str]:
        winner, loser = self.create("Account", Name="Blue Harbor"), self.create("Account", Name="Blue Harbour")
        self.merge(winner, loser)
        return {"Account": winner.id}

    def _deleted(self) -> Mapping[str, str]:
        account = self.create("Account", Name="Blue Harbor")
        self.delete(account)
        return {"Account": account.id}

    # The same over HTTP

    def control(self, app: web.Application) -> None:
        """Add the control routes."""
        for path, do in {
            "records": self._control_records,
            "clock": self._control_clock,
            "limits": self._control_limits,
            "sessions": self._control_sessions,
            "locks": self._control_locks,
            "rules": self._control_rules,
            "fields": self._control_fields,
            "bulk": self._control_bulk,
            "stream": self._control_stream,
        }.items():
            app.router.add_post(f"/_control/{path}", answered(do, SalesforceError))

    def _control_records(self, _request: web.Request, body: Obj) -> Obj:
        """Do what the API cannot: ``{"merge": [winner, loser]}``, ``{"undelete": id}``, ``{"purge": id}``."""
        if "merge" in body:
            return {"id": self.world.merge(*map(str, body["merge"])).id}
        if "undelete" in body:
            self.world.undelete(str(body["undelete"]))
            return {"id": body["undelete"]}
        self.world.purge(str(body["purge"]))
        return {"id": body["purge"]}

    def _control_clock(self, _request: web.Request, body: Obj) -> Obj:
        if "show" in body:
            self.world.show(datetime.fromisoformat(str(body["show"])))
        self.world.advance(float(body.get("advance_s", 0)))
        if "bin_days" in body:
            self.world.kept_ms = int(float(body["bin_days"]) * 86_400_000)
        if body.get("run"):
            self.world.run()
        return {"now_ms": self.world.now_ms}

    def _control_limits(self, _request: web.Request, body: Obj) -> Obj:
        for name, value in body.items():
            set_field(self.limits, name, value)
        return dict(vars(self.limits))

    def _control_sessions(self, _request: web.Request, body: Obj) -> Obj:
        """End all sessions (``end``), set how long new ones last (``life_s``), block the app or let it in again (``is_blocked``)."""
        if body.get("end"):
            self.sessions.end_all()
        self.sessions.life_s = float(body.get("life_s", self.sessions.life_s))
        self.sessions.is_blocked = bool(body.get("is_blocked", self.sessions.is_blocked))
        return {"issued": self.sessions.issued, "life_s": self.sessions.life_s, "is_blocked": self.sessions.is_blocked}

    def _control_locks(self, _request: web.Request, body: Obj) -> Obj:
        self.world.locks.update({str(id): int(count) for id, count in body.items()})
        return dict(self.world.locks)

    def _control_rules(self, _request: web.Request, body: Obj) -> Obj:
        self.world.rules[:] = [Rule(**one) for one in body["rules"]]
        return {"rules": [vars(one) for one in self.world.rules]}

    def _control_bulk(self, _request: web.Request, body: Obj) -> Obj:
        for name, value in body.items():
            set_field(self.bulk.pace, name, value)
        return dict(vars(self.bulk.pace))

    def _control_stream(self, _request: web.Request, body: Obj) -> Obj:
        """Say which types are told (``selected``), whether as gaps (``is_gapping``) or not at all (``is_silent``).

        ``overflow``: tell of a type that too much of it changed; ``publish``: a platform event, with its ``values``.
        """
        self.bus.selected = set(body.get("selected", self.bus.selected))
        self.bus.is_gapping = bool(body.get("is_gapping", self.bus.is_gapping))
        self.bus.is_silent = bool(body.get("is_silent", self.bus.is_silent))
        if "overflow" in body:
            self.bus.overflow(str(body["overflow"]))
        if "publish" in body:
            self.bus.define(str(body["publish"]), **dict.fromkeys(body["values"], "string"))
            self.bus.publish(str(body["publish"]), body["values"])
        return {"selected": sorted(self.bus.selected), "is_gapping": self.bus.is_gapping, "is_silent": self.bus.is_silent}

    def _control_fields(self, _request: web.Request, body: Obj) -> Obj:
        """Add a field of the org's own, remove it, hide it from the hub's user or show it: ``do`` says which."""
        name, field_name = str(body["type"]), str(body["name"])
        if body["do"] == "add":
            self.add_field(name, field_name, **body.get("more", {}))
        elif body["do"] == "remove":
            del self.world.types[name].fields[field_name]
        elif body["do"] == "hide":
            self.world.hidden.add((name, field_name))
        else:
            self.world.hidden.discard((name, field_name))
        return {"fields": sorted(self.world.types[name].fields)}
