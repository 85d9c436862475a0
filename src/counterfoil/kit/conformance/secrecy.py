"""Check that no secret shows: not in an error, its trace, an outcome, a log line or the printed settings."""

from __future__ import annotations

import io
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from counterfoil.kit.conformance.check import Check, CheckedPart, ConformanceError, require
from counterfoil.kit.conformance.harness import Harness, opened
from counterfoil.kit.conformance.writing import findings_of
from counterfoil.kit.context import Context
from counterfoil.kit.errors import HubError
from counterfoil.kit.sandbox import Fault

_FAULTS = (("status", 401), ("status", 403), ("status", 400), ("status", 500), ("drop_before", 0), ("truncate_after", 0))


async def secrets_do_not_show(kind: type[Harness]) -> None:
    """Reading and writing through refused, failing and cut answers that quote the secrets, nothing repeats them."""
    secrets = kind().secrets
    with _log_lines() as lines:
        # A fresh harness for each fault: the breaker of the one before would let no call through.
        shown = [text for fault, status in _FAULTS for text in await _provoke(kind, fault, status)]
    for secret in secrets:
        require(len(secret) >= 6, "the harness names a secret shorter than six characters")
        require(secret not in lines.getvalue(), "a secret shows in a log line")
        for text in shown:
            if secret in text:
                raise ConformanceError(f"a secret shows in: {text.replace(secret, '***')[:500]}")


@contextmanager
def _log_lines() -> Iterator[io.StringIO]:
    """Collect everything that is logged, at any level."""
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


async def _provoke(kind: type[Harness], fault: str, status: int) -> list[str]:
    """Return every text that comes out of calls that fail in one way."""
    async with opened(kind) as (harness, ctx):
        switch = harness.switch()
        if switch is not None:
            switch.faults[:] = [Fault(fault, times=-1, status=status or 503, body=f"denied for {' '.join(harness.secrets)}")]
        return [repr(ctx.settings), str(ctx.settings), *await _call_all(harness, ctx)]


async def _call_all(harness: Harness, ctx: Context) -> list[str]:
    shown: list[str] = []
    connector = harness.connector
    for polls in connector.lists_of_changes(ctx.settings).values():
        try:
            await polls.poll(ctx, "")
        except HubError as error:
            shown.extend(traceback.format_exception(error))
    if connector.deliver:
        try:
            shown.append(repr(await findings_of(connector, ctx, harness.requirements())))
        except HubError as error:
            shown.extend(traceback.format_exception(error))
    for command in list(harness.commands())[:1]:
        try:
            shown.append(repr(await connector.deliver[command.kind].send(ctx, [command], harness.bindings())))
        except HubError as error:
            shown.extend(traceback.format_exception(error))
    return shown


def _has_secrets(harness: Harness) -> bool:
    return bool(harness.secrets)


CHECKS = (Check("no_secret_shows_in_errors_logs_or_outcomes", CheckedPart.PROVEN, secrets_do_not_show, _has_secrets),)
