"""One call of one model method: which methods exist, how arguments bind, rights, transaction."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from counterfoil.connectors.odoo.sandbox.database import Database
from counterfoil.connectors.odoo.sandbox.orm import rights
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import AccessError, HttpError, PythonError, UserError, missing
from counterfoil.connectors.odoo.sandbox.orm.model import Model

OPERATIONS = {
    "create": ("create",),
    "write": ("write",),
    "unlink": ("unlink",),
    "load": ("create", "write"),
    "copy": ("create",),
    "read": ("read",),
    "search": ("read",),
    "search_read": ("read",),
    "search_count": ("read",),
    "name_search": ("read",),
    "export_data": ("read",),
    "web_search_read": ("read",),
    "web_read": ("read",),
    "read_group": ("read",),
    "formatted_read_group": ("read",),
    "fields_get": (),
    "default_get": (),
    "name_create": ("create",),
    "has_access": (),
    "check_access_rights": (),
}
VERSIONS = {"formatted_read_group": (19, 99), "has_access": (18, 99), "check_access_rights": (17, 19)}
"""The first and the last version of methods that not all have."""


_kinds: dict[tuple[type, str], str] = {}
_signatures: dict[tuple[type, str], inspect.Signature] = {}


def kind_of(model: type, method: str) -> str:
    """Return "record", "model" or nothing for a method that cannot be called from outside."""
    key = (model, method)
    if key not in _kinds:
        marked = [p.__dict__[method] for p in model.__mro__ if hasattr(p.__dict__.get(method), "remote")]
        _kinds[key] = str(marked[0].remote) if marked else ""
    return _kinds[key]


def signature(model: type, method: str) -> inspect.Signature:
    """Return a method's own parameters, without self, env and ids."""
    key = (model, method)
    if key not in _signatures:
        parameters = list(inspect.signature(getattr(model, method)).parameters.values())[2:]
        _signatures[key] = inspect.Signature(parameters[1:] if kind_of(model, method) == "record" else parameters)
    return _signatures[key]


def find_model(db: Database, name: str) -> Model | None:
    """Return a model by name."""
    return db.registry.get(name)


def is_private(method: str) -> bool:
    """Return whether a method name is private."""
    return method.startswith("_")


def bind_named(model: Model, method: str, ids: Sequence[int], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Bind JSON-2 keyword arguments. Raises the 422 errors of the HTTP layer."""
    kind = kind_of(type(model), method)
    if kind == "model" and ids:
        raise HttpError(422, "UnprocessableEntity", f"cannot call {model.name}.{method} with ids")
    try:
        signature(type(model), method).bind(**arguments)
    except TypeError as error:
        raise HttpError(422, "UnprocessableEntity", str(error)) from None
    return dict(arguments)


def bind_positional(model: Model, method: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[int], dict[str, Any]]:
    """Bind JSON-RPC arguments: for record methods the first one is the ids. Raises TypeError as the server does."""
    rest = list(args)
    ids: list[int] = []
    if kind_of(type(model), method) == "record":
        first: Any = rest.pop(0) if rest else []
        ids = [first] if isinstance(first, int) and not isinstance(first, bool) else [int(i) for i in first or [] if i]
    try:
        bound = signature(type(model), method).bind(*rest, **kwargs)
    except TypeError as error:
        text = str(error).replace("missing a required argument:", "missing 1 required positional argument:")
        raise PythonError(f"{_owner(model, method)}.{method}() {text}", "TypeError") from None
    return ids, dict(bound.arguments)


def _owner(model: Model, method: str) -> str:
    return "BaseModel" if method in OPERATIONS else type(model).__name__


def run(
    db: Database,
    uid: int,
    model: Model,
    method: str,
    ids: Sequence[int],
    arguments: Mapping[str, Any],
    context: Mapping[str, Any],
    started: datetime | None = None,
    snapshot: int | None = None,
) -> Any:
    """Run one call in one transaction and return its JSON value."""
    env = db.env(uid, context, started)
    with db.transaction(snapshot, env):
        check(env, model, method, ids, arguments)
        function = getattr(model, method)
        if kind_of(type(model), method) == "record":
            result = function(env, list(ids), **arguments)
        else:
            result = function(env, **arguments)
        db.watch(env)
    return result


def check(env: Env, model: Model, method: str, ids: Sequence[int], arguments: Mapping[str, Any]) -> None:
    """Check companies, rights and the existence of records before a call."""
    _ = env.company_ids
    first, last = VERSIONS.get(method, (0, 99))
    if not first <= env.version <= last:
        raise unknown_method(env.db, model.name, method)
    operations = OPERATIONS.get(method, ("write",))
    if method == "load":
        env.db.check_documents(len(arguments.get("data") or []) if model.name in ("account.move", "account.payment") else 0)
        return  # told as messages
    if method == "export_data" and not env.has_group("base.group_allow_export"):
        raise UserError("You don't have the rights to export data. Please contact an Administrator.")
    if method == "write" and rights.owns(env, model.name, list(ids), set(arguments.get("vals") or {})):
        return
    for operation in operations:
        rights.check(env, model, operation)
    if method not in OPERATIONS and ids:
        rows = env.rows(model.name)
        absent = [i for i in ids if i not in rows]
        if absent:
            raise missing(model.name, absent, env.uid)
        model.check_visible(env, [rows[i] for i in ids])


def refuse_private(db: Database, model: str, method: str) -> AccessError:
    """Return the refusal to call a private method."""
    if db.version == 17:
        return AccessError(f"Private methods (such as {method}) cannot be called remotely.")
    return AccessError(f"Private methods (such as '{model}.{method}') cannot be called remotely.")


def unknown_method(db: Database, model: str, method: str) -> PythonError:
    """Return the JSON-RPC answer for an unknown method."""
    if db.version == 17:
        return PythonError(f"The method '{method}' does not exist on the model '{model}'", "AttributeError")
    return PythonError(f"The method '{model}.{method}' does not exist", "AttributeError")


def unknown_object(name: str) -> UserError:
    """Return the JSON-RPC answer for an unknown model."""
    return UserError(f"Object {name} doesn't exist")
