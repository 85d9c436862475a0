"""Calls to Odoo, nothing but transport: JSON-2 on 19, JSON-RPC on 17 and 18, one ``call`` for both. Errors by table: refusals.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

import msgspec

from counterfoil.connectors.odoo import refusals
from counterfoil.connectors.odoo.config import OdooConfig
from counterfoil.connectors.odoo.turns import Turns
from counterfoil.core.language.case_class import CaseClass
from counterfoil.kit.errors import RejectedError, SetupError
from counterfoil.kit.http import HttpClient
from counterfoil.kit.limits import LocalBudget

T = TypeVar("T")

NO_UPDATE: Mapping[str, Any] = {"mode": "update", "noupdate": True}
"""Context NU: ``load`` inserts if absent and never touches an existing record; both keys at creation and at every re-send."""

_POSITIONAL: Mapping[str, tuple[str, ...]] = {"create": ("vals_list",), "write": ("vals",)}
"""Arguments that 17 and 18 take by position: they tell one new record from several by the first one, and names differ between overrides."""

QUIET: Mapping[str, Any] = {
    "tracking_disable": True,
    "mail_create_nolog": True,
    "mail_notrack": True,
    "mail_create_nosubscribe": True,
}
"""Context NT: no chatter, no followers; halves the time of posting."""

OdooContext = Mapping[str, Any]


def as_records(value: Any, record: type[T]) -> list[T]:
    """Return a decoded list of dicts as records. Raises RejectedError if Odoo answered something else."""
    try:
        return msgspec.convert(value, list[record])  # type: ignore[valid-type]
    except msgspec.ValidationError as error:
        raise RejectedError(
            f"Odoo's {record.__name__} records have another shape: {error}", code="odoo.protocol", case_class=CaseClass.SCHEMA_DRIFT
        ) from error


def http_client(settings: OdooConfig) -> HttpClient:
    """Return the (unopened) HTTP client of a connection: the key in the headers, never more calls in flight than configured.

    Which database is meant is not said here but with each call: it is the released one, whatever a changed file says.
    """
    return HttpClient(
        settings.url.rstrip("/"),
        budget=LocalBudget(rate_per_s=200.0, burst=50, concurrency_max=settings.concurrency, wait_max_s=120.0),
        timeout_s=settings.timeout_s,
        auth=lambda: {"Authorization": f"bearer {settings.api_key.get_secret_value()}"},
        statuses=refusals.STATUSES,
        pool_size=settings.concurrency,
    )


def to_database(settings: OdooConfig) -> Mapping[str, str]:
    """Return the headers of a call to a connection's database, which a server of several needs."""
    return {"X-Odoo-Database": settings.database}


class OdooClient:
    """Calls methods of models. Reads are tried again by the HTTP client; writes only where the caller says that twice is once.

    Args:
        is_json2: JSON-2 (19 and later) instead of JSON-RPC.
        uid: the user's id, needed by JSON-RPC only.
    """

    def __init__(self, http: HttpClient, settings: OdooConfig, *, is_json2: bool, uid: int = 0) -> None:
        self._http = http
        self._settings = settings
        self._is_json2 = is_json2
        self._uid = uid
        self._turns = Turns(settings.concurrency, lambda: http.budget.spare)

    async def call(
        self,
        model: str,
        method: str,
        ids: Sequence[int] | None = None,
        *,
        context: OdooContext | None = None,
        is_write: bool = False,
        is_idempotent: bool = False,
        alone_in: str = "",
        **kwargs: Any,
    ) -> Any:
        """Call one method with arguments by name and return its plain value (fractions as Decimal; None where Odoo returns nothing).

        Of calls with the same ``alone_in`` one is made at a time; those with none are not bound by it.

        Raises TransientError, SetupError or RejectedError, sorted by the exception's class name.
        """
        send = self._json2 if self._is_json2 else self._rpc
        async with self._turns.turn(is_last=method == "load", alone_in=alone_in):
            return await send(model, method, ids, {**kwargs, "context": {"lang": "en_US", **(context or {})}}, is_write, is_idempotent)

    async def read(
        self,
        model: str,
        domain: Sequence[Any],
        record: type[T],
        *,
        context: OdooContext | None = None,
        limit: int | None = None,
        order: str = "",
    ) -> list[T]:
        """Return the matching records with the fields the record type names, many2one bare (``load=""``: almost twice as fast)."""
        names = [f.encode_name for f in msgspec.structs.fields(cast(Any, record))]
        options: dict[str, Any] = {"domain": list(domain), "fields": names, "load": ""}
        if limit is not None:
            options["limit"] = limit
        if order:
            options["order"] = order
        return as_records(await self.call(model, "search_read", context=context, **options), record)

    async def _json2(
        self, model: str, method: str, ids: Sequence[int] | None, kwargs: dict[str, Any], is_write: bool, is_idempotent: bool
    ) -> Any:
        body = kwargs if ids is None else {"ids": list(ids), **kwargs}
        response = await self._http.request(
            "POST",
            f"/json/2/{model}/{method}",
            json=body,
            headers=to_database(self._settings),
            is_write=is_write,
            is_idempotent=is_idempotent,
            timeout_s=self._settings.timeout_s,
        )
        return response.json()

    async def _rpc(
        self, model: str, method: str, ids: Sequence[int] | None, kwargs: dict[str, Any], is_write: bool, is_idempotent: bool
    ) -> Any:
        positional: list[Any] = [] if ids is None else [list(ids)]
        positional += [kwargs.pop(name) for name in _POSITIONAL.get(method, ())]
        settings = self._settings
        arguments = [settings.database, self._uid, settings.api_key.get_secret_value(), model, method, positional, kwargs]
        return await rpc(
            self._http,
            settings,
            "object",
            "execute_kw",
            arguments,
            where=f"{model}.{method}",
            is_write=is_write,
            is_idempotent=is_idempotent,
            timeout_s=settings.timeout_s,
        )


async def rpc(
    http: HttpClient,
    settings: OdooConfig,
    service: str,
    method: str,
    arguments: Sequence[Any],
    *,
    where: str,
    is_write: bool = False,
    is_idempotent: bool = False,
    timeout_s: float | None = None,
) -> Any:
    """Call ``/jsonrpc`` and return the result; a missing ``result`` key is Odoo's way to return nothing. Raises as ``call`` does."""
    body = {"jsonrpc": "2.0", "method": "call", "id": 1, "params": {"service": service, "method": method, "args": list(arguments)}}
    response = await http.request(
        "POST",
        "/jsonrpc",
        json=body,
        headers=to_database(settings),
        is_write=is_write,
        is_idempotent=is_idempotent,
        timeout_s=timeout_s,
    )
    answer = response.json()
    if not isinstance(answer, dict):
        raise SetupError(f"{where}: the address does not answer as Odoo's JSON-RPC; check url", code="odoo.not_odoo")
    error = answer.get("error")
    if error is None:
        return answer.get("result")
    data = error.get("data") if isinstance(error, dict) else None
    name, message = (str(data.get("name", "")), str(data.get("message", ""))) if isinstance(data, dict) else ("", str(error))
    raise refusals.build(name, message, where=where, is_write=is_write)
