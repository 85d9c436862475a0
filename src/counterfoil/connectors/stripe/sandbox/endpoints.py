"""The calls about events, webhook endpoints and event destinations.

Sources: https://docs.stripe.com/api/events, /webhook_endpoints, /v2/core/events, /v2/core/event-destinations.
"""

from __future__ import annotations

from typing import Any

from . import errors, lists
from .calls import Call, Page, Plain, route
from .events import Recorded
from .forms import Obj
from .timeline import iso
from .world import Account

KNOWN_TYPES_MAX = 20


def new_endpoint(account: Account, url: str, enabled_events: list[str], api_version: str | None = None, secret: str = "") -> Obj:
    """Register a webhook endpoint; ``api_version`` None renders events in the account's version."""
    endpoint: Obj = {
        "id": account.new_id("we"),
        "object": "webhook_endpoint",
        "api_version": api_version,
        "application": None,
        "created": account.now(),
        "description": None,
        "enabled_events": enabled_events,
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": url,
        "_secrets": [secret or f"whsec_{account.world.ids.letters(32)}"],
        "_version": api_version or account.api_version,
    }
    return account.add(endpoint)


@route("POST", "/v1/webhook_endpoints")
def _create(call: Call) -> Obj:
    events = call.list("enabled_events")
    if not events:
        raise errors.required("enabled_events")
    endpoint = new_endpoint(call.account, call.need("url"), events, call.text("api_version"))
    endpoint["description"] = call.text("description")
    endpoint["metadata"] = call.metadata({})
    return endpoint | {"secret": endpoint["_secrets"][0]}


@route("POST", "/v1/webhook_endpoints/{id}")
def _update(call: Call) -> Obj:
    endpoint = call.account.get("webhook_endpoint", call.args[0])
    call.assign(endpoint, "url", "description")
    if call.has("enabled_events"):
        endpoint["enabled_events"] = call.list("enabled_events")
    if call.has("disabled"):
        endpoint["status"] = "disabled" if call.flag("disabled") else "enabled"
    endpoint["metadata"] = call.metadata(endpoint["metadata"])
    return endpoint


@route("DELETE", "/v1/webhook_endpoints/{id}")
def _delete(call: Call) -> Obj:
    endpoint = call.account.get("webhook_endpoint", call.args[0])
    endpoint["status"] = "disabled"
    return call.account.remove(endpoint)


@route("GET", "/v1/events")
def _list_events(call: Call) -> Plain:
    types = call.texts("types")
    if len(types) > KNOWN_TYPES_MAX:
        raise errors.invalid(f"You can specify at most {KNOWN_TYPES_MAX} types.", "types")
    kind = call.text("type")
    prefix = kind[:-1] if kind is not None and kind.endswith(".*") else None
    wanted = call.flag("delivery_success") if call.text("delivery_success") is not None else None
    created = lists.range_test(call, "created")

    def test(event: Recorded) -> bool:
        if types and event.type not in types:
            return False
        if kind is not None and not (event.type.startswith(prefix) if prefix else event.type == kind):
            return False
        if wanted is not None and (event.undelivered == 0) != wanted:
            return False
        return created is None or created({"created": event.created})

    rows = call.world.journal.newest_first(call.account)
    items, has_more = lists.window(call, rows, lambda event: str(event.id), test)
    return Plain({"object": "list", "data": [event.snapshot() for event in items], "has_more": has_more, "url": "/v1/events"})


@route("GET", "/v1/events/{id}")
def _retrieve_event(call: Call) -> Plain:
    event = call.world.journal.find(call.account, call.args[0])
    if event is None:
        raise errors.missing("event", call.args[0])
    return Plain(event.snapshot())


@route("GET", "/v2/core/events/{id}")
def _retrieve_thin(call: Call) -> Plain:
    event = call.world.journal.find(call.account, call.args[0])
    if event is None:
        raise errors.missing("event", call.args[0])
    return Plain(event.thin())


