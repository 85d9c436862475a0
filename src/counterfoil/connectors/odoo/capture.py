"""Change capture: what was posted, paid, edited, unmatched or cancelled in Odoo, by whomever, read in overlapping windows of write_date.

Why so: write_date is the start of the writing transaction and becomes visible at its commit, so a later one may be seen earlier; each
window therefore goes back by ``capture_overlap_s``, at least the longest a server lets a request run. Nothing limits a transaction of a
script or a shell, so from time to time a window takes a second look and goes back by ``capture_late_s``. A window ends at the newest
write_date there is, so only the database's own clock counts. Within it, pages go by id, because rows move when they are written again. A
document read again without a change has the same content hash, hence the same dedupe key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from counterfoil.connectors.odoo import normalize
from counterfoil.connectors.odoo.detect import Session, connect
from counterfoil.connectors.odoo.normalize import Capture, Snapshot
from counterfoil.connectors.odoo.snapshots import MODELS, Scope, domain_of, newest_of, read_page, scope_of, written_between
from counterfoil.core.kinds.erp_document import ERP_DOCUMENT
from counterfoil.core.language.ids import ObjectRef, digest
from counterfoil.kit.connector import Delivery, Fetched, Normalized, Page
from counterfoil.kit.context import Context
from counterfoil.kit.errors import TransientError

_FORMAT = "%Y-%m-%d %H:%M:%S"

LOOKS = 4
"""Second looks per ``capture_late_s``: a change is seen if its transaction took at most the rest of it, three quarters."""


class CaptureCursor(Struct, frozen=True, omit_defaults=True):
    """Where polling stands.

    Attributes:
        since: first second of the window. until: its last second, the newest write_date when it was opened.
        model: index of the model being paged. after_id: last id of the page before.
        opened_at: when the window was opened, by our clock. idle_from: first poll, by our clock, that found nothing newer.
        looked_at: when a window last went back by ``capture_late_s``, or polling began, by our clock.
    """

    since: str = ""
    until: str = ""
    model: int = 0
    after_id: int = 0
    opened_at: str = ""
    idle_from: str = ""
    is_open: bool = False
    looked_at: str = ""


class OdooSource:
    """Odoo as a source of changes. It is polled: its automation webhooks carry no signature, so nothing they say can be believed."""

    def needs(self, delivery: Delivery) -> tuple[str, ...]:
        """Return nothing: a captured document is complete."""
        del delivery
        return ()

    def locate(self, ref: ObjectRef) -> str | None:
        """Return ``<model>/<id>`` of an ERP document."""
        if ref.kind != ERP_DOCUMENT.name:
            return None
        reference = ref.id.partition(":")[2]
        model, _, record_id = reference.partition("/")
        return reference if model in MODELS and record_id.isdigit() else None

    async def fetch(self, ctx: Context, refs: Sequence[str]) -> tuple[Fetched, ...]:
        """Return the documents as they are now; None for one that was deleted (Odoo leaves no trace of it)."""
        session = await connect(ctx)
        scope = await scope_of(ctx, session)
        found: dict[str, bytes] = {}
        for model in MODELS:
            ids = [int(ref.partition("/")[2]) for ref in refs if ref.startswith(f"{model}/")]
            for start in range(0, len(ids), session.settings.capture_page_size):
                part = ids[start : start + session.settings.capture_page_size]
                for capture in await read_page(session, scope, model, [["id", "in", part]], ctx.connection):
                    found[f"{model}/{capture.snapshot.id}"] = msgspec.json.encode(capture)
        now = ctx.clock.now()
        return tuple(Fetched(ref, found.get(ref), now) for ref in refs)

    def normalize(self, settings: Any, delivery: Delivery, fetched: Mapping[str, Fetched]) -> Normalized:
        """Return the fact of a captured document."""
        del settings, fetched
        return normalize.facts(delivery.body)

    async def poll(self, ctx: Context, cursor: str) -> Page:
        """Return the next page of changed documents."""
        session = await connect(ctx)
        scope = await scope_of(ctx, session)
        place = _parse(cursor)
        if not place.is_open:
            place = await _open_window(ctx, session, scope, place)
        if not place.is_open:
            return Page((), _text(place), has_more=False, covers_until=_covered(ctx, place, session.settings.capture_overlap_s))
        model = MODELS[place.model]
        window: list[Any] = [*written_between(model, place.since, place.until), ["id", ">", place.after_id]]
        captures = await read_page(session, scope, model, [*domain_of(model, session, scope), *window], ctx.connection)
        following = _next(place, captures, session.settings.capture_page_size)
        covers = None if following.is_open else _covered(ctx, following, session.settings.capture_overlap_s)
        return Page(tuple(map(_delivery, captures)), _text(following), has_more=following.is_open, covers_until=covers)

    def backfill_kinds(self) -> tuple[str, ...]:
        """Return the captured models."""
        return MODELS

    async def backfill(self, ctx: Context, kind: str, since: datetime, cursor: str) -> Page:
        """Return the next page of documents of a model created at or after since, by id."""
        session = await connect(ctx)
        scope = await scope_of(ctx, session)
        after = int(cursor or "0")
        start = since.astimezone(UTC).strftime(_FORMAT)
        domain = [*domain_of(kind, session, scope), ["create_date", ">=", start], ["id", ">", after]]
        captures = await read_page(session, scope, kind, domain, ctx.connection)
        has_more = len(captures) == session.settings.capture_page_size
        last = captures[-1].snapshot.id if captures else after
        return Page(tuple(map(_delivery, captures)), str(last), has_more=has_more)


async def _open_window(ctx: Context, session: Session, scope: Scope, place: CaptureCursor) -> CaptureCursor:
    """Open the window up to the newest write_date; leave it closed if nothing is newer and the overlap has been read again since."""
    now = ctx.clock.now()
    stamp = _stamp(now)
    newest = max([await newest_of(session, scope, model) for model in MODELS])
    if not newest:
        return CaptureCursor(opened_at=stamp)
    overlap, late = timedelta(seconds=session.settings.capture_overlap_s), timedelta(seconds=session.settings.capture_late_s)
    is_look = bool(place.until) and (not place.looked_at or now - normalize.instant(place.looked_at) >= late / LOOKS)
    looked_at = stamp if is_look or not place.until else place.looked_at
    idle_from = ""
    if newest == place.until:
        idle_from = place.idle_from or stamp
        if not is_look and now - normalize.instant(idle_from) > overlap:
            return CaptureCursor(place.since, place.until, opened_at=stamp, idle_from=idle_from, looked_at=looked_at)
    before = place.until or min(place.opened_at or newest, newest)
    since = normalize.instant(before) - (max(late, overlap) if is_look else overlap)
    return CaptureCursor(since.strftime(_FORMAT), newest, opened_at=stamp, idle_from=idle_from, is_open=True, looked_at=looked_at)


def _next(place: CaptureCursor, captures: Sequence[Capture], page_size: int) -> CaptureCursor:
    """Return the place after a page: the next page, the next model, or the closed window."""
    replace = msgspec.structs.replace
    if len(captures) == page_size:
        return replace(place, after_id=captures[-1].snapshot.id)
    if place.model + 1 < len(MODELS):
        return replace(place, model=place.model + 1, after_id=0)
    return replace(place, model=0, after_id=0, is_open=False)


def _covered(ctx: Context, place: CaptureCursor, overlap_s: int) -> datetime:
    """Return the instant up to which every change was seen that came in time: the opening of the window less the overlap.

    A change whose transaction took longer is seen by a second look.
    """
    opened = normalize.instant(place.opened_at) if place.opened_at else ctx.clock.now()
    return opened - timedelta(seconds=overlap_s)


def _delivery(capture: Capture) -> Delivery:
    snapshot: Snapshot = capture.snapshot
    reference = f"{snapshot.model}/{snapshot.id}"
    content = digest(msgspec.json.encode(snapshot).decode())
    return Delivery(
        dedupe_key=f"{reference}@{content}@{capture.written_at}",
        shard_key=reference,
        kind=f"{snapshot.model}.fetched",
        body=msgspec.json.encode(capture),
        occurred_at=normalize.instant(capture.written_at),
    )


def _parse(cursor: str) -> CaptureCursor:
    if not cursor:
        return CaptureCursor()
    try:
        return msgspec.json.decode(cursor, type=CaptureCursor)
    except msgspec.DecodeError as error:
        raise TransientError(f"the capture cursor is unreadable: {error}", code="odoo.cursor") from error


def _text(place: CaptureCursor) -> str:
    return msgspec.json.encode(place).decode()


def _stamp(now: datetime) -> str:
    return now.astimezone(UTC).strftime(_FORMAT)
