"""API keys: secret keys, restricted keys with a scope per resource, revoked ones.

Sources: https://docs.stripe.com/keys, https://docs.stripe.com/keys/restricted-api-keys.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from . import errors
from .world import Account


@dataclass
class Key:
    """A key of an account. ``scopes`` None: everything; else the resource (``invoices``) to ``read`` or ``write``."""

    account: Account
    scopes: Mapping[str, str] | None = None
    is_revoked: bool = False


@dataclass
class Ring:
    """All keys."""

    keys: dict[str, Key] = field(default_factory=dict)

    def holder(self, header: str) -> tuple[str, Key]:
        """Return the key of an Authorization header (Bearer or Basic). Raises 401."""
        secret = _secret(header)
        key = self.keys.get(secret)
        if key is None:
            raise errors.unauthorized(secret)
        if key.is_revoked:
            raise errors.StripeError(
                f"Expired API Key provided: {errors.masked(secret)}", status=401, code="api_key_expired", is_stored=False
            )
        return secret, key

    def check(self, secret: str, key: Key, method: str, path: str) -> None:
        """Raise 403 if a restricted key may not make a call."""
        if key.scopes is None:
            return
        parts = path.split("/")
        resource = parts[2] if len(parts) > 2 else ""
        needed = "read" if method == "GET" else "write"
        granted = key.scopes.get(resource, "none")
        if granted == "write" or granted == needed:
            return
        raise errors.forbidden(
            f"The provided key '{errors.masked(secret)}' does not have the required permissions for this endpoint on account "
            f"'{key.account.id}'. Having the 'rak_{resource.rstrip('s')}_{needed}' permission would allow this request to continue.",
            "more_permissions_required_for_application",
        )


def _secret(header: str) -> str:
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[0]
        except (ValueError, UnicodeDecodeError):
            return ""
    return ""
