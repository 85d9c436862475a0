"""One API call: its parameters, typed; and the table of what can be called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import errors, forms
from .forms import Obj
from .world import Account, World

Handler = Callable[["Call"], Any]
"""Answers a call with a stored object (rendered afterwards), a :class:`Page`, or :class:`Plain` data."""


@dataclass(slots=True)
class Call:
    """A call being served. ``route`` is the matched template, ``args`` the path's variable parts in order."""

    world: World
    account: Account
    method: str
    path: str
    route: str
    args: tuple[str, ...]
    params: Obj
    version: str

    def has(self, name: str) -> bool:
        """Return whether a parameter was given, even empty."""
        return name in self.params

    def text(self, name: str) -> str | None:
        """Return a text parameter or None."""
        return forms.to_text(self.params.get(name))

    def need(self, name: str) -> str:
        """Return a text parameter. Raises parameter_missing."""
        value = forms.to_text(self.params.get(name))
        if value is None:
            raise errors.required(name)
        return value

    def integer(self, name: str) -> int | None:
        """Return an integer parameter or None."""
        value = self.params.get(name)
        return None if value in (None, "") else forms.to_int(value, name)

    def need_integer(self, name: str) -> int:
        """Return an integer parameter. Raises parameter_missing."""
        value = self.integer(name)
        if value is None:
            raise errors.required(name)
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a boolean parameter."""
        value = self.params.get(name)
        return default if value in (None, "") else forms.to_bool(value, name)

    def object(self, name: str) -> Obj:
        """Return an object parameter, empty if absent."""
        return forms.as_dict(self.params.get(name), name)

    def list(self, name: str) -> list[Any]:
        """Return a list parameter, empty if absent."""
        return forms.as_list(self.params.get(name))

    def texts(self, name: str) -> set[str]:
        """Return a list of texts, each once. Raises 400 if there is anything else in it."""
        values = self.list(name)
        if not all(isinstance(value, str) for value in values):
            raise errors.invalid(f"Invalid array of strings: {name}", name)
        return set(values)

    def metadata(self, current: Obj | None = None) -> Obj:
        """Return metadata merged with what was given."""
        if "metadata" not in self.params:
            return current or {}
        return forms.merge_metadata(current, self.params["metadata"])

    def currency(self, name: str = "currency") -> str:
        """Return a currency in lower case. Raises 400 for an unknown one."""
        from .currencies import ISO

        value = self.need(name).lower()
        if value not in ISO:
            raise errors.invalid(f"Invalid currency: {value}.", name, "invalid_currency" if name != "currency" else "")
        return value

    def assign(self, obj: Obj, *names: str) -> None:
        """Copy given text parameters into an object; empty ones unset."""
        for name in names:
            if name in self.params:
                obj[name] = forms.to_text(self.params[name])


@dataclass(slots=True)
class Page:
    """A list answer: objects that are rendered one by one."""

    url: str
    items: list[Obj]
    has_more: bool


@dataclass(slots=True)
class Plain:
    """An answer that is sent as it is."""

    body: Any


@dataclass(slots=True)
class _Node:
    children: dict[str, _Node]
    handlers: dict[str, tuple[str, Handler]]


_ROOT = _Node({}, {})


def route(method: str, path: str) -> Callable[[Handler], Handler]:
    """Register a handler for a method and a path template (``/v1/invoices/{id}``)."""

    def register(handler: Handler) -> Handler:
        node = _ROOT
        for part in path.strip("/").split("/"):
            name = "{}" if part.startswith("{") else part
            node = node.children.setdefault(name, _Node({}, {}))
        node.handlers[method] = (path, handler)
        return handler

    return register


def find_route(method: str, path: str) -> tuple[str, Handler, tuple[str, ...]] | None:
    """Return the template, handler and variable parts for a request, or None."""
    node = _ROOT
    args: list[str] = []
    for part in path.removeprefix("/").split("/"):
        literal = node.children.get(part)
        if literal is not None:
            node = literal
            continue
        variable = node.children.get("{}")
        if variable is None or not part:
            return None
        args.append(part)
        node = variable
    found = node.handlers.get(method)
    return (found[0], found[1], tuple(args)) if found else None


def routes() -> list[tuple[str, str]]:
    """Return every registered method and template."""
    found: list[tuple[str, str]] = []
    stack = [_ROOT]
    while stack:
        node = stack.pop()
        found.extend((method, template) for method, (template, _) in node.handlers.items())
        stack.extend(node.children.values())
    return sorted(found, key=lambda pair: (pair[1], pair[0]))
