"""Taxes, terms of payment and fiscal positions."""

from __future__ import annotations

from typing import Any, ClassVar

from counterfoil.connectors.odoo.sandbox.books import chart
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import ValidationError
from counterfoil.connectors.odoo.sandbox.orm.fields import Field, boolean, char, choice, float_, integer, lines, many, one
from counterfoil.connectors.odoo.sandbox.orm.model import Model
from counterfoil.connectors.odoo.sandbox.orm.store import Row
from counterfoil.connectors.odoo.sandbox.orm.writing import Values


class TaxGroup(Model):
    """account.tax.group."""

    name = "account.tax.group"
    label = "Tax Group"
    order = "sequence, id"
    company_field = "company_id"
    declared: ClassVar[dict[str, Field]] = {
        "name": char(required=True),
        "sequence": integer(default=10),
        "company_id": one("res.company", "Company", required=True, default=lambda env: env.company_id),
        "country_id": one("res.country", "Country"),
    }


class TaxRepartition(Model):
    """account.tax.repartition.line: where a tax's base and amount go."""

    name = "account.tax.repartition.line"
    label = "Tax Repartition Line"
    order = "document_type, repartition_type, sequence, id"
    declared: ClassVar[dict[str, Field]] = {
        "factor_percent": float_("%", required=True, default=100.0),
        "factor": float_("Factor Ratio", compute=lambda env, row: row["factor_percent"] / 100.0),
        "repartition_type": choice("Based On", ("base", "Base"), ("tax", "of tax"), required=True, default="tax"),
        "document_type": choice("Related to", ("invoice", "Invoice"), ("refund", "Refund")),
        "account_id": one("account.account", "Account"),
        "tax_id": one("account.tax", "Tax", ondelete="cascade"),
        "company_id": one("res.company", "Company", compute=lambda env, row: env.rows("account.tax")[row["tax_id"]]["company_id"]),
        "sequence": integer(default=1),
    }


class Tax(Model):
    """account.tax."""

    name = "account.tax"
    label = "Tax"
    order = "sequence, id"
    company_field = "company_id"
    is_of_branches = True
    declared: ClassVar[dict[str, Field]] = {
        "name": char("Tax Name", required=True, index=True),
        "type_tax_use": choice("Tax Type", ("sale", "Sales"), ("purchase", "Purchases"), ("none", "None"), required=True, default="sale"),
        "amount_type": choice(
            "Tax Computation",
            ("group", "Group of Taxes"),
            ("fixed", "Fixed"),
            ("percent", "Percentage"),
            ("division", "Percentage Tax Included"),
            required=True,
            default="percent",
        ),
        "amount": float_("Amount", required=True),
        "active": boolean(default=True),
        "company_id": one("res.company", "Company", required=True, default=lambda env: env.company_id),
        "sequence": integer("Sequence", required=True, default=1),
        "description": char("Description"),
        "invoice_label": char("Label on Invoices", since=18),
        "price_include": boolean("Included in Price", until=17),
        "price_include_override": choice("Included in Price", ("tax_included", "Tax Included"), ("tax_excluded", "Tax Excluded"), since=18),
        "include_base_amount": boolean("Affect Base of Subsequent Taxes"),
        "is_base_affected": boolean("Base Affected by Previous Taxes", default=True),
        "tax_group_id": one("account.tax.group", "Tax Group", required=True),
        "tax_exigibility": choice(
            "Tax Exigibility", ("on_invoice", "Based on Invoice"), ("on_payment", "Based on Payment"), default="on_invoice"
        ),
        "country_id": one("res.country", "Country"),
        "children_tax_ids": many("account.tax", "Children Taxes"),
        "invoice_repartition_line_ids": lines(
            "account.tax.repartition.line", "tax_id", "Distribution for Invoices", only=lambda env, row: row["document_type"] == "invoice"
        ),
        "refund_repartition_line_ids": lines(
            "account.tax.repartition.line",
            "tax_id",
            "Distribution for Refund Invoices",
            only=lambda env, row: row["document_type"] == "refund",
        ),
        "repartition_line_ids": lines("account.tax.repartition.line", "tax_id", "Distribution"),
    }

    def __init__(self, version: int) -> None:
        super().__init__(version)
        if version >= 18:
            shown = boolean("Included in Price", compute=lambda env, row: row["price_include_override"] == "tax_included")
            shown.name = "price_include"
            self.fields["price_include"] = shown

    def prepare(self, env: Env, values: Values) -> Values:
        """Fill group, country and the default distribution; ``price_include`` is accepted on every version."""
        return chart.prepare_tax(env, values)

    def created(self, env: Env, rows: list[Row], values_list: list[Values]) -> None:
        """Refuse a name used twice for the same use in a company."""
        for row in rows:
            for i in env.find(self.name, "name", row["name"]):
                twin = env.rows(self.name)[i]
                if i != row["id"] and all(twin[k] == row[k] for k in ("company_id", "type_tax_use", "country_id")):
                    raise ValidationError(
                        "Tax names must be unique!\n- " + f"{row['name']} in {env.rows('res.company')[row['company_id']]['name']}"
                    )

    def command_lines(self, env: Env, row: Row, declared: Any, value: Any) -> None:
        """Mark distribution lines with the document they are for."""
        if declared.name in ("invoice_repartition_line_ids", "refund_repartition_line_ids"):
            kind = declared.name.split("_")[0]
            value = [[c[0], c[1], {**c[2], "document_type": kind}] if c[0] == 0 else c for c in value or []]
        super().command_lines(env, row, declared, value)


