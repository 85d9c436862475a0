"""What a case says of a document that somebody changed in the books: what it was, what it is, who did it, and what can be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from counterfoil.core.language.money import Money

from .differences import DocumentChange, DocumentDifference

CUSTOMER = "customer"
"""What a customer is called: the only thing told of that is no document."""
_SAYS = {
    DocumentChange.DELETED: "was deleted",
    DocumentChange.CANCELED: "was canceled",
    DocumentChange.RESET: "was taken back to draft",
    DocumentChange.AMOUNT: "comes to {now} instead of {was}",
    DocumentChange.DATE: "is dated {now} instead of {was}",
    DocumentChange.CUSTOMER: "is of another customer ({now} instead of {was})",
    DocumentChange.LINES: "has other accounts, taxes or parts on its lines, with the same total",
    DocumentChange.UNMATCHED: "has {now}, where our matches leave {was}",
    DocumentChange.MERGED: "was merged into {now}",
    DocumentChange.HIDDEN: "is out of the sight of the connection's user",
}
_MANY_SAY = {
    DocumentChange.DELETED: "were deleted",
    DocumentChange.CANCELED: "were canceled",
    DocumentChange.RESET: "were taken back to draft",
    DocumentChange.AMOUNT: "come to other amounts",
    DocumentChange.DATE: "are dated otherwise",
    DocumentChange.CUSTOMER: "are of other customers",
    DocumentChange.LINES: "have other accounts, taxes or parts on their lines",
    DocumentChange.UNMATCHED: "are matched no longer",
    DocumentChange.MERGED: "were merged into others",
    DocumentChange.HIDDEN: "are out of sight",
}
_ACCEPT = "If it is meant, accept it: `counterfoil case waive CASE --reason WHY --apply`; that holds until the document is changed again."
_SHOW = (
    "Nothing was deleted. Give the user of the connection the companies and rights it had (Settings, Users); what was given to a company"
    " that is none of the connection's must be given back."
)
_PUT_RIGHT = {
    DocumentChange.DELETED: "Post it again: `counterfoil case retry CASE`.",
    DocumentChange.CANCELED: "Take it back to draft in the books and confirm it there as it was.",
    DocumentChange.RESET: "Post it again as it was: confirm it in the books, or `counterfoil case retry CASE`.",
    DocumentChange.AMOUNT: "Put the old amounts back in the books; if the new ones are right, credit it at the source, so that both agree.",
    DocumentChange.DATE: "Put the old date back in the books, and confirm it again.",
    DocumentChange.CUSTOMER: "Put the old customer back in the books, and confirm it again.",
    DocumentChange.LINES: "Put the old accounts and taxes back in the books.",
    DocumentChange.UNMATCHED: (
        "Match it again in the books with what it was matched with, or have it matched again: `counterfoil case retry CASE`."
    ),
    DocumentChange.MERGED: "Nothing was lost: what is posted follows to the contact that stayed.",
    DocumentChange.HIDDEN: _SHOW,
}
_MANY_PUT_RIGHT = {
    DocumentChange.DELETED: (
        "See first whether {target} is the database it should be, and not one that was restored or copied: `counterfoil check` names it. If"
        " they come back there, the case closes itself. Nothing is posted again by itself; to post again all that this case holds:"
        " `counterfoil case retry CASE`."
    ),
    DocumentChange.RESET: "Confirm them again in the books, or post again all that this case holds: `counterfoil case retry CASE`.",
    DocumentChange.UNMATCHED: (
        "Match them again in the books, or have all that this case holds matched again: `counterfoil case retry CASE`."
    ),
    DocumentChange.HIDDEN: _SHOW,
}
"""Where it differs from what is said of one."""
_MAKE_AGAIN = "Make it again: `counterfoil case retry CASE`; the next document of it has it made again, too."
_CLOSES = "The case closes itself as soon as the books say what was posted."
_REVERSE = "If it must not stand, void or credit it at the source: the reversal is then booked."
_HAS_REVERSE = frozenset({DocumentChange.DELETED, DocumentChange.CANCELED, DocumentChange.RESET, DocumentChange.AMOUNT})


@dataclass(frozen=True, slots=True)
class CaseText:
    """What a case says. ``detail``: what is said of the one record where a case holds many."""

    cause: str
    next_step: str
    detail: str = ""


def tell(
    found: Sequence[DocumentDifference],
    *,
    kind: str,
    key: str,
    number: str,
    target: str,
    posted: Money | None,
    by: str,
    at: datetime | None,
) -> CaseText:
    """Return the words for differences (at least one). ``kind``: what the document is called; ``key``: its binding key.

    ``by`` and ``at``: who wrote it last in the target and when, as far as it says. A deleted document leaves no trace of either.
    """
    name = " ".join(part for part in (kind.replace("_", " "), number or key.partition("/")[2]) if part)
    of = f" ({key.partition('/')[2]}{f', {posted}' if posted is not None else ''})" if number else (f" ({posted})" if posted else "")
    says = "; ".join(_SAYS[one.change].format(was=one.was, now=one.says) for one in found)
    who = "" if found[0].change is DocumentChange.DELETED else _who(by, at)
    is_lost_customer = kind == CUSTOMER and found[0].change is DocumentChange.DELETED
    steps = [
        _MAKE_AGAIN if is_lost_customer else _PUT_RIGHT[found[0].change],
        *([_CLOSES] if found[0].change is not DocumentChange.MERGED else []),
        _ACCEPT,
    ]
    if found[0].change in _HAS_REVERSE and kind != CUSTOMER:
        steps.append(_REVERSE)
    return CaseText(f"{name}{of} {says} in {target}{who}; the hub did not do that", " ".join(steps), f"{name}{of} {says}")


def tell_many(change: DocumentChange, target: str) -> CaseText:
    """Return the words for documents to which the same was done at about the same time: they have one cause, whatever it is."""
    said = f"Many documents {_MANY_SAY[change]} in {target} at once; the hub did not do that"
    if change is DocumentChange.HIDDEN:
        said = f"Documents the hub posted are in {target}, but its connection's user may not see them any more"
    return CaseText(said, " ".join([_MANY_PUT_RIGHT.get(change, _PUT_RIGHT[change]).format(target=target), _CLOSES, _ACCEPT]))


def _who(by: str, at: datetime | None) -> str:
    when = f"{at:%Y-%m-%d %H:%M} UTC" if at is not None else ""
    parts = [f"by {by}" if by else "", f"on {when}" if when else ""]
    return "" if not any(parts) else f", last written {' '.join(part for part in parts if part)}"
