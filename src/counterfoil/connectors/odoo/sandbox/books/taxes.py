"""The tax engine: amounts per line and tax, inclusive or exclusive, rounded per line or over the whole document.

Every tax amount is linear in the untaxed base (``factor * base + fixed``), also for taxes on taxes; so an inclusive price gives its base by
one division. Rounding over the document rounds the sum per tax and spreads the difference over the lines, largest first.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.rounding import round_half_up
from counterfoil.connectors.odoo.sandbox.orm.store import Row


@dataclass
class TaxShare:
    """One tax of one line; amounts in document currency and company currency, raw and rounded."""

    tax: Row
    group: int
    included: bool
    raw: float
    raw_company: float
    raw_base: float
    amount: float = 0.0
    amount_company: float = 0.0


@dataclass
class TaxedLine:
    """One base line; ``key`` is the caller's, ``price`` is unit price times quantity less discount."""

    key: int
    price: float
    quantity: float
    taxes: list[TaxShare] = field(default_factory=list)
    raw: float = 0.0
    raw_company: float = 0.0
    untaxed: float = 0.0
    untaxed_company: float = 0.0
    delta: float = 0.0
    delta_company: float = 0.0

    @property
    def total(self) -> float:
        """The line's price with taxes, as rounded on the line itself."""
        return self._total

    _total: float = 0.0


@dataclass(frozen=True)
class Money:
    """How to round: decimals of document and company currency, document units per company unit."""

    digits: int
    company_digits: int
    rate: float
    globally: bool
    version: int = 19


def flatten(env: Env, tax_ids: tuple[int, ...]) -> list[tuple[Row, int]]:
    """Return (tax, group tax id) in computation order, groups replaced by their children."""
    rows = env.rows("account.tax")
    flat: list[tuple[Row, int]] = []
    for row in sorted((rows[i] for i in tax_ids), key=lambda t: (t["sequence"], t["id"])):
        if row["amount_type"] == "group":
            children = sorted((rows[i] for i in row["children_tax_ids"]), key=lambda t: (t["sequence"], t["id"]))
            flat += [(child, row["id"]) for child in children]
        else:
            flat.append((row, 0))
    return flat


def is_included(env: Env, tax: Row) -> bool:
    """Return whether a tax is part of the unit price."""
    if env.version == 17:
        return bool(tax["price_include"])
    if tax["price_include_override"]:
        return bool(tax["price_include_override"] == "tax_included")
    return bool(env.rows("res.company")[tax["company_id"]]["account_price_include"] == "tax_included")


def compute(env: Env, line: TaxedLine, tax_ids: tuple[int, ...], money: Money) -> None:
    """Fill a line's raw and rounded amounts."""
    price = line.price if money.globally else round_half_up(line.price, money.digits)
    bases: dict[tuple[int, int], tuple[float, float]] = {}
    shares = _linear(env, line, flatten(env, tax_ids), bases) if tax_ids else []
    included_factor = sum(f for _t, _g, f, _d, inc in shares if inc)
    included_fixed = sum(d for _t, _g, _f, d, inc in shares if inc)
    base = (price - included_fixed) / (1.0 + included_factor)
    rate = money.rate or 1.0
    for tax, group, factor, fixed, inc in shares:
        amount = factor * base + fixed
        if not money.globally:
            amount = round_half_up(amount, money.digits)
        base_amount = base * bases[tax["id"], group][0] + bases[tax["id"], group][1]
        share = TaxShare(tax, group, inc, amount, amount / rate, base_amount)
        share.amount = round_half_up(amount, money.digits)
        share.amount_company = round_half_up(amount / rate, money.company_digits)
        line.taxes.append(share)
    line.raw = price - sum(s.raw for s in line.taxes if s.included)
    line.raw_company = line.raw / rate
    line.untaxed = round_half_up(line.raw, money.digits)
    line.untaxed_company = round_half_up(line.raw_company, money.company_digits)
    if money.version == 17:
        _as_in_17(line, money)
    total = line.raw + sum(s.raw for s in line.taxes) if money.version == 18 else line.untaxed + sum(s.amount for s in line.taxes)
    line._total = round_half_up(total, money.digits)


def _as_in_17(line: TaxedLine, money: Money) -> None:
    """Round the base on the line and take inclusive taxes from what is left of the price; company amounts follow the rounded ones."""
    gap = line.raw - line.untaxed
    included = [s for s in line.taxes if s.included]
    if included:
        included[-1].raw += gap
        included[-1].amount = round_half_up(included[-1].raw, money.digits)
    line.raw, line.raw_company = line.untaxed, line.untaxed / (money.rate or 1.0)
    line.untaxed_company = round_half_up(line.raw_company, money.company_digits)


def _linear(
    env: Env, line: TaxedLine, taxes: list[tuple[Row, int]], bases: dict[tuple[int, int], tuple[float, float]]
) -> list[tuple[Row, int, float, float, bool]]:
    """Return (tax, group, factor, fixed, included): amount = factor * untaxed base + fixed; ``bases`` gets the same for its base."""
    shares: list[tuple[Row, int, float, float, bool]] = []
    more_factor, more_fixed = 0.0, 0.0
    for tax, group in taxes:
        affected = tax["is_base_affected"]
        base_factor, base_fixed = (1.0 + more_factor, more_fixed) if affected else (1.0, 0.0)
        bases[tax["id"], group] = (base_factor, base_fixed)
        kind, rate = tax["amount_type"], tax["amount"] / 100.0
        if kind == "fixed":
            factor, fixed = 0.0, tax["amount"] * line.quantity * (-1.0 if line.price < 0 < line.quantity else 1.0)
        elif kind == "division":
            factor, fixed = base_factor * rate / (1.0 - rate), base_fixed * rate / (1.0 - rate)
        else:
            factor, fixed = base_factor * rate, base_fixed * rate
        shares.append((tax, group, factor, fixed, is_included(env, tax)))
        if tax["include_base_amount"]:
            more_factor, more_fixed = more_factor + factor, more_fixed + fixed
    return shares


