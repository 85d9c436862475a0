"""Search: filters, order, pages, and its limits. https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from .errors import HubspotError, malformed
from .types import Obj, Type
from .world import Record, World

SEARCHED_MAX = 10_000
LIMIT_MAX = 200
GROUPS_MAX, FILTERS_MAX = 5, 6


_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "EQ": lambda own, given: bool(own == given),
    "NEQ": lambda own, given: bool(own != given),
    "LT": lambda own, given: bool(own < given),
    "LTE": lambda own, given: bool(own <= given),
    "GT": lambda own, given: bool(own > given),
    "GTE": lambda own, given: bool(own >= given),
}


def search(world: World, type_: Type, body: Obj) -> tuple[int, list[tuple[Record, dict[str, str]]], int | None]:
    """Return how many there are, one page of them as search knows them, and where the next one begins. Raises HubspotError."""
    limit, after = _count(body.get("limit", 10), "limit"), _count(body.get("after") or 0, "after")
    if not 0 < limit <= LIMIT_MAX:
        raise malformed(f"limit must be at most {LIMIT_MAX}")
    if after + limit > SEARCHED_MAX:
        raise HubspotError(400, "VALIDATION_ERROR", f"The paging offset may not exceed {SEARCHED_MAX}")
    groups = body.get("filterGroups") or []
    if not isinstance(groups, list) or len(groups) > GROUPS_MAX or any(len(group.get("filters", [])) > FILTERS_MAX for group in groups):
        raise malformed(f"at most {GROUPS_MAX} groups of {FILTERS_MAX} filters")
    found = [one for one in world.searchable(type_) if not groups or any(_fits(world, type_, group, one[1]) for group in groups)]
    for sort in reversed(body.get("sorts") or [{"propertyName": "createdate", "direction": "ASCENDING"}]):
        name = str(sort["propertyName"] if isinstance(sort, dict) else sort)
        is_down = isinstance(sort, dict) and sort.get("direction") == "DESCENDING"
        found.sort(key=lambda one, name=name: _sortable(one[1].get(name, "")), reverse=is_down)
    end = after + limit
    return len(found), found[after:end], end if end < len(found) else None


def _fits(world: World, type_: Type, group: Obj, values: dict[str, str]) -> bool:
    return all(_holds(world, type_, one, values) for one in group.get("filters", []))


def _holds(world: World, type_: Type, one: Obj, values: dict[str, str]) -> bool:
    name, operator = str(one.get("propertyName")), str(one.get("operator"))
    if not world.properties.has(type_, name):
        raise malformed(f"there is no property {name}")
    own = values.get(name, "")
    if operator in ("HAS_PROPERTY", "NOT_HAS_PROPERTY"):
        return bool(own) == (operator == "HAS_PROPERTY")
    if operator in ("IN", "NOT_IN"):
        given = [_sortable(str(value)) for value in one.get("values") or []]
        return (_sortable(own) in given) == (operator == "IN")
    if operator == "BETWEEN":
        return bool(own) and _sortable(str(one.get("value"))) <= _sortable(own) <= _sortable(str(one.get("highValue")))
    if operator not in _COMPARED:
        raise malformed(f"there is no operator {operator}")
    return bool(own) and _COMPARED[operator](_sortable(own), _sortable(str(one.get("value"))))


def _sortable(text: str) -> tuple[int, float, str]:
    """Return what a value compares by: a number or a time by its milliseconds, anything else as it is written."""
    try:
        return (0, float(text), "")
    except ValueError:
        pass
    try:
        return (0, round(datetime.fromisoformat(text).timestamp() * 1000), "") if "T" in text else (1, 0.0, text.lower())
    except ValueError:
        return (1, 0.0, text.lower())


def _count(value: Any, name: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise malformed(f"{name} must be a number") from None
