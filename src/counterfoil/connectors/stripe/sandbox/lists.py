"""Paging and filtering of lists: newest first, ``limit`` 1 to 100, ``starting_after`` / ``ending_before``, ``created[...]``.

Source: https://docs.stripe.com/api/pagination.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import errors, forms
from .calls import Call, Page, route
from .forms import Obj

Test = Callable[[Obj], bool]


def limit_of(call: Call) -> int:
    """Return the page size. Raises 400 outside 1 to 100."""
    limit = call.integer("limit")
    if limit is None:
        return 10
    if limit < 1:
        raise errors.StripeError(
            "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="limit", is_stored=False
        )
    if limit > 100:
        message = f"This value must be less than or equal to 100 (it currently is '{limit}')."
        raise errors.StripeError(message, code="parameter_invalid_integer", param="limit", is_stored=False)
    return limit


def range_test(call: Call, name: str) -> Test | None:
    """Return the test of a time range parameter (``created``, ``due_date``), or None if it was not given."""
    given = call.params.get(name)
    if given in (None, ""):
        return None
    if not isinstance(given, dict):
        exact = forms.to_int(given, name)
        return lambda obj: bool(obj.get(name) == exact)
    bounds = {key: forms.to_int(value, f"{name}[{key}]") for key, value in given.items()}
    unknown = set(bounds) - {"gt", "gte", "lt", "lte"}
    if unknown:
        raise errors.unknown_parameter(f"{name}[{sorted(unknown)[0]}]")

    def within(obj: Obj) -> bool:
        value = obj.get(name)
        return (
            value is not None
            and value > bounds.get("gt", -(2**62))
            and value >= bounds.get("gte", -(2**62))
            and value < bounds.get("lt", 2**62)
            and value <= bounds.get("lte", 2**62)
        )

    return within


def page(
    call: Call, objects: Iterable[Obj], *, url: str = "", equal: Iterable[str] = (), flags: Iterable[str] = (), tests: Iterable[Test] = ()
) -> Page:
    """Return a page of objects given newest first.

    Args:
        call: the call with its paging parameters.
        objects: all candidates in the list's order.
        url: the list's address; the call's own path if empty.
        equal: parameters that must equal the field of the same name.
        flags: boolean parameters that must equal the field of the same name.
        tests: more conditions.
    """
    conditions = list(tests)
    for name in equal:
        value = call.text(name)
        if value is not None:
            conditions.append(lambda obj, name=name, value=value: obj.get(name) == value)  # type: ignore[misc]
    for name in flags:
        if call.text(name) is not None:
            wanted = call.flag(name)
            conditions.append(lambda obj, name=name, wanted=wanted: bool(obj.get(name)) == wanted)  # type: ignore[misc]
    for name in ("created", "due_date", "arrival_date"):
        condition = range_test(call, name) if name in call.params else None
        if condition is not None:
            conditions.append(condition)
    items, has_more = window(call, objects, lambda obj: str(obj["id"]), lambda obj: all(condition(obj) for condition in conditions))
    return Page(url or call.path, items, has_more)


def window(call: Call, rows: Iterable[Any], key: Callable[[Any], str], test: Callable[[Any], bool]) -> tuple[list[Any], bool]:
    """Return the part of a sequence that ``starting_after`` or ``ending_before`` and ``limit`` ask for, and whether there is more.

    The cursor is looked up before filtering: an object that stopped matching the filter is still a place to go on from.
    """
    limit = limit_of(call)
    after, until = call.text("starting_after"), call.text("ending_before")
    if after and until:
        raise errors.invalid("You can only specify one of these parameters: ending_before, starting_after.")
    if until:
        return _before(list(rows), until, limit, key, test)
    rest: Iterator[Any] = iter(rows)
    if after and all(key(row) != after for row in rest):
        raise errors.missing("object", after, "starting_after")
    taken: list[Any] = []
    for row in rest:
        if test(row):
            if len(taken) == limit:
                return taken, True
            taken.append(row)
    return taken, False


def _before(rows: list[Any], until: str, limit: int, key: Callable[[Any], str], test: Callable[[Any], bool]) -> tuple[list[Any], bool]:
    position = next((i for i, row in enumerate(rows) if key(row) == until), None)
    if position is None:
        raise errors.missing("object", until, "ending_before")
    matching = [row for row in rows[:position] if test(row)]
    first = max(0, len(matching) - limit)
    return matching[first:], first > 0


def serve(path: str, kind: str, *, equal: Iterable[str] = (), flags: Iterable[str] = (), is_listed: bool = True) -> None:
    """Register the plain retrieve (``path/{id}``) and list calls of a kind of object."""

    def retrieve(call: Call) -> Obj:
        return call.account.get(kind, call.args[0])

    def index(call: Call) -> Page:
        living = (obj for obj in call.account.table(kind).newest_first() if not obj.get("deleted"))
        return page(call, living, equal=equal, flags=flags)

    route("GET", f"{path}/{{id}}")(retrieve)
    if is_listed:
        route("GET", path)(index)