class PaymentTerm(Model):
    """account.payment.term."""

    name = "account.payment.term"
    label = "Payment Terms"
    order = "sequence, id"
    company_field = "company_id"
    declared: ClassVar[dict[str, Field]] = {
        "name": char("Payment Terms", required=True),
        "active": boolean(default=True),
        "sequence": integer(required=True, default=10),
        "company_id": one("res.company", "Company"),
        "line_ids": lines("account.payment.term.line", "payment_id", "Terms"),
    }


class PaymentTermLine(Model):
    """account.payment.term.line."""

    name = "account.payment.term.line"
    label = "Payment Terms Line"
    declared: ClassVar[dict[str, Field]] = {
        "value": choice("Value", ("percent", "Percent"), ("fixed", "Fixed"), required=True, default="percent"),
        "value_amount": float_("Due", default=100.0),
        "delay_type": choice(
            "Delay Type",
            ("days_after", "Days after invoice date"),
            ("days_after_end_of_month", "Days after end of month"),
            ("days_after_end_of_next_month", "Days after end of next month"),
            ("days_end_of_month_on_the", "Days end of month on the"),
            required=True,
            default="days_after",
        ),
        "days_next_month": char("Days on the next month", default="10"),
        "nb_days": integer("Days", default=0),
        "payment_id": one("account.payment.term", "Payment Terms", required=True, ondelete="cascade"),
    }


class FiscalPosition(Model):
    """account.fiscal.position: the tax map of 19 lives on the taxes; the sandbox keeps positions without applying them."""

    name = "account.fiscal.position"
    label = "Fiscal Position"
    order = "sequence, id"
    company_field = "company_id"
    declared: ClassVar[dict[str, Field]] = {
        "name": char("Fiscal Position", required=True),
        "active": boolean(default=True),
        "sequence": integer(default=10),
        "auto_apply": boolean("Detect Automatically"),
        "company_id": one("res.company", "Company", required=True, default=lambda env: env.company_id),
        "country_id": one("res.country", "Country"),
    }


MODELS: list[type[Model]] = [TaxGroup, TaxRepartition, Tax, PaymentTerm, PaymentTermLine, FiscalPosition]
