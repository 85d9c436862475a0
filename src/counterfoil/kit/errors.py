"""Errors sorted by what the caller does next (style: errors)."""

from __future__ import annotations

from counterfoil.core.language.case_class import CaseClass
from counterfoil.core.language.money import Money


class HubError(Exception):
    """Base: ``code`` is stable and documented, the message says what happened, to which record, and what to do next."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code
        self.is_outcome_unknown = False
        """Whether something may have taken effect before this error; whoever knows says so."""


class TransientError(HubError):
    """Retry with backoff: 429, 503, timeout, lock. ``is_outcome_unknown``: the request may have taken effect.

    ``is_unavailable``: the system as a whole cannot be used now (unreachable, overloaded, in maintenance): no fault of what was sent,
    which therefore waits without using up its attempts.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        retry_after_s: float | None = None,
        is_outcome_unknown: bool = False,
        is_unavailable: bool = False,
    ) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s
        self.is_outcome_unknown = is_outcome_unknown
        self.is_unavailable = is_unavailable


class SetupError(HubError):
    """Pause the connection and tell its owner: expired key, missing scope, wrong configuration."""


class RejectedError(HubError):
    """Open a case for this record and go on with the rest. ``case_class`` is one of the exception classes of the domain.

    ``cause``: in words, what this record has in common with others that are wrong alike: they share one case; empty: a case of its own.
    ``remedy``: what to do, where that is not to correct the record and retry. ``money``: what the record is about, if it can be told.
    ``concerns``: the object (``kind/id``) whose money that is. ``object_key``: the object the record tells of; whatever waits for that one
    waits for the same cause.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        case_class: CaseClass = CaseClass.REJECTED_BY_TARGET,
        cause: str = "",
        remedy: str = "",
        money: Money | None = None,
        concerns: str = "",
        object_key: str = "",
    ) -> None:
        super().__init__(message, code=code)
        self.case_class = case_class
        self.cause = cause
        self.remedy = remedy
        self.money = money
        self.concerns = concerns
        self.object_key = object_key


class DriftError(RejectedError):
    """The source said something we have no map for (unknown state, type or version): schema drift, never a guess.

    ``drift_key`` groups all records with the same cause into one case.
    """

    def __init__(self, message: str, *, code: str, drift_key: str) -> None:
        super().__init__(message, code=code, case_class=CaseClass.SCHEMA_DRIFT)
        self.drift_key = drift_key


class IntakeRefused(HubError):
    """A delivery is refused at the door, with this HTTP status; no receipt is kept."""

    def __init__(self, message: str, *, code: str, status: int) -> None:
        super().__init__(message, code=code)
        self.status = status
