"""Document numbers: given at posting, per company, journal and period, continuing the newest format found in the journal."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass, field

from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import ValidationError
from counterfoil.connectors.odoo.sandbox.orm.store import Row

REFUNDS = ("out_refund", "in_refund")
_PARTS = re.compile(r"^(?P<prefix>.*?)(?P<number>\d{0,9})(?P<suffix>\D*?)$")
_MONTHLY = re.compile(r"^(?P<a>.*?)(?P<year>(?<!\d)(?:19|20|21)\d{2})(?P<b>\D*?)(?P<month>0[1-9]|1[0-2])(?P<c>\D+)$")
_YEARLY = re.compile(r"^(?P<a>.*?)(?P<year>(?<!\d)(?:19|20|21)\d{2})(?P<b>\D+)$")


@dataclass
class Series:
    """Named moves of one journal and kind: in date order, and the highest number per prefix."""

    by_date: list[tuple[str, int]] = field(default_factory=list)
    tops: dict[str, int] = field(default_factory=dict)


class Numbers:
    """All series of a database; forgotten whenever names are taken back and rebuilt from the rows when asked again."""

    def __init__(self) -> None:
        self._series: dict[tuple[int, bool, bool], Series] | None = None

    def forget(self) -> None:
        """Rebuild at the next use."""
        self._series = None

    def series(self, env: Env, move: Row) -> Series:
        """Return the series a move belongs to."""
        if self._series is None:
            self._series = {}
            for row in env.rows("account.move").values():
                if is_named(row):
                    self._enter(env, row)
        return self._series.setdefault(_class(env, move), Series())

    def add(self, env: Env, move: Row) -> None:
        """Take a freshly named move in."""
        if self._series is not None:
            self._enter(env, move)

    def _enter(self, env: Env, move: Row) -> None:
        assert self._series is not None  # noqa: S101 - narrowed by the callers
        series = self._series.setdefault(_class(env, move), Series())
        bisect.insort(series.by_date, (move["date"], move["id"]))
        prefix, number = split(move["name"])
        series.tops[prefix] = max(series.tops.get(prefix, 0), number)


def is_named(move: Row) -> bool:
    """Return whether a move has a number."""
    return bool(move["name"]) and move["name"] != "/"


def split(name: str) -> tuple[str, int]:
    """Return (prefix, number) of a name."""
    match = _PARTS.match(name)
    if match is None:
        return name, 0
    return match["prefix"], int(match["number"] or 0)


def reset_of(name: str) -> str:
    """Return when the numbering of a name starts anew: month, year or never."""
    prefix = split(name)[0]
    if _MONTHLY.match(prefix):
        return "month"
    return "year" if _YEARLY.match(prefix) else "never"


def _class(env: Env, move: Row) -> tuple[int, bool, bool]:
    journal = env.rows("account.journal")[move["journal_id"]]
    refund = bool(journal["refund_sequence"]) and move["move_type"] in REFUNDS
    payment = bool(journal["payment_sequence"]) and is_payment(env, move)
    return move["journal_id"], refund, payment


def is_payment(env: Env, move: Row) -> bool:
    """Return whether a move is a payment's own entry."""
    return bool(move["payment_id" if env.version == 17 else "origin_payment_id"])


def starting(env: Env, move: Row) -> str:
    """Return the name before the first one of a new series."""
    journal = env.rows("account.journal")[move["journal_id"]]
    year, month = move["date"][:4], move["date"][5:7]
    if journal["type"] in ("sale", "bank", "cash", "credit") or (env.version == 17 and journal["type"] == "purchase"):
        name = f"{journal['code']}/{year}/00000"
    else:
        name = f"{journal['code']}/{year}/{month}/0000"
    if journal["refund_sequence"] and move["move_type"] in REFUNDS:
        name = "R" + name
    if journal["payment_sequence"] and is_payment(env, move):
        name = "P" + name
    return name


def reference(env: Env, move: Row) -> str:
    """Return the newest name at or before the move's date (else the oldest after it) in its series, or nothing."""
    series = env.db.numbers.series(env, move)
    rows = env.rows("account.move")
    at = bisect.bisect_right(series.by_date, (move["date"], 1 << 60))
    earlier = [i for _date, i in series.by_date[max(0, at - 2) : at] if i != move["id"]]
    if earlier and env.version < 19:  # of several on the latest day the oldest one
        day = rows[earlier[-1]]["date"]
        start = bisect.bisect_left(series.by_date, (day, 0))
        return next(str(rows[i]["name"]) for _date, i in series.by_date[start:at] if i != move["id"])
    if earlier:
        return str(rows[earlier[-1]]["name"])
    for _date, i in series.by_date[at:]:
        if i != move["id"]:
            return str(rows[i]["name"])
    return ""


def next_name(env: Env, move: Row) -> str:
    """Return the number a move gets."""
    model = reference(env, move) or starting(env, move)
    match = _PARTS.match(model)
    prefix, number, suffix = (match["prefix"], match["number"], match["suffix"]) if match else (model, "", "")
    year, month = move["date"][:4], move["date"][5:7]
    monthly, yearly = _MONTHLY.match(prefix), _YEARLY.match(prefix)
    if monthly:
        prefix = f"{monthly['a']}{year}{monthly['b']}{month}{monthly['c']}"
    elif yearly:
        prefix = f"{yearly['a']}{year}{yearly['b']}"
    top = env.db.numbers.series(env, move).tops.get(prefix, 0)
    return f"{prefix}{top + 1:0{len(number)}d}{suffix}"


def give(env: Env, move: Row) -> None:
    """Give a move its number unless it has one that fits its date."""
    if is_named(move) and _fits(move):
        number = str(move["name"])
    else:
        if is_named(move):
            env.store.set("account.move", move, "name", False)
            env.db.numbers.forget()
        number = next_name(env, move)
    prefix, count = split(number)
    fresh = move["name"] != number
    env.set("account.move", move, name=number, sequence_prefix=prefix, sequence_number=count)
    if fresh:
        env.db.numbers.add(env, move)


def _fits(move: Row) -> bool:
    prefix = split(move["name"])[0]
    match = _MONTHLY.match(prefix)
    if match:
        return bool(match["year"] == move["date"][:4] and match["month"] == move["date"][5:7])
    match = _YEARLY.match(prefix)
    return match is None or match["year"] == move["date"][:4]


def check_unique(env: Env, move: Row) -> None:
    """Raise when another posted entry of the journal has the same name."""
    rows = env.rows("account.move")
    for i in env.find("account.move", "name", move["name"]):
        twin = rows[i]
        if i != move["id"] and twin["state"] == "posted" and twin["journal_id"] == move["journal_id"]:
            raise ValidationError("The operation cannot be completed: Another entry with the same name already exists.")
