"""Tokens: client credentials and JWT bearer of an external client app, sessions that end, and what is told of a refusal.

https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_client_credentials_flow.htm and ...remoteaccess_oauth_jwt_flow.htm
"""

from __future__ import annotations

import base64
import binascii
import hmac
import itertools
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from .errors import SalesforceError

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
JWT_LIFE_MAX_S = 180
AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")


@dataclass
class Sessions:
    """The tokens of one app.

    ``public_key``: that of the app's certificate, in PEM. ``life_s``: how long a session lasts.
    ``is_blocked``: the app's access is revoked. ``issued``: how many tokens were given.
    """

    client_id: str
    client_secret: str
    username: str
    public_key: str = ""
    life_s: float = 7_200.0
    is_blocked: bool = False
    issued: int = 0
    now: Callable[[], float] = time.monotonic
    _until: dict[str, float] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def grant(self, form: Mapping[str, Any], url: str, org_id: str, user_id: str) -> dict[str, str]:
        """Return a token. Raises SalesforceError (400)."""
        match form.get("grant_type"):
            case "client_credentials":
                if form.get("client_id") != self.client_id:
                    raise _refused("invalid_client_id", "client identifier invalid")
                if not hmac.compare_digest(str(form.get("client_secret")), self.client_secret):
                    raise _refused("invalid_client", "invalid client credentials")
            case grant if grant == JWT_BEARER:
                self._check_assertion(str(form.get("assertion") or ""), url)
            case _:
                raise _refused("unsupported_grant_type", "grant type not supported")
        if self.is_blocked:
            raise _refused("inactive_user", "user is inactive")
        return self._issued(url, org_id, user_id)

    def _issued(self, url: str, org_id: str, user_id: str) -> dict[str, str]:
        number = next(self._numbers)
        self.issued += 1
        token = f"{org_id[:15]}!AQ{sha256(f'{self.client_secret}/{number}'.encode()).hexdigest()}"
        self._until[token] = self.now() + self.life_s
        return {
            "access_token": token,
            "signature": "c2FuZGJveA==",
            "scope": "api",
            "instance_url": url,
            "id": f"https://login.salesforce.com/id/{org_id}/{user_id}",
            "token_type": "Bearer",
            "issued_at": str(int(time.time() * 1000)),
        }

    def is_valid(self, token: str) -> bool:
        """Tell whether a session goes on."""
        return self._until.get(token, 0.0) > self.now()

    def end_all(self) -> None:
        """End every session, as an administrator may."""
        self._until.clear()

    def _check_assertion(self, assertion: str, url: str) -> None:
        head, _, signature = assertion.rpartition(".")
        try:
            claims = json.loads(_decoded(head.partition(".")[2]))
            key = load_pem_public_key(self.public_key.encode())
            if not isinstance(key, RSAPublicKey):
                raise ValueError("the certificate has no RSA key")
            key.verify(_decoded(signature), head.encode(), PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, ValueError, binascii.Error):
            raise _refused("invalid_grant", "invalid assertion") from None
        if claims.get("iss") != self.client_id:
            raise _refused("invalid_client_id", "client identifier invalid")
        if claims.get("aud") not in (*AUDIENCES, url):
            raise _refused("invalid_grant", "audience is invalid")
        if claims.get("sub") != self.username:
            raise _refused("invalid_grant", "user hasn't approved this consumer")
        now = time.time()
        if not now < float(claims.get("exp") or 0) <= math.ceil(now) + JWT_LIFE_MAX_S:  # a claim is in whole seconds, and may be rounded up
            raise _refused("invalid_grant", "expired authorization code")


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _refused(error: str, words: str) -> SalesforceError:
    return SalesforceError(400, error, words, body={"error": error, "error_description": words})
