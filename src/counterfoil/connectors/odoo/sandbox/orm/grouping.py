"""Grouping and aggregates behind ``formatted_read_group`` and ``read_group``."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from counterfoil.connectors.odoo.sandbox.orm.errors import PythonError
from counterfoil.connectors.odoo.sandbox.orm.rounding import round_half_up
from counterfoil.connectors.odoo.sandbox.orm.store import Row

if TYPE_CHECKING:
    from counterfoil.connectors.odoo.sandbox.orm.env import Env
    from counterfoil.connectors.odoo.sandbox.orm.reading import Reading

Groups = dict[tuple[Any, ...], list[Row]]


def _key(env: Env, model: Reading, row: Row, term: str) -> Any:
    name, _, grain = term.partition(":")
    declared = model.field(name)
    held = model.value(env, row, name)
    if declared.kind not in ("date", "datetime") or not held:
        return held
    grain = grain or "month"
    if grain == "year":
        return held[:4] + "-01-01"
    if grain == "quarter":
        return f"{held[:4]}-{(int(held[5:7]) - 1) // 3 * 3 + 1:02d}-01"
    return held[:7] + "-01" if grain == "month" else held[:10]


def collect(env: Env, model: Reading, rows: list[Row], terms: list[str]) -> Groups:
    """Return the rows of each group, groups in key order with empties last."""
    groups: Groups = {} if terms else {(): []}
    for row in rows:
        groups.setdefault(tuple(_key(env, model, row, t) for t in terms), []).append(row)
    return dict(
        sorted(groups.items(), key=lambda item: tuple((k is False, str(k).zfill(12) if isinstance(k, int) else str(k)) for k in item[0]))
    )


def aggregate(env: Env, model: Reading, rows: list[Row], term: str) -> Any:
    """Return one aggregate (``__count``, ``field:sum``)."""
    if term == "__count":
        return len(rows)
    name, _, how = term.partition(":")
    values = [model.value(env, row, name) for row in rows]
    if how == "count_distinct":
        return len({v for v in values if v is not False})
    if how == "count":
        return sum(v is not False for v in values)
    if how == "array_agg":
        return [model.wire(env, model.field(name), v, pairs=False) for v in values]
    if not values:
        return False
    if how == "sum":
        return round_half_up(float(sum(v or 0 for v in values)), 6) if model.field(name).kind != "integer" else sum(v or 0 for v in values)
    if how == "avg":
        return sum(v or 0 for v in values) / len(values)
    if how in ("max", "min"):
        kept = [v for v in values if v is not False]
        return False if not kept else (max(kept) if how == "max" else min(kept))
    raise PythonError(f"Invalid aggregate method {how!r} for {term!r}.")


def _label(env: Env, model: Reading, term: str, key: Any) -> Any:
    declared = model.field(term.partition(":")[0])
    if declared.kind in ("date", "datetime") and key:
        grain = term.partition(":")[2] or "month"
        shown = date.fromisoformat(key)
        text = {"year": f"{shown:%Y}", "quarter": f"Q{(shown.month + 2) // 3} {shown:%Y}", "month": f"{shown:%B %Y}"}.get(
            grain, f"{shown:%d %b %Y}"
        )
        return [key, text]
    return model.wire(env, declared, key)


def _narrowed(terms: list[str], key: tuple[Any, ...]) -> list[Any]:
    """Return the domain of a group in prefix notation."""
    leaves: list[Any] = []
    for term, k in zip(terms, key, strict=True):
        name, _, grain = term.partition(":")
        if grain and k:
            leaves += [[name, ">=", k], [name, "<", _next(k, grain)]]
        else:
            leaves.append([name, "=", k])
    return ["&"] * (len(leaves) - 1) + leaves if leaves else [[1, "=", 1]]


def _next(start: str, grain: str) -> str:
    day = date.fromisoformat(start)
    months = {"year": 12, "quarter": 3, "month": 1}.get(grain)
    if months is None:
        return (day + timedelta(days=7 if grain == "week" else 1)).isoformat()
    count = day.year * 12 + day.month - 1 + months
    return date(count // 12, count % 12 + 1, 1).isoformat()


def formatted(env: Env, model: Reading, rows: list[Row], terms: list[str], aggregates: list[str]) -> list[Row]:
    """Return groups as 19's ``formatted_read_group`` does."""
    answer = []
    for key, members in collect(env, model, rows, terms).items():
        shown: Row = {term: _label(env, model, term, k) for term, k in zip(terms, key, strict=True)}
        shown["__extra_domain"] = _narrowed(terms, key)
        shown.update({a: aggregate(env, model, members, a) for a in aggregates})
        answer.append(shown)
    return answer


def classic(env: Env, model: Reading, rows: list[Row], fields: list[str], terms: list[str], domain: list[Any]) -> list[Row]:
    """Return groups as the older ``read_group`` does."""
    answer = []
    named = [f for f in fields if f.partition(":")[0] not in {t.partition(":")[0] for t in terms} and f != "__count"]
    for key, members in collect(env, model, rows, terms).items():
        shown: Row = {}
        for term, k in zip(terms, key, strict=True):
            label = _label(env, model, term, k)
            shown[term] = (
                label[1] if isinstance(label, list) and model.field(term.partition(":")[0]).kind in ("date", "datetime") else label
            )
        shown[f"{terms[0].partition(':')[0]}_count" if len(terms) == 1 else "__count"] = len(members)
        for name in named:
            bare, _, how = name.partition(":")
            if model.field(bare).kind in ("integer", "float", "monetary"):
                shown[bare] = aggregate(env, model, members, f"{bare}:{how or 'sum'}")
        shown["__domain"] = [*(["&"] if domain else []), *domain, *_narrowed(terms, key)]
        answer.append(shown)
    return answer
