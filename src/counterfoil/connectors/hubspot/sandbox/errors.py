"""HubSpot's errors: https://developers.hubspot.com/docs/api-reference/latest/error-handling."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web


class HubspotError(Exception):
    """A refusal, as HubSpot words it."""

    def __init__(self, status: int, category: str, message: str, *, headers: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"status": "error", "message": message, "category": category, **more}
        self.headers = headers or {}

    def response(self, correlation_id: str) -> web.Response:
        """Return the answer."""
        return web.json_response({**self.body, "correlationId": correlation_id}, status=self.status, headers=self.headers)


def invalid(message: str, code: str = "", **context: Any) -> HubspotError:
    """Return the refusal of a value; its message holds the same once more, as JSON."""
    detail = {"message": message, **({"code": code} if code else {}), "context": {name: [str(value)] for name, value in context.items()}}
    told = {"isValid": False, "message": message, "error": code or "INVALID", "name": str(context.get("propertyName", ""))}
    return HubspotError(400, "VALIDATION_ERROR", f"Property values were not valid: {json.dumps([told])}", errors=[detail])


def malformed(message: str) -> HubspotError:
    """Return the refusal of a body or parameter."""
    return HubspotError(400, "VALIDATION_ERROR", f"Invalid input JSON: {message}")


def not_found(what: str) -> HubspotError:
    """Return that there is no such thing."""
    return HubspotError(404, "OBJECT_NOT_FOUND", what)
