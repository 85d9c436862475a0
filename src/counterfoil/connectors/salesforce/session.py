"""How a connection logs in: by client credentials or a signed JWT.

Flows: https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_client_credentials_flow.htm and
https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_jwt_flow.htm. Only a call tells that a session ended.
"""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Callable, Mapping

import msgspec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from yarl import URL

from counterfoil.kit.errors import SetupError, TransientError
from counterfoil.kit.http import HttpClient, Response, StatusRule
from counterfoil.kit.tokens import IssuedToken

from .config import SalesforceConfig
from .refs import to_18

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - an address
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
JWT_LIFE_S = 90
"""Salesforce takes none that is valid for longer than three minutes by its own clock: half of it is left to clocks that differ."""

REMEDIES: Mapping[str, str] = {
    "invalid_client_id": "Set client_id to the consumer key of the external client app",
    "invalid_client": "Set client_secret to the consumer secret of the external client app",
    "invalid_grant": "Compare username, private_key and audience with the app: its certificate, and that the user is pre-authorized",
    "inactive_user": "Let the integration user of the app be active again, and assign it to the app",
    "invalid_request": "Let the app allow the client credentials flow, and name a user it runs as",
    "unsupported_grant_type": "Let the app allow the flow that the settings are for",
}
"""What to do, by the error that is told: https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_flow_errors.htm"""
_OTHERWISE = "Look at the external client app: whether it is enabled, its flow allowed, and its user active"


class _Token(msgspec.Struct, frozen=True):
    access_token: str
    instance_url: str
    id: str = ""


class _Refusal(msgspec.Struct, frozen=True):
    error: str = ""


def _refused(response: Response) -> SetupError:
    try:
        code = msgspec.json.decode(response.body, type=_Refusal).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        code = ""
    known = code if code in REMEDIES else "a code that is not known"
    message = f"{response.where}: status {response.status}, {known}. {REMEDIES.get(code, _OTHERWISE)}"
    return SetupError(message, code="salesforce.login_refused")


STATUSES = (StatusRule(400, _refused), StatusRule(401, _refused), StatusRule(403, _refused))
"""What refusals of a login mean."""


class Session:
    """Logs in to one connection's org, for its tokens.

    Args:
        settings: whose org and app.
        now: seconds since 1970, for what a JWT says.

    ``user_id``: the user the app acts as, once it logged in.
    """

    def __init__(self, settings: SalesforceConfig, now: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self.now = now
        self.user_id = ""

    async def granted(self, login: HttpClient) -> IssuedToken:
        """Log in by a client that calls without a token. Raises TransientError, SetupError."""
        answer = await login.request("POST", TOKEN_PATH, form=self._form(), is_write=False)
        try:
            token = msgspec.json.decode(answer.body, type=_Token)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise TransientError(f"{answer.where}: the answer is no token", code="salesforce.answer_shape") from None
        self._check(token)
        return IssuedToken(token.access_token, math.inf)

    def _check(self, token: _Token) -> None:
        """See that the token is of the org and the address of the settings: it is sent nowhere else."""
        org, _, user = "/".join(token.id.rstrip("/").split("/")[-2:]).partition("/")
        if to_18(org) != self._settings.org_id:
            whose = org[:18] or "that is not told"
            message = f"the app is of org {whose}, and org_id is {self._settings.org_id}: nothing is read or written there"
            raise SetupError(f"{message}. Set org_id, or base_url and the app of the org that is meant", code="salesforce.other_org")
        told, known = _address(token.instance_url), URL(self._settings.base_url)
        if not told.absolute or told.origin() != known.origin():
            message = f"the org answers at {told.host or 'no address'}, and base_url is {known.host}"
            raise SetupError(f"{message}. Set base_url to the org's My Domain address", code="salesforce.other_address")
        self.user_id = to_18(user)

    def _form(self) -> dict[str, str]:
        settings = self._settings
        if settings.client_secret is not None:
            secret = settings.client_secret.get_secret_value()
            return {"grant_type": "client_credentials", "client_id": settings.client_id, "client_secret": secret}
        key = "" if settings.private_key is None else settings.private_key.get_secret_value()
        claims = {"iss": settings.client_id, "sub": settings.username, "aud": settings.audience, "exp": int(self.now()) + JWT_LIFE_S}
        return {"grant_type": JWT_BEARER, "assertion": signed(claims, key)}


def _address(text: str) -> URL:
    try:
        return URL(text)
    except ValueError:
        return URL()


def signed(claims: Mapping[str, object], private_key: str) -> str:
    """Return a JWT (RS256). Raises SetupError if the key is no RSA key in PEM (https://www.rfc-editor.org/rfc/rfc7515#appendix-A.2)."""
    try:
        key = load_pem_private_key(private_key.encode(), password=None)
    except (TypeError, ValueError):
        key = None
    if not isinstance(key, RSAPrivateKey):
        message = "private_key is no RSA key in PEM without a password. Set it to the key the app's certificate was made with"
        raise SetupError(message, code="salesforce.key_unreadable")
    head = ".".join(_encoded(msgspec.json.encode(part)) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    return f"{head}.{_encoded(key.sign(head.encode(), PKCS1v15(), SHA256()))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
