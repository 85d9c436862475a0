"""What people do about releases of the rules: propose, approve, release, withdraw, roll back; each an intent with its audit line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from counterfoil.app.contradictions import refuse_contradictions
from counterfoil.app.older_programs import refuse_beside_older
from counterfoil.app.release_settings import Approval
from counterfoil.app.rules import approval_of, body_of, leaves_of
from counterfoil.app.settings import load_unopened
from counterfoil.kit.errors import SetupError
from counterfoil.store import audit, releases, work
from counterfoil.store.cipher import Cipher
from counterfoil.store.pool import Conn, Pool
from counterfoil.store.releases import Release, ReleaseOrigin, Shaped

__all__ = [
    "Release",
    "ReleaseRequest",
    "SettingDifference",
    "Shaped",
    "approve",
    "differences",
    "is_waiting",
    "listed",
    "notice",
    "propose",
    "refuse_without_approval",
    "release",
    "release_at_start",
    "release_body",
    "roll_back",
    "shaped",
    "state_words",
    "waiting_words",
    "withdraw",
]


class OpenDatabase(Protocol):
    """A hub's database, or the hub itself."""

    @property
    def pool(self) -> Pool:
        """The database."""
        ...

    @property
    def cipher(self) -> Cipher:
        """The keys of what is encrypted in it."""
        ...


@dataclass(frozen=True, slots=True)
class SettingDifference:
    """A setting that two releases say differently; '' where one does not say it."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ReleaseRequest:
    """Who does something, when, and why. ``effective_from`` None: at once."""

    actor: str
    now: datetime
    note: str = ""
    effective_from: datetime | None = None


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[SettingDifference]:
    """Return the settings in which two bodies differ, by path."""
    return [
        SettingDifference(path, before.get(path, ""), after.get(path, ""))
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    ]


def is_waiting(one: Release, now: datetime) -> bool:
    """Tell whether a proposal waits for somebody, or a release for its instant."""
    return one.is_open or (
        one.released_at is not None and one.withdrawn_at is None and one.effective_from is not None and one.effective_from > now
    )


def waiting_words(one: Release) -> str:
    """Return the words that tell what a proposal or a scheduled release waits for, and for whom."""
    if one.released_at is not None:
        return f"Rules release {one.version} takes effect at {one.effective_from:%Y-%m-%d %H:%M:%S} UTC."
    does = "its release" if one.approved_at is not None else "approval"
    return f"Proposal {one.version} of the rules, by {one.proposed_by}, waits for {does}: `counterfoil rules diff {one.version}`."


async def release_at_start(conn: Conn, cipher: Cipher, body: str, held: Release | None, actor: str, now: datetime) -> Release:
    """Release a file's rules because a hub starts with them; under the lock. Raises SetupError: they contradict what is booked."""
    if held is not None:
        await refuse_contradictions(conn, cipher, held.body, body)
        await refuse_beside_older(conn, held.body, body)
    made = await releases.add(conn, body, ReleaseOrigin.START, 0 if held is None else held.version, "", actor, now)
    await releases.approve(conn, made.version, actor, now)
    await releases.release(conn, made.version, actor, now, None)
    await _note(conn, ReleaseRequest(actor, now), "rules released", made.version, {"digest": made.digest, "origin": made.origin.value})
    return replace(made, approved_by=actor, approved_at=now, released_by=actor, released_at=now)


async def listed(place: OpenDatabase, now: datetime) -> tuple[list[Release], Release | None]:
    """Return all releases and proposals, oldest first, and the one in force."""
    async with place.pool.connection() as conn:
        known = await releases.load(conn)
    return known, releases.current(known, now)


async def shaped(place: OpenDatabase, version: int) -> Shaped | None:
    """Return the release and the mappings behind the version a command carries; None: there is none."""
    async with place.pool.connection() as conn:
        return await releases.shaped_by(conn, version)


async def notice(place: OpenDatabase, path: Path, now: datetime) -> str:
    """Return what is to be said of a configuration file beside the release in force; empty: nothing, or nothing was released yet."""
    known, held = await listed(place, now)
    return "" if held is None else state_words(held, known, body_of(load_unopened(path)), now)


async def refuse_without_approval(conn: Conn, now: datetime) -> None:
    """Refuse a change of one person alone where another has to approve. Raises SetupError."""
    held = await releases.in_force(conn, now)
    if held is not None and _approval(held) is Approval.REQUIRED:
        raise SetupError(
            "another person has to approve what is mapped ([rules] approval is 'required'): write it under [mappings] of the configuration"
            " file, and `counterfoil rules propose`",
            code="rules.not_approved",
        )


