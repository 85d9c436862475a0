"""Currencies and their dated rates."""

from __future__ import annotations

from typing import Any, ClassVar

from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import UserError, ValidationError
from counterfoil.connectors.odoo.sandbox.orm.fields import Field, boolean, char, choice, day, float_, integer, lines, one
from counterfoil.connectors.odoo.sandbox.orm.model import Model
from counterfoil.connectors.odoo.sandbox.orm.store import Row
from counterfoil.connectors.odoo.sandbox.orm.writing import Values


def rate_on(env: Env, currency_id: int, company_id: int, date: str) -> float:
    """Return units of a currency per unit of the company's currency on a day; 1.0 where no rate was ever entered."""
    own = env.row("res.company", company_id)["currency_id"]
    return _raw_rate(env, currency_id, company_id, date) / _raw_rate(env, own, company_id, date)


def _raw_rate(env: Env, currency_id: int, company_id: int, date: str) -> float:
    rates = env.rows("res.currency.rate")
    mine = [rates[i] for i in env.find("res.currency.rate", "currency_id", currency_id)]
    mine = [r for r in mine if r["company_id"] in (False, root_of(env, company_id))]
    before = [r for r in mine if r["name"] <= date]
    if not mine or (not before and env.version == 17):
        return 1.0
    # The company's own go before shared ones, however old they are.
    chosen = max(before, key=lambda r: (bool(r["company_id"]), r["name"])) if before else min(mine, key=lambda r: r["name"])
    return float(chosen["rate"]) or 1.0


def root_of(env: Env, company_id: int) -> int:
    """Return the company a branch belongs to in the end, or the company itself: rates are kept there."""
    row = env.row("res.company", company_id)
    return root_of(env, row["parent_id"]) if row["parent_id"] else company_id


class Currency(Model):
    """res.currency."""

    name = "res.currency"
    label = "Currency"
    order = "active desc, name"
    declared: ClassVar[dict[str, Field]] = {
        "name": char("Currency", required=True, index=True),
        "full_name": char("Name"),
        "symbol": char(required=True),
        "rounding": float_("Rounding Factor", default=0.01),
        "decimal_places": integer("Decimal Places", readonly=True),
        "active": boolean(default=True),
        "position": choice("Symbol Position", ("after", "After Amount"), ("before", "Before Amount"), default="after"),
        "rate_ids": lines("res.currency.rate", "currency_id", "Rates"),
        "rate": float_("Current Rate", compute=lambda env, row: rate_on(env, row["id"], env.company_id, env.today)),
        "inverse_rate": float_("Inverse Rate", compute=lambda env, row: 1.0 / rate_on(env, row["id"], env.company_id, env.today)),
    }

    def prepare(self, env: Env, values: Values) -> Values:
        """Derive the number of decimals."""
        return {**values, "decimal_places": _decimals(values.get("rounding", 0.01))}

    def writing(self, env: Env, rows: list[Row], values: Values) -> Values:
        """Derive the number of decimals; refuse fewer of a currency that was booked in."""
        if "rounding" not in values:
            return values
        decimals = _decimals(values["rounding"])
        for row in rows:
            is_used = any(line["currency_id"] == row["id"] for line in env.rows("account.move.line").values())
            if decimals < row["decimal_places"] and is_used:
                raise UserError(
                    "You cannot reduce the number of decimal places of a currency which has already been used to make accounting entries."
                )
        return {**values, "decimal_places": decimals}


def _decimals(step: Any) -> int:
    return max(0, len(f"{float(step):.9f}".rstrip("0").partition(".")[2]))


class CurrencyRate(Model):
    """res.currency.rate; ``rate`` counts foreign units per company unit, ``inverse_company_rate`` the other way."""

    name = "res.currency.rate"
    label = "Currency Rate"
    order = "name desc, id"
    company_field = "company_id"
    is_of_branches = True
    declared: ClassVar[dict[str, Field]] = {
        "name": day("Date", required=True, index=True, default=lambda env: env.today),
        "rate": float_("Technical Rate", default=1.0),
        "company_rate": float_("Company Rate", compute=lambda env, row: row["rate"], readonly=False),
        "inverse_company_rate": float_(
            "Inverse Company Rate", compute=lambda env, row: 1.0 / row["rate"] if row["rate"] else 0.0, readonly=False
        ),
        "currency_id": one("res.currency", "Currency", required=True, ondelete="cascade"),
        "company_id": one("res.company", "Company", default=lambda env: env.company_id, ondelete="cascade"),
    }

    def prepare(self, env: Env, values: Values) -> Values:
        """Turn whichever way the rate was given into the stored one."""
        return self._one_rate(values)

    @staticmethod
    def _one_rate(values: Values) -> Values:
        if values.get("inverse_company_rate"):
            values["rate"] = 1.0 / float(values["inverse_company_rate"])
        elif values.get("company_rate"):
            values["rate"] = float(values["company_rate"])
        return values

    def writing(self, env: Env, rows: list[Row], values: Values) -> Values:
        """Turn whichever way the rate was given into the stored one."""
        return self._one_rate(values)

    def created(self, env: Env, rows: list[Row], values_list: list[Values]) -> None:
        """Refuse a second rate of the same day, currency and company."""
        for row in rows:
            twins = [env.rows(self.name)[i] for i in env.find(self.name, "currency_id", row["currency_id"])]
            if any(t["id"] != row["id"] and t["name"] == row["name"] and t["company_id"] == row["company_id"] for t in twins):
                raise ValidationError("The operation cannot be completed: Only one currency rate per day allowed!")
            if row["rate"] <= 0:
                raise ValidationError("The operation cannot be completed: The currency rate must be strictly positive.")


MODELS: list[type[Model]] = [Currency, CurrencyRate]
