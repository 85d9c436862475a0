"""The case of a partition whose turns fail before anything is in hand: what it does, why it fails, where."""

from __future__ import annotations

import traceback
from datetime import datetime
from pathlib import PurePath

import psycopg

from counterfoil.core.language.case_class import CaseClass
from counterfoil.kit.errors import HubError
from counterfoil.store import cases
from counterfoil.store.opening import opening
from counterfoil.store.work import TURN, split_key

DOES = {
    "normalize": "reading deliveries",
    "normalize_bulk": "reading deliveries",
    "decide": "deciding what is to be posted",
    "decide_bulk": "deciding what is to be posted",
    "deliver": "posting",
    "poll": "polling",
    "listen": "listening",
    "close_day": "closing days",
    "replay": "replaying",
}
_WORDS_MAX = 200


def failing_case(stage: str, key: str, error: Exception, now: datetime) -> cases.Opening:
    """Return the opening; partitions of one place that fail alike share a case."""
    code = "work.turn_fails"
    place = split_key(key)[0] if "/" in key else key
    cause = cause_of(error)
    shared = "" if stage.startswith("decide") else place
    return opening(
        now=now,
        fingerprint=f"{code}|{stage}|{shared}|{cause}",
        case_class=CaseClass.SCHEMA_DRIFT,
        code=code,
        cause=f"{DOES.get(stage, f'the stage {stage}')}{f' of {shared}' if shared else ''} fails each time: {cause}",
        next_step=(
            "It is tried again by itself, and this case closes when it works. If the cause named is none that can be set right here, report"
            " it with the worker's log; everything else goes on meanwhile."
        ),
        stage=TURN,
        subject=f"{stage}:{key}",
        connection=shared,
    )


def cause_of(error: Exception) -> str:
    """Return what failed and where, without anything of the data: an error's words are shown only where they are known to have none."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    words = ""
    if isinstance(error, HubError):
        words = f": {error}"
    elif isinstance(error, psycopg.Error) and error.sqlstate:
        words = f" (SQLSTATE {error.sqlstate})"
    elif isinstance(error, KeyError):
        words = f": {error}"
    return f"{type(error).__name__}{words[:_WORDS_MAX]}{_where(error)}"


def _where(error: Exception) -> str:
    """Return the innermost place of ours the error passed."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "counterfoil" in PurePath(frame.filename).parts]
    return f", in {frames[-1].name} ({PurePath(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
