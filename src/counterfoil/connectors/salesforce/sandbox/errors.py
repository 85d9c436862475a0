"""Salesforce's errors: a list, each with a code.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm
"""

from __future__ import annotations

from typing import Any

from aiohttp import web


class SalesforceError(Exception):
    """A refusal, as Salesforce words it. ``body``: instead of the list of one error."""

    def __init__(self, status: int, code: str, message: str, fields: tuple[str, ...] = (), body: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.fields = fields
        self.own_body = body

    @property
    def body(self) -> Any:
        """What is answered."""
        if self.own_body is not None:
            return self.own_body
        return [{"message": str(self), "errorCode": self.code, **({"fields": list(self.fields)} if self.fields else {})}]

    @property
    def result(self) -> dict[str, Any]:
        """The same as one record's result of many."""
        return {"success": False, "errors": [{"statusCode": self.code, "message": str(self), "fields": list(self.fields)}]}

    def response(self, headers: dict[str, str] | None = None) -> web.Response:
        """Return the answer."""
        return web.json_response(self.body, status=self.status, headers=headers or {})


def not_found(what: str = "The requested resource does not exist") -> SalesforceError:
    """Return that there is no such thing."""
    return SalesforceError(404, "NOT_FOUND", what)


def malformed(message: str) -> SalesforceError:
    """Return the refusal of a body."""
    return SalesforceError(400, "JSON_PARSER_ERROR", message)