@route("GET", "/v2/core/events")
def _list_thin(call: Call) -> Plain:
    wanted, types = call.text("object_id"), call.texts("types")
    limit = lists.limit_of(call)
    page = call.text("page")
    rows = [
        event
        for event in call.world.journal.newest_first(call.account)
        if wanted in (None, event.object_id) and (not types or f"v1.{event.type}" in types)
    ]
    first = int(page) if page and page.isdigit() else 0
    shown = rows[first : first + limit]
    following = f"/v2/core/events?page={first + limit}&limit={limit}" if len(rows) > first + limit else None
    before = f"/v2/core/events?page={max(0, first - limit)}&limit={limit}" if first else None
    return Plain({"data": [event.thin() for event in shown], "next_page_url": following, "previous_page_url": before})


def new_destination(account: Account, given: Obj) -> Obj:
    """Register a v2 event destination of the kind webhook_endpoint, with thin or snapshot payloads."""
    payload = given.get("event_payload") or "thin"
    now = iso(account.now())
    destination: Obj = {
        "id": f"ed_test_{account.world.ids.letters(24)}",
        "object": "v2.core.event_destination",
        "created": now,
        "description": given.get("description") or "",
        "enabled_events": list(given.get("enabled_events") or ["*"]),
        "event_payload": payload,
        "events_from": ["self"],
        "livemode": False,
        "metadata": given.get("metadata") or {},
        "name": given.get("name") or "",
        "snapshot_api_version": given.get("snapshot_api_version") if payload == "snapshot" else None,
        "status": "enabled",
        "type": "webhook_endpoint",
        "updated": now,
        "url": (given.get("webhook_endpoint") or {}).get("url"),
        "_secrets": [f"whsec_{account.world.ids.letters(32)}"],
        "_version": given.get("snapshot_api_version") or account.api_version,
    }
    return account.add(destination)


def _shown(destination: Obj, secret: str | None = None) -> Plain:
    body = {key: value for key, value in destination.items() if key[0] != "_" and key != "url"}
    return Plain(body | {"webhook_endpoint": {"signing_secret": secret, "url": destination["url"]}})


@route("POST", "/v2/core/event_destinations")
def _create_destination(call: Call) -> Plain:
    if not (call.object("webhook_endpoint").get("url")):
        raise errors.required("webhook_endpoint.url")
    destination = new_destination(call.account, call.params)
    return _shown(destination, destination["_secrets"][0])


@route("GET", "/v2/core/event_destinations")
def _list_destinations(call: Call) -> Plain:
    rows = [_shown(d).body for d in call.account.table("v2.core.event_destination").newest_first()]
    return Plain({"data": rows, "next_page_url": None, "previous_page_url": None})


def _destination(call: Call) -> Obj:
    return call.account.get("v2.core.event_destination", call.args[0])


@route("GET", "/v2/core/event_destinations/{id}")
def _retrieve_destination(call: Call) -> Plain:
    return _shown(_destination(call))


@route("POST", "/v2/core/event_destinations/{id}/disable")
def _disable(call: Call) -> Plain:
    destination = _destination(call)
    destination["status"] = "disabled"
    return _shown(destination)


@route("POST", "/v2/core/event_destinations/{id}/enable")
def _enable(call: Call) -> Plain:
    destination = _destination(call)
    destination["status"] = "enabled"
    return _shown(destination)


@route("DELETE", "/v2/core/event_destinations/{id}")
def _delete_destination(call: Call) -> Plain:
    destination = _destination(call)
    destination["status"] = "disabled"
    call.account.remove(destination)
    return Plain({"id": destination["id"]})


@route("GET", "/v1/webhook_endpoints")
def _list(call: Call) -> Page:
    return lists.page(call, call.account.table("webhook_endpoint").newest_first())


def versions(account: Account) -> set[str]:
    """Return the API versions events of an account are rendered in: its own and those of its endpoints."""
    found: set[str] = {account.api_version}
    for kind in ("webhook_endpoint", "v2.core.event_destination"):
        table: Any = account.tables.get(kind)
        if table is not None:
            found.update(endpoint["_version"] for endpoint in table.rows.values())
    return found


lists.serve("/v1/webhook_endpoints", "webhook_endpoint", is_listed=False)