async def propose(place: OpenDatabase, body: str, ask: ReleaseRequest) -> Release:
    """Propose a file's rules; nothing is decided by them before they are released.

    Raises:
        SetupError: nothing differs from what is in force, another proposal waits, or the rules contradict what is booked.
    """
    async with place.pool.connection() as conn, conn.transaction():
        held, _ = await _look(conn, ask.now)
        return await _propose(conn, place.cipher, body, ReleaseOrigin.FILE, held, ask)


async def approve(place: OpenDatabase, version: int, ask: ReleaseRequest) -> None:
    """Approve a proposal. Raises SetupError: there is none, or approval by another person is required and it is one's own."""
    async with place.pool.connection() as conn, conn.transaction():
        held, known = await _look(conn, ask.now)
        proposal = _open(known, version)
        _check_base(held, proposal)
        if _approval(held) is Approval.REQUIRED and ask.actor == proposal.proposed_by:
            raise SetupError(
                f"proposal {version} is by {proposal.proposed_by}: another person approves it ([rules] approval is 'required')",
                code="rules.own_approval",
            )
        await releases.approve(conn, version, ask.actor, ask.now)
        await _note(conn, ask, "rules approved", version, {"digest": proposal.digest})


async def release(place: OpenDatabase, version: int, ask: ReleaseRequest) -> Release:
    """Release a proposal, from now or a later instant on.

    Raises:
        SetupError: there is none, it is not approved and must be, or it contradicts what has been booked meanwhile.
    """
    async with place.pool.connection() as conn, conn.transaction():
        held, known = await _look(conn, ask.now)
        proposal = _open(known, version)
        _check_base(held, proposal)
        return await _release(conn, place.cipher, held, proposal, ask)


async def release_body(place: OpenDatabase, body: str, ask: ReleaseRequest) -> Release:
    """Propose a file's rules and release them in one act, where no other person has to approve. Raises SetupError as both."""
    async with place.pool.connection() as conn, conn.transaction():
        held, _ = await _look(conn, ask.now)
        if _approval(held) is Approval.REQUIRED:
            raise SetupError(
                "another person has to approve ([rules] approval is 'required'): `counterfoil rules propose`, and `approve` by another",
                code="rules.not_approved",
            )
        return await _release(conn, place.cipher, held, await _propose(conn, place.cipher, body, ReleaseOrigin.FILE, held, ask), ask)


async def roll_back(place: OpenDatabase, version: int | None, ask: ReleaseRequest) -> Release:
    """Release the body of an earlier release anew (None: of the one before); where approval is required, propose it.

    Raises:
        SetupError: there is no such release, or its rules contradict what has been booked since.
    """
    async with place.pool.connection() as conn, conn.transaction():
        held, known = await _look(conn, ask.now)
        wanted = _earlier(known, held, version)
        made = await _propose(conn, place.cipher, wanted.body, ReleaseOrigin.ROLLBACK, held, ask)
        return made if _approval(held) is Approval.REQUIRED else await _release(conn, place.cipher, held, made, ask)


async def withdraw(place: OpenDatabase, version: int, ask: ReleaseRequest) -> None:
    """Take back a proposal, or a release whose instant is still to come. Raises SetupError: there is none."""
    async with place.pool.connection() as conn, conn.transaction():
        _, known = await _look(conn, ask.now)
        if not any(one.version == version and is_waiting(one, ask.now) for one in known):
            raise _unknown(version, "waits: nothing was withdrawn")
        await releases.withdraw(conn, version, ask.actor, ask.now)
        await _note(conn, ask, "rules withdrawn", version, {})


async def _look(conn: Conn, now: datetime) -> tuple[Release, list[Release]]:
    """Return the release in force and all there are, under the lock."""
    await releases.lock(conn)
    known = await releases.load(conn)
    held = releases.current(known, now)
    if held is None:
        raise SetupError("nothing was released yet: the first `counterfoil up` releases its configuration file", code="rules.none")
    return held, known


async def _propose(conn: Conn, cipher: Cipher, body: str, origin: ReleaseOrigin, held: Release, ask: ReleaseRequest) -> Release:
    known = await releases.load(conn)
    if body == held.body:
        raise SetupError(f"nothing differs from release {held.version}, which is in force", code="rules.nothing_changed")
    waits = next((one for one in known if is_waiting(one, ask.now)), None)
    if waits is not None:
        raise SetupError(
            f"{waiting_words(waits)} One at a time: release it, or `counterfoil rules withdraw {waits.version}`",
            code="rules.proposal_waits",
        )
    await refuse_contradictions(conn, cipher, held.body, body)
    made = await releases.add(conn, body, origin, held.version, ask.note, ask.actor, ask.now)
    await _note(conn, ask, "rules proposed", made.version, {"digest": made.digest, "origin": origin.value, "note": ask.note})
    return made