def settle(lines: list[TaxedLine], money: Money) -> None:
    """Round over the document: per tax, the rounded sum wins and the difference goes to the largest lines."""
    if not money.globally:
        return
    per_tax: dict[tuple[int, int], list[TaxShare]] = {}
    for line in lines:
        for share in line.taxes:
            per_tax.setdefault((share.tax["id"], share.group), []).append(share)
    for shares in per_tax.values():
        _spread_tax(shares, "raw", "amount", money.digits)
        _spread_tax(shares, "raw_company", "amount_company", money.company_digits)
    if money.version == 17:
        return
    for included in (False, True):
        group = [ln for ln in lines if any(s.included for s in ln.taxes) == included]
        _spread_base(group, included, "raw", "untaxed", "amount", "delta", money.digits)
        _spread_base(group, included, "raw_company", "untaxed_company", "amount_company", "delta_company", money.company_digits)


def _spread_tax(shares: list[TaxShare], raw: str, rounded: str, digits: int) -> None:
    target = round_half_up(sum(getattr(s, raw) for s in shares), digits)
    gap = round_half_up(target - sum(getattr(s, rounded) for s in shares), digits)
    for share, part in zip(shares, spread(gap, [getattr(s, raw) for s in shares], digits), strict=True):
        setattr(share, rounded, round_half_up(getattr(share, rounded) + part, digits))


def _spread_base(lines: list[TaxedLine], included: bool, raw: str, rounded: str, tax: str, delta: str, digits: int) -> None:
    if not lines:
        return
    weights = [getattr(ln, raw) for ln in lines]
    current = sum(getattr(ln, rounded) for ln in lines)
    if included:
        raw_name = "raw" if raw == "raw" else "raw_company"
        gross = sum(getattr(ln, raw) + sum(getattr(s, raw_name) for s in ln.taxes) for ln in lines)
        target = round_half_up(gross, digits) - sum(getattr(s, tax) for ln in lines for s in ln.taxes)
    else:
        target = round_half_up(sum(weights), digits)
    gap = round_half_up(target - current, digits)
    for line, part in zip(lines, spread(gap, weights, digits), strict=True):
        setattr(line, delta, part)


def spread(gap: float, weights: list[float], digits: int) -> list[float]:
    """Return parts summing to ``gap``, in whole minor units, by weight and largest weight first."""
    parts = [0.0] * len(weights)
    unit = 10.0**-digits
    errors = round(abs(gap) / unit)
    if not errors:
        return parts
    sign = -1.0 if gap < 0 else 1.0
    total = sum(abs(w) for w in weights)
    order = sorted(range(len(weights)), key=lambda i: -abs(weights[i]))
    left = errors
    for i in order:
        if not left:
            break
        count = min(round(errors * (abs(weights[i]) / total if total else 1.0 / len(weights))), left)
        left -= count
        parts[i] += sign * count * unit
    for n in range(left):
        parts[order[n % len(order)]] += sign * unit
    return parts


def repartition(env: Env, share: TaxShare, is_refund: bool, digits: int, company_digits: int) -> list[tuple[Row, float, float]]:
    """Return (distribution line, amount, company amount) of a tax share; the last line takes the rounding."""
    kind = "refund" if is_refund else "invoice"
    rows = env.rows("account.tax.repartition.line")
    mine = [rows[i] for i in sorted(env.find("account.tax.repartition.line", "tax_id", share.tax["id"]))]
    parts = [r for r in mine if r["document_type"] == kind and r["repartition_type"] == "tax"]
    if len(parts) == 1 and parts[0]["factor_percent"] == 100.0:
        return [(parts[0], share.amount, share.amount_company)]
    split: list[tuple[Row, float, float]] = []
    for part in parts:
        factor = part["factor_percent"] / 100.0
        split.append((part, round_half_up(share.amount * factor, digits), round_half_up(share.amount_company * factor, company_digits)))
    total = sum(p["factor_percent"] for p in parts) / 100.0
    if split:
        row, amount, company_amount = split[-1]
        gap = round_half_up(share.amount * total, digits) - sum(a for _r, a, _c in split)
        gap_company = round_half_up(share.amount_company * total, company_digits) - sum(c for _r, _a, c in split)
        split[-1] = (row, round_half_up(amount + gap, digits), round_half_up(company_amount + gap_company, company_digits))
    return split


def bases(lines: list[TaxedLine], money: Money) -> dict[tuple[int, int], float]:
    """Return the base of each (tax, group tax) over a document, in company currency."""
    found: dict[tuple[int, int], list[float]] = {}
    rate = money.rate or 1.0
    for line in lines:
        for share in line.taxes:
            sums = found.setdefault((share.tax["id"], share.group), [0.0, 0.0, 0.0])
            raw = share.raw_base / rate
            sums[0] += raw if money.globally else round_half_up(raw, money.company_digits)
            sums[1] += share.raw_company if share.included else 0.0
            sums[2] += share.amount_company if share.included else 0.0
    return {
        key: round_half_up(round_half_up(base + raw, money.company_digits) - tax, money.company_digits)
        for key, (base, raw, tax) in found.items()
    }
