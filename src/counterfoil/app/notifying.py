"""Telling people of cases: by e-mail, chat or webhook, grouped, once per change, quiet when it is over.

A message holds numbers of cases, classes, connections, entities, money and due times: nothing about a person. It is sent by whichever
worker holds the one partition of the stage ``notify``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from pydantic import SecretStr

from counterfoil.core.language.money import CurrencyError, Money, format_money
from counterfoil.core.policies.exceptions import handling_of
from counterfoil.kit.clock import Clock
from counterfoil.kit.stage import PLAIN, Turn, TurnContext, backoff_s
from counterfoil.store import cases, notices
from counterfoil.store.cases import Case
from counterfoil.store.notices import ChannelState as Seen
from counterfoil.store.notices import Notice
from counterfoil.store.pool import Pool

log = structlog.get_logger()

LOOK_EVERY_S = 10.0
CASES_MAX = 500
LINES_MAX = 20
"""Cases named in one message; the rest is counted."""
URGENT = timedelta(hours=4)
"""A class that is due so soon is urgent."""
SEND_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Untold:
    """Why a message was not taken."""

    code: str


BAD_ADDRESS = Untold(code="notify.address").code
NOT_TAKEN = Untold(code="notify.not_taken").code
NO_ANSWER = Untold(code="notify.timeout").code


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as configured: its secret address, what it is told of, how long it collects, and how often it is told at most.

    ``is_in_clear``: whether a password or token of it stands in the configuration file itself.
    """

    name: str
    url: SecretStr
    classes: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    is_urgent_only: bool = False
    wait_s: float = 20.0
    every_s: float = 60.0
    is_in_clear: bool = False

    def wants(self, case: Case) -> bool:
        """Whether it is told of a case."""
        return (
            (not self.classes or case.case_class in self.classes)
            and (not self.owners or case.owner in self.owners)
            and (not self.is_urgent_only or is_urgent(case))
        )


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent, and the cases it tells of: ``new``, ``overdue``, ``over``."""

    title: str
    body: str
    new: tuple[int, ...] = ()
    overdue: tuple[int, ...] = ()
    over: tuple[int, ...] = ()


SendNotice = Callable[[SecretStr, str, str], str]
"""Sends title and body to an address; returns why it was not taken, empty if it was. Blocks."""


def is_urgent(case: Case) -> bool:
    """Tell whether a case's class is due within hours."""
    return handling_of(case.case_class).due_after <= URGENT


def message_of(channel: Channel, open_cases: Sequence[Case], standing: Sequence[Notice], seen: Seen, now: datetime) -> Message | None:
    """Return what a channel is to be told now, None for nothing; pure.

    New cases are collected until the oldest is ``wait_s`` old. That all is over is told once, when the last case it was told of is closed.
    """
    if seen.next_try_at is not None and seen.next_try_at > now:
        return None
    if seen.sent_at is not None and now - seen.sent_at < timedelta(seconds=channel.every_s):
        return None
    wanted = [case for case in open_cases if channel.wants(case)]
    known = {one.case_id: one for one in standing}
    new = [case for case in wanted if case.id not in known]
    if not any(now - case.opened_at >= timedelta(seconds=channel.wait_s) for case in new):
        new = []
    late = [case for case in wanted if case.id in known and case.due_at < now and known[case.id].overdue_told_at is None]
    if new or late:
        return _of_cases(new, late, now)
    if standing and not any(one.is_open for one in standing):
        over = tuple(one.case_id for one in standing)
        closed = "the case is closed" if len(over) == 1 else f"all {len(over)} cases are closed"
        return Message(f"Counterfoil: over, {closed}", f"Closed: {', '.join(f'#{id}' for id in over[:LINES_MAX])}", over=over)
    return None


