"""Why a person decides something: what is kept in the audit for as long as that is, and shown at terminals."""

from __future__ import annotations

import unicodedata

LENGTH_MAX = 2_000
"""Characters of a reason; what is longer belongs in a document that the reason names."""
_LINES = "\n\t"


def reason_problem(reason: str) -> str:
    """Return why a reason will not do, as the end of a sentence that begins with it; empty: it will."""
    if not reason.strip():
        return "must say why"
    if len(reason) > LENGTH_MAX:
        return f"has {len(reason):,} characters, and at most {LENGTH_MAX:,} are kept; name the document that says more"
    wrong = next((sign for sign in reason if sign not in _LINES and unicodedata.category(sign) in ("Cc", "Cs")), "")
    return f"has a character that no terminal can show (U+{ord(wrong):04X}); leave it out" if wrong else ""


def need_reason(reason: str) -> None:
    """Raise ValueError if a reason will not do."""
    problem = reason_problem(reason)
    if problem:
        raise ValueError(f"the reason {problem}")
