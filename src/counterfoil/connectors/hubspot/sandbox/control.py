"""The control interface under ``/_control`` and the same in Python: records, clock, index lag, limits, deliveries, scopes.

README.md documents it with examples.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from counterfoil.kit.sandbox import Sandbox, Trigger, answered, set_field

from .courier import Courier
from .crm import Crm
from .errors import HubspotError
from .journal import Journal
from .limits import Limits
from .types import TYPES, Obj, Type
from .world import Record, World

SCOPES = tuple(f"crm.{what}.{path}.{right}" for what in ("objects", "schemas") for path in TYPES for right in ("read", "write"))


class Control(Sandbox):
    """The part of the sandbox class that steers it; the server adds the API.

    ``scopes``: what the token may do. ``app_tokens``: those that the app got by its refresh token, ``renewed`` of them ever, as
    long as it ``is_installed``.
    """

    access_token = "pat-na1-sandbox-token"
    client_id = "hubspot-sandbox-client"
    client_secret = "hubspot-sandbox-client-secret"
    refresh_token = "hubspot-sandbox-refresh-token"

    def __init__(self, seed: int, portal_id: int, index_lag_s: float) -> None:
        super().__init__(seed)
        self.world = World(portal_id, index_lag_ms=int(index_lag_s * 1000))
        self.world.tell = self._tell
        self.crm = Crm(self.world)
        self.limits = Limits()
        self.journal = Journal(portal_id, lambda: self.world.now_ms)
        self.courier = Courier(self.client_secret, seed)
        self.courier.now_ms = lambda: self.world.now_ms
        self.scopes = set(SCOPES)
        self.client_tokens: set[str] = set()
        self.app_tokens: set[str] = set()
        self.token_life_s = 1_800
        self.is_installed = True
        self.renewed = self.token_calls = 0
        self.events: list[Obj] = []
        self._event_ids = itertools.count(1)

    async def start(self, port: int = 0) -> str:
        """Listen on loopback and begin delivering."""
        await self.courier.start()
        return await super().start(port)

    async def stop(self) -> None:
        """Stop delivering and listening."""
        await self.courier.stop()
        await super().stop()

    def subscribe(self, url: str) -> str:
        """Have everything that happens delivered to an address; returns the app's secret, which it is signed with."""
        self.courier.url = url
        return self.client_secret

    def run_clock(self) -> None:
        """Let the clock show the time of day from now on."""
        self.world.run()

    def details(self) -> Obj:
        """Return address, account, token, client id and secret."""
        return {
            **super().details(),
            "portal_id": self.world.portal_id,
            "access_token": self.access_token,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "refresh_token": self.refresh_token,
            "currency": self.world.currency,
        }

    # What happens in HubSpot's own pages

    def rule(self, path: str, name: str, pattern: str, code: str = "INVALID_VALUE") -> None:
        """Have values of a property keep to a pattern from now on; an empty one takes the rule back."""
        self.world.properties.rules[path, name] = (code, pattern)
        if not pattern:
            del self.world.properties.rules[path, name]

    def create(self, path: str, **properties: Any) -> Record:
        """Make a record."""
        return self.world.create(TYPES[path], properties)

    def update(self, record: Record, **properties: Any) -> None:
        """Change a record."""
        self.world.update(record.type, record.id, properties)

    def associate(self, record: Record, *others: Record) -> None:
        """Let a record belong to others."""
        for other in others:
            self.world.associate(record.type, record.id, other.type, other.id)

    def label(self, record: Record, other: Record, label: str) -> None:
        """Give the way in which a record belongs to another a label, which is made if there is none yet; ``Primary`` is HubSpot's own."""
        listed = self.world.labels.listed(record.type, other.type)
        known = {one["label"]: one["typeId"] for one in listed}
        type_id = known.get(label) or self.world.labels.define(record.type, other.type, label)[0]
        self.world.mark(record.type, record.id, other.type, other.id, (type_id,))

    def delete(self, record: Record) -> None:
        """Delete a record."""
        self.world.archive(record.type, record.id)

    def restore(self, record: Record) -> None:
        """Take a deletion back."""
        self.world.restore(record.type, record.id)

    def erase(self, record: Record) -> None:
        """Delete a contact for good."""
        self.world.erase(record.type, record.id)

    def merge(self, primary: Record, other: Record) -> Record:
        """Merge a record into another."""
        return self.world.merge(primary.type, primary.id, other.id)

    def scenes(self) -> Mapping[str, Trigger]:
        """Return scenes that make an event each, by its name."""
        return {
            "company.creation": lambda: {"company": self.create("companies", name="Blue Harbor", domain="blueharbor.example").id},
            "contact.creation": lambda: {"contact": self.create("contacts", firstname="Mira", email=self._email()).id},
            "deal.creation": lambda: {"deal": self.create("deals", dealname="100 seats", amount="1200.00").id},
            "company.merge": self._merged_companies,
            "contact.privacyDeletion": self._erased_contact,
        }

    def _email(self) -> str:
        return f"mira{len(self.world.records)}@blueharbor.example"

    def _merged_companies(self) -> Mapping[str, str]:
        survivor = self.merge(self.create("companies", name="Blue Harbor"), self.create("companies", name="Blue Harbour"))
        return {"company": survivor.id}

    def _erased_contact(self) -> Mapping[str, str]:
        contact = self.create("contacts", firstname="Mira", email=self._email())
        self.erase(contact)
        return {"contact": contact.id}

    def _tell(self, action: str, type_: Type, told: Obj) -> None:
        """Make an event of what happened: in the journal, and for the app."""
        event = {
            "eventId": next(self._event_ids),
            "subscriptionId": 2_000 + sorted(TYPES).index(type_.path),
            "portalId": self.world.portal_id,
            "appId": 900,
            "subscriptionType": f"{type_.name}.{action}",
            "changeSource": "CRM_UI",
            "attemptNumber": 0,
            **told,
        }
        self.journal.add(action, type_, told)
        self.events.append(event)
        self.courier.add(event)

    # The same over HTTP

    def control(self, app: web.Application) -> None:
        """Add the control routes."""
        for path, do in {
            "records": self._control_records,
            "clock": self._control_clock,
            "search": self._control_search,
            "limits": self._control_limits,
            "deliveries": self._control_deliveries,
            "scopes": self._control_scopes,
            "rules": self._control_rules,
            "app": self._control_app,
        }.items():
            app.router.add_post(f"/_control/{path}", answered(do, HubspotError))
        app.router.add_get("/_control/events", self._get_events)
        app.router.add_get("/_control/deliveries", self._get_deliveries)

    def _control_records(self, _request: web.Request, body: Obj) -> Obj:
        """Restore a record, which the API cannot: ``{"restore": {"type": "deals", "id": "101"}}``."""
        asked = body["restore"]
        self.world.restore(TYPES[asked["type"]], str(asked["id"]))
        return {"id": asked["id"]}

    def _control_clock(self, _request: web.Request, body: Obj) -> Obj:
        if "show" in body:
            self.world.show(datetime.fromisoformat(str(body["show"])))
        self.world.advance(float(body.get("advance_s", 0)))
        if body.get("run"):
            self.world.run()
        return {"now_ms": self.world.now_ms}

    def _control_search(self, _request: web.Request, body: Obj) -> Obj:
        self.world.index_lag_ms = int(float(body["index_lag_s"]) * 1000)
        return {"index_lag_ms": self.world.index_lag_ms}

    def _control_limits(self, _request: web.Request, body: Obj) -> Obj:
        for name, value in body.items():
            set_field(self.limits, name, value)
        return {name: value for name, value in vars(self.limits).items() if not name.startswith("_")}

    def _control_deliveries(self, _request: web.Request, body: Obj) -> Obj:
        return dict(vars(self.courier.set_policy(**body)))

    def _control_scopes(self, _request: web.Request, body: Obj) -> Obj:
        self.scopes = {str(one) for one in body["scopes"]}
        return {"scopes": sorted(self.scopes)}

    def end_tokens(self) -> None:
        """Let every token of the app end at once."""
        self.app_tokens.clear()
        self.client_tokens.clear()

    def uninstall(self) -> None:
        """Let somebody of the account uninstall the app: no token of it is good any more, nor is its refresh token."""
        self.is_installed = False
        self.end_tokens()

    def _control_app(self, _request: web.Request, body: Obj) -> Obj:
        """End its tokens, uninstall it or install it again: ``{"end_tokens": true}``, ``{"is_installed": false}``."""
        if body.get("end_tokens"):
            self.end_tokens()
        if body.get("is_installed") is False:
            self.uninstall()
        self.is_installed = bool(body.get("is_installed", self.is_installed))
        return {"is_installed": self.is_installed, "renewed": self.renewed}

    def _control_rules(self, _request: web.Request, body: Obj) -> Obj:
        """Set a validation rule: ``{"type": "companies", "property": "name", "pattern": "[A-Z].*", "code": "INVALID_NAME"}``."""
        type_, name = TYPES[body["type"]], str(body["property"])
        self.rule(type_.path, name, str(body["pattern"]), str(body.get("code") or "INVALID_VALUE"))
        return {"rules": len(self.world.properties.rules)}

    async def _get_events(self, _request: web.Request) -> web.Response:
        return web.json_response({"events": self.events})

    async def _get_deliveries(self, _request: web.Request) -> web.Response:
        rows = [{"url": one.url, "events": one.events, "outcomes": one.outcomes} for one in self.courier.deliveries]
        return web.json_response({"is_idle": self.courier.is_idle, "deliveries": rows})
