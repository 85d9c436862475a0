"""Asking the books whether they have what changed rules name, before anything is proposed: the accounts, journals and taxes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from counterfoil.app.asking import Asked
from counterfoil.app.checking import Checked, check_books
from counterfoil.app.hub import open_hub
from counterfoil.app.rules import settled
from counterfoil.app.settings import load
from counterfoil.kit.connector import Severity
from counterfoil.kit.errors import HubError

ASK_WITHIN_S = 30.0
"""Books that take longer to answer are not asked: a person waits."""


async def ask_of_rules(path: Path, before: str, after: str) -> Asked:
    """Return what the books say of a body's rules that they do not say of those in force: each error with its remedy."""
    try:
        settings = replace(load(path), notify=())
        async with asyncio.timeout(ASK_WITHIN_S), open_hub(settings, does_share=False) as hub:
            found: list[list[Checked]] = []
            for body in (before, after):
                hub.decide_by(settled(hub.file, body), 0)
                found.append([one for one in await check_books(hub) if one.finding.severity is Severity.ERROR])
    except TimeoutError:
        return Asked(why_not=f"they did not answer within {ASK_WITHIN_S:.0f} s")
    except HubError as error:
        return Asked(why_not=str(error))
    known = {(one.connection, one.finding.code, one.finding.message) for one in found[0]}
    new = [one.finding for one in found[1] if (one.connection, one.finding.code, one.finding.message) not in known]
    said = tuple(f"{one.entity + ': ' if one.entity else ''}{one.message}. {one.remedy}." for one in new)
    return Asked(said, "" if said or not found[0] else found[0][0].finding.message)
