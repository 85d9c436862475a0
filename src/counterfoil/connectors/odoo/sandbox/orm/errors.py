"""The errors a call can end in, each with the class path, HTTP status and message Odoo answers with."""

from __future__ import annotations


class OdooError(Exception):
    """Base: ``name`` is the Python class path in the error body, ``status`` the JSON-2 HTTP status."""

    name = "odoo.exceptions.UserError"
    status = 422

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class UserError(OdooError):
    """A business refusal."""


class ValidationError(OdooError):
    """A violated constraint."""

    name = "odoo.exceptions.ValidationError"


class AccessError(OdooError):
    """Missing rights, a record rule or a foreign company."""

    name = "odoo.exceptions.AccessError"
    status = 403


class AccessDenied(OdooError):
    """Bad credentials over JSON-RPC."""

    name = "odoo.exceptions.AccessDenied"
    status = 403

    def __init__(self) -> None:
        super().__init__("Access Denied")


class MissingError(OdooError):
    """The record is not there (any more)."""

    name = "odoo.exceptions.MissingError"
    status = 404


class PythonError(OdooError):
    """An uncaught Python error of the server: HTTP 500 (``builtins.ValueError``, ``builtins.TypeError``...)."""

    status = 500

    def __init__(self, message: str, kind: str = "ValueError") -> None:
        super().__init__(message)
        self.name = f"builtins.{kind}"


class HttpError(OdooError):
    """An error of the HTTP layer: ``werkzeug.exceptions.<kind>``."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.name = f"werkzeug.exceptions.{kind}"


class SerializationFailure(OdooError):
    """PostgreSQL refused a concurrent update, after the server's own retries."""

    name = "psycopg2.errors.SerializationFailure"
    status = 500

    def __init__(self) -> None:
        super().__init__("could not serialize access due to concurrent update\n")


class InvalidText(OdooError):
    """PostgreSQL could not read a value as the column's type."""

    name = "psycopg2.errors.InvalidTextRepresentation"
    status = 500


class DatabaseMissing(OdooError):
    """The database named in a JSON-RPC call does not exist."""

    name = "psycopg2.OperationalError"
    status = 500


def missing(model: str, ids: list[int] | tuple[int, ...], uid: int) -> MissingError:
    """Return Odoo's error for records that do not exist."""
    listed = f"{ids[0]}," if len(ids) == 1 else ", ".join(str(i) for i in ids)
    return MissingError(f"Record does not exist or has been deleted.\n(Record: {model}({listed}), User: {uid})")
