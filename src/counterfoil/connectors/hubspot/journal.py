"""The webhooks journal: what happened in the last three days, in order, entry by entry; each entry's events lie in a file of its own.

https://developers.hubspot.com/docs/api-reference/latest/webhooks-journal/guide. A token of the app itself reads it (client credentials), of
the records that the app's subscriptions name. The files lie elsewhere, at addresses that need no token.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import quote

import msgspec
from yarl import URL

from counterfoil.core.language.ids import digest
from counterfoil.kit.connector import Delivery
from counterfoil.kit.context import Context
from counterfoil.kit.errors import SetupError, TransientError
from counterfoil.kit.http import HttpClient, Response, StatusRule, is_plain_abroad
from counterfoil.kit.limits import Aside, LocalBudget, Verdict

from .client import STATUSES, explain
from .listing import instant
from .normalize.events import GAP, kept, kind_of_journal, shard_of
from .wire import JournalEvent, JournalFile, JournalGap, JournalPlace, Token

T = TypeVar("T")

SCOPE = "developer.webhooks_journal.read"
_TOKEN = "hubspot.journal_token"  # noqa: S105 - the name of a place in the cache
_EARLY = timedelta(seconds=60)
_FILE_STATUSES = (StatusRule(range(400, 500), TransientError, "hubspot.journal_file_gone", Verdict.OK),)
"""An address that has expired: the entry is asked for again, and its file has a new one."""


class Entry(msgspec.Struct, frozen=True):
    """What reading on gave: the events of the next entry, and its place; ``is_gap``: what came right before is kept no more."""

    deliveries: tuple[Delivery, ...]
    offset: str
    is_gap: bool = False


async def read(ctx: Context, offset: str) -> Entry:
    """Return the next entry; nothing and the same place where there is none yet.

    Without a place reading begins at the newest entry; where the place is older than what is kept, at the oldest there is (404:
    https://developers.hubspot.com/docs/api-reference/2026-03/webhooks-journal/journal-entries/guide). Raises TransientError, SetupError.
    """
    try:
        async with _client(ctx, await _token(ctx)) as http:
            answer = await _ask(ctx, http, f"offset/{quote(offset, safe='')}/next" if offset else "latest")
            is_gap = answer.status == 404 and bool(offset)
            if is_gap:
                answer = await _ask(ctx, http, "earliest")
    except SetupError:
        ctx.state.pop(_TOKEN, None)  # it may have ended before its time
        raise
    if answer.status in (204, 404) or not answer.body:
        return Entry((), offset, is_gap)
    place = _decoded(answer, JournalPlace)
    if place.currentOffset == offset:
        return Entry((), offset)
    return Entry(await _events(ctx, place.url), place.currentOffset, is_gap)


def gap(portal_id: int, offset: str, since: str, now: datetime) -> Delivery:
    """Return that the journal did not go on where it was left: of what it told since ``since`` some is kept no more."""
    return Delivery(f"{portal_id}/journal/gap/{offset}", "0", GAP, msgspec.json.encode(JournalGap(since)), now, account=str(portal_id))


def _client(ctx: Context, token: str = "") -> HttpClient:
    """Return a client of the same address that names the app instead of the account, and whose failures are its own."""
    budget = Aside(ctx.http.budget)
    auth = (lambda: {"Authorization": f"Bearer {token}"}) if token else None
    return HttpClient(ctx.http.address, budget=budget, auth=auth, statuses=STATUSES, explain=explain, retry=ctx.http.retry)


async def _ask(ctx: Context, http: HttpClient, what: str) -> Response:
    path = f"/webhooks-journal/journal-local/{ctx.settings.api_version}/{what}"
    return await http.request("GET", path, params=[("installPortalId", str(ctx.settings.portal_id))], is_write=False)


async def _token(ctx: Context) -> str:
    """Return the app's own token, a kept one as long as it lasts: https://developers.hubspot.com/docs/api-reference/latest/authentication."""
    kept = ctx.state.get(_TOKEN)
    now = ctx.clock.now()
    if kept is not None and now < kept[1]:
        return str(kept[0])
    form = {
        "grant_type": "client_credentials",
        "client_id": ctx.settings.client_id,
        "client_secret": ctx.settings.client_secrets[0].get_secret_value(),
        "scope": SCOPE,
    }
    async with _client(ctx) as http:
        answer = await http.request("POST", f"/oauth/{ctx.settings.api_version}/token", form=form, is_write=False)
    token = _decoded(answer, Token)
    ctx.state[_TOKEN] = (token.access_token, now + timedelta(seconds=token.expires_in) - _EARLY)
    return token.access_token


async def _events(ctx: Context, url: str) -> tuple[Delivery, ...]:
    """Return the events in an entry's file that are of this account."""
    address = URL(url)
    if is_plain_abroad(url) or address.scheme not in ("http", "https") or not address.host:
        raise SetupError("the journal names a file at no safe address", code="hubspot.journal_address")
    budget = LocalBudget(rate_per_s=50.0, burst=10, concurrency_max=1)
    async with HttpClient(str(address.origin()), budget=budget, statuses=_FILE_STATUSES, retry=ctx.http.retry, content_type="") as http:
        file = _decoded(await http.request("GET", url, is_write=False), JournalFile)
    now = ctx.clock.now()
    found = (_delivery(ctx.settings.portal_id, bytes(raw), now) for raw in file.journalEvents)
    return tuple({one.dedupe_key: one for one in found if one is not None}.values())


def _delivery(portal_id: int, body: bytes, now: datetime) -> Delivery | None:
    """Return an event as a delivery, None if it is another account's. One of another shape is kept and held back: the rest goes on."""
    key = f"{portal_id}/journal/{digest(body.decode(errors='replace'))[:24]}"
    try:
        event = msgspec.json.decode(body, type=JournalEvent)
        occurred_at = instant(event.occurredAt)
    except (msgspec.DecodeError, UnicodeDecodeError, TransientError):
        return Delivery(key, "0", "journal.event", body, now, account=str(portal_id), parked="the journal tells an event of another shape")
    if event.portalId != portal_id:
        return None
    kind = kind_of_journal(event.action, event.objectTypeId)
    return Delivery(key, shard_of(body), kind, kept(kind, body), occurred_at, account=str(portal_id))


def _decoded(answer: Response, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.body, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TransientError(f"{answer.where}: the answer has another shape: {error}", code="hubspot.answer_shape") from error