async def _release(conn: Conn, cipher: Cipher, held: Release, proposal: Release, ask: ReleaseRequest) -> Release:
    if _approval(held) is Approval.REQUIRED and proposal.approved_at is None:
        raise SetupError(
            f"proposal {proposal.version} is not approved: `counterfoil rules approve {proposal.version}`, by somebody other than"
            f" {proposal.proposed_by}",
            code="rules.not_approved",
        )
    if ask.effective_from is not None and ask.effective_from < ask.now:
        raise SetupError("a release takes effect now or later: what was decided before stays as it was decided", code="rules.past_instant")
    await refuse_contradictions(conn, cipher, held.body, proposal.body, is_later=ask.effective_from is not None)
    await refuse_beside_older(conn, held.body, proposal.body)
    if proposal.approved_at is None:
        await releases.approve(conn, proposal.version, ask.actor, ask.now)
    await releases.release(conn, proposal.version, ask.actor, ask.now, ask.effective_from)
    detail = {"digest": proposal.digest, "effective_from": str(ask.effective_from or ask.now), **({"note": ask.note} if ask.note else {})}
    await _note(conn, ask, "rules released", proposal.version, detail)
    await work.arm(conn, [(work.RULES, "all")])
    return next(one for one in await releases.load(conn) if one.version == proposal.version)


async def _note(conn: Conn, ask: ReleaseRequest, action: str, version: int, detail: Mapping[str, object]) -> None:
    await audit.append(conn, audit.AuditLine(ask.now, ask.actor, action, f"rules/{version}", detail))


def _open(known: Iterable[Release], version: int) -> Release:
    for one in known:
        if one.version == version and one.is_open:
            return one
    raise _unknown(version, "is a proposal that waits")


def _unknown(version: int, what: str) -> SetupError:
    return SetupError(f"no version {version} {what}; `counterfoil rules list` shows all", code="rules.unknown")


def _earlier(known: Sequence[Release], held: Release, version: int | None) -> Release:
    released = [one for one in known if one.released_at is not None and one.withdrawn_at is None and one.version < held.version]
    if version is None and released:
        return released[-1]
    for one in released:
        if one.version == version:
            return one
    raise SetupError(
        "there is no earlier release"
        if version is None
        else f"version {version} is no release before {held.version}; `counterfoil rules list`",
        code="rules.unknown",
    )


def _check_base(held: Release, proposal: Release) -> None:
    """Refuse a proposal that was made while another release was in force: it would undo what came between."""
    if proposal.base != held.version:
        raise SetupError(
            f"proposal {proposal.version} was made of release {proposal.base}; {held.version} is in force since. Withdraw it"
            f" (`counterfoil rules withdraw {proposal.version}`) and propose anew",
            code="rules.outdated",
        )


def _approval(held: Release) -> Approval:
    return approval_of(held.body)


def redoes_rollback(known: Iterable[Release], held: Release, body: str) -> bool:
    """Tell whether a body still says some of what the release in force has taken back: a start with it would undo the rollback."""
    undone = next((one for one in known if one.version == held.base), None)
    if held.origin is not ReleaseOrigin.ROLLBACK or undone is None:
        return False
    said = leaves_of(body)
    return any(said.get(one.path, "") == one.before for one in differences(leaves_of(undone.body), leaves_of(held.body)))


def state_words(held: Release, known: Sequence[Release], body: str, now: datetime) -> str:
    """Return what is to be said of a file beside the release in force; empty: they say the same, and nothing waits."""
    said = [waiting_words(one) for one in known if is_waiting(one, now)]
    if held.body != body and not any(one.body == body and is_waiting(one, now) for one in known):
        paths = [one.path for one in differences(leaves_of(held.body), leaves_of(body))]
        some = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
        is_new = _approval(held) is Approval.NONE and all(one.body != body for one in known) and not redoes_rollback(known, held, body)
        start = "a start of a worker with it, or " if is_new else ""
        said.append(
            f"The configuration file differs from rules release {held.version}, by which everything is decided: {some}. Nothing of that"
            f" holds before it is released: {start}`counterfoil rules diff`, then `counterfoil rules release` or `propose`."
        )
    return " ".join(said)