def _of_cases(new: Sequence[Case], late: Sequence[Case], now: datetime) -> Message:
    parts = [f"{len(new)} new case{'s' if len(new) != 1 else ''}"] if new else []
    parts += [f"{len(late)} overdue"] if late else []
    urgent = sum(1 for case in new if is_urgent(case))
    title = "Counterfoil: " + ", ".join(parts) + (f" ({urgent} urgent)" if urgent else "")
    ordered = sorted({case.id: case for case in (*new, *late)}.values(), key=lambda case: (case.due_at, case.id))
    lines = [line(case, now) for case in ordered[:LINES_MAX]]
    if len(ordered) > LINES_MAX:
        lines.append(f"and {len(ordered) - LINES_MAX} more: counterfoil case list")
    lines.append("counterfoil case show NUMBER tells what to do.")
    # A case that is new and overdue at once is told once.
    overdue = tuple(case.id for case in ordered if case.due_at < now)
    return Message(title, "\n".join(lines), tuple(case.id for case in new), overdue)


def line(case: Case, now: datetime) -> str:
    """Return a case in one line: its number, class, where, how many, how much, when it is due. Nothing about a person."""
    where = " ".join(part for part in (case.connection, case.entity) if part)
    money = " + ".join(_money(one) for one in case.money)
    due = f"OVERDUE since {case.due_at:%Y-%m-%d %H:%M} UTC" if case.due_at < now else f"due {case.due_at:%Y-%m-%d %H:%M} UTC"
    many = f"{case.count} records" if case.count > 1 else ""
    parts = (case.case_class.replace("_", " "), f"({case.code})", where, many, money, case.owner, due)
    return f"#{case.id} " + ", ".join(part for part in parts if part)


def _money(one: cases.CaseMoney) -> str:
    try:
        return format_money(Money(one.minor, one.currency))
    except CurrencyError:
        return f"{one.minor} minor units {one.currency}"


def by_apprise(url: SecretStr, title: str, body: str) -> str:
    """Send by whatever an address of Apprise's names (https://github.com/caronc/apprise/wiki); its words may hold the address: not kept."""
    import apprise

    logging.getLogger("apprise").disabled = True
    sender = apprise.Apprise()
    if not bool(sender.add(url.get_secret_value())):
        return BAD_ADDRESS
    return "" if bool(sender.notify(title=title, body=body)) else NOT_TAKEN


@dataclass(frozen=True, slots=True)
class Notifier:
    """The stage ``notify``: one partition, so that one worker at a time tells people."""

    pool: Pool
    clock: Clock
    channels: Sequence[Channel]
    send: SendNotice = by_apprise

    async def turn(self, key: str, context: TurnContext = PLAIN) -> Turn:
        """Tell every channel what it has not been told."""
        del key, context
        for channel in self.channels:
            await self._tell(channel)
        return Turn(has_more=False, wake_in_s=LOOK_EVERY_S)

    async def _tell(self, channel: Channel) -> None:
        now = self.clock.now()
        async with self.pool.connection() as conn:
            seen = {one.channel: one for one in await notices.channels(conn)}.get(channel.name, Seen(channel.name))
            found = await cases.list_cases(conn, limit=CASES_MAX)
            message = message_of(channel, found, await notices.standing(conn, channel.name), seen, now)
        if message is None:
            return
        why = await sent(self.send, channel.url, message.title, message.body)
        async with self.pool.connection() as conn, conn.transaction():
            if not why:
                await notices.told(conn, channel.name, message.new, message.overdue, message.over, now)
                return
            await notices.failed(
                conn, channel.name, why, now + timedelta(seconds=backoff_s(seen.tries + 1, base_s=10, wait_max_s=600)), now
            )
        log.warning("people could not be told", channel=channel.name, code=why, tries=seen.tries + 1)


async def sent(send: SendNotice, url: SecretStr, title: str, body: str) -> str:
    """Send in a thread of its own; return why it was not taken, empty if it was."""
    try:
        async with asyncio.timeout(SEND_WAIT_S):
            return await asyncio.to_thread(send, url, title, body)
    except TimeoutError:
        return NO_ANSWER
    except Exception as error:  # whatever a channel's own code does, the others are told
        log.warning("a channel failed", error=type(error).__name__)
        return NOT_TAKEN


def failing(channels: Collection[str], seen: Sequence[Seen]) -> Mapping[str, str]:
    """Return the configured channels that did not take their last message, with why."""
    return {one.channel: one.code for one in seen if one.failing_since is not None and one.channel in channels}
