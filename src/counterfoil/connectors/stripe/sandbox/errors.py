"""Stripe's error answers: one exception class, and makers for the common ones with Stripe's own words.

Source: https://docs.stripe.com/api/errors and https://docs.stripe.com/error-codes.
"""

from __future__ import annotations

from typing import Any

_DOCS = "https://stripe.com/docs/error-codes/"


class StripeError(Exception):
    """An answer other than 200. ``extra`` is merged into the error object (``payment_intent``, ``charge``...)."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str = "",
        param: str = "",
        decline_code: str = "",
        headers: dict[str, str] | None = None,
        is_stored: bool = True,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.is_stored = is_stored  # whether an idempotency key remembers it: not for errors raised before execution
        self.error: dict[str, Any] = {}
        if code:
            self.error |= {"code": code, "doc_url": _DOCS + code.replace("_", "-")}
        if decline_code:
            self.error["decline_code"] = decline_code
        self.error["message"] = message
        if param:
            self.error["param"] = param
        self.error["type"] = kind
        self.error |= extra


def missing(kind: str, object_id: str, param: str = "id") -> StripeError:
    """Return the 404 for an object that does not exist."""
    words = kind.replace(".", " ").replace("_", " ")
    if kind == "payment_method":
        words = "PaymentMethod"
    elif kind == "test_helpers.test_clock":
        words = "test clock"
    return StripeError(f"No such {words}: '{object_id}'", status=404, code="resource_missing", param=param)


def required(param: str) -> StripeError:
    """Return the 400 for a parameter that is not there."""
    return StripeError(f"Missing required param: {param}.", code="parameter_missing", param=param, is_stored=False)


def invalid(message: str, param: str = "", code: str = "") -> StripeError:
    """Return a 400 about a parameter's value or an object's state."""
    return StripeError(message, param=param, code=code)


def unknown_parameter(param: str) -> StripeError:
    """Return the 400 for a parameter the call does not take."""
    return StripeError(f"Received unknown parameter: {param}", code="parameter_unknown", param=param, is_stored=False)


def unrecognized(method: str, path: str) -> StripeError:
    """Return the 404 for a path or method that does not exist."""
    return StripeError(
        f"Unrecognized request URL ({method}: {path}). If you are trying to list objects, remove the trailing slash. "
        "If you are trying to retrieve an object, make sure you passed a valid (non-empty) identifier in your code. "
        "Please see https://stripe.com/docs or we can help at https://support.stripe.com/.",
        status=404,
        is_stored=False,
    )


def unauthorized(key: str) -> StripeError:
    """Return the 401 for a missing (empty) or wrong key."""
    if not key:
        return StripeError(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. "
            "'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details, or we can help at "
            "https://support.stripe.com/.",
            status=401,
            headers={"WWW-Authenticate": 'Bearer realm="Stripe"'},
            is_stored=False,
        )
    return StripeError(
        f"Invalid API Key provided: {masked(key)}", status=401, headers={"WWW-Authenticate": 'Bearer realm="Stripe"'}, is_stored=False
    )


def masked(key: str) -> str:
    """Return a key as Stripe shows it: the middle as stars."""
    return f"{key[:8]}{'*' * (len(key) - 12)}{key[-4:]}" if len(key) > 12 else "*" * len(key)


def forbidden(message: str, code: str = "") -> StripeError:
    """Return the 403 for a key without access."""
    return StripeError(message, status=403, code=code, is_stored=False)


def too_many(reason: str) -> StripeError:
    """Return the 429 of a limiter; ``reason`` names it in ``Stripe-Rate-Limited-Reason``."""
    return StripeError(
        "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.",
        status=429,
        code="rate_limit",
        headers={"Stripe-Rate-Limited-Reason": reason, "Stripe-Should-Retry": "true"},
        is_stored=False,
    )


def card_error(message: str, code: str, decline_code: str = "", **extra: Any) -> StripeError:
    """Return the 402 of a declined card."""
    return StripeError(message, status=402, kind="card_error", code=code, decline_code=decline_code, **extra)
