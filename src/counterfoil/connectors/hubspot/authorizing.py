"""Who calls: a token that stands still (a service key, a private app's), or one of an installed app that is renewed by its refresh token.

https://developers.hubspot.com/docs/api-reference/2026-03/authentication/oauth-tokens/refresh-oauth-token: a token lasts half an hour, its
end is told with it. The refresh token stays as it is until the app is uninstalled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from counterfoil.kit.errors import SetupError, TransientError
from counterfoil.kit.http import Response, StatusRule
from counterfoil.kit.limits import Now
from counterfoil.kit.tokens import IssuedToken, TokenClient

from .config import HubspotConfig
from .wire import Token

REFUSED = "hubspot.token_refused"

REMEDIES: Mapping[str, str] = {
    "BAD_REFRESH_TOKEN": "Have an administrator of the account install the app again, and set refresh_token to the one that gives",
    "BAD_CLIENT_ID": "Set client_id to that of the app that was installed",
    "BAD_CLIENT_SECRET": "Set the first of client_secrets to the app's client secret as its page shows it now",
}
"""What to do, by the status that is told."""
_OTHERWISE = "Compare client_id, client_secrets and refresh_token with the app's page, and that it is still installed"


class _Refusal(msgspec.Struct, frozen=True):
    status: str = ""
    error: str = ""
    category: str = ""


def _refused(response: Response) -> SetupError:
    try:
        told = msgspec.json.decode(response.body, type=_Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError):
        told = _Refusal()
    known = next((one for one in (told.status, told.category, told.error) if one in REMEDIES), "")
    message = f"{response.where}: HubSpot does not renew the app's token (status {response.status}{known and f', {known}'})"
    return SetupError(f"{message}. {REMEDIES.get(known, _OTHERWISE)}", code="hubspot.app_refused")


_RENEWING = tuple(StatusRule(status, _refused) for status in (400, 401, 403, 404))


class AppClient(TokenClient):
    """Calls one account as an app that was installed in it."""

    def __init__(self, settings: HubspotConfig, now: Now, **options: Any) -> None:
        super().__init__(settings.base_url, self._granted, refused=REFUSED, statuses=_RENEWING, now=now, options=options)
        self._settings = settings

    async def _granted(self) -> IssuedToken:
        settings = self._settings
        form = {
            "grant_type": "refresh_token",
            "client_id": settings.client_id,
            "client_secret": settings.client_secrets[0].get_secret_value(),
            "refresh_token": "" if settings.refresh_token is None else settings.refresh_token.get_secret_value(),
        }
        answer = await self.login.request("POST", f"/oauth/{settings.api_version}/token", form=form, is_write=False)
        try:
            token = msgspec.json.decode(answer.body, type=Token)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise TransientError(f"{answer.where}: the answer is no token", code="hubspot.answer_shape") from None
        if token.hub_id not in (0, settings.portal_id):
            message = (
                f"the app's token is of account {token.hub_id}, and portal_id is {settings.portal_id}: nothing is read or written there"
            )
            raise SetupError(
                f"{message}. Set portal_id, or the refresh_token of the account that is meant", code="hubspot.account_mismatch"
            )
        return IssuedToken(token.access_token, float(token.expires_in))
