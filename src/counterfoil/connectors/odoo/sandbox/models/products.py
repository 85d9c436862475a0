"""Products: categories, templates and variants."""

from __future__ import annotations

from typing import Any, ClassVar

from counterfoil.connectors.odoo.sandbox.books import chart
from counterfoil.connectors.odoo.sandbox.orm.core import record_method
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import PythonError, ValidationError
from counterfoil.connectors.odoo.sandbox.orm.fields import Field, boolean, char, choice, float_, lines, many, one, text
from counterfoil.connectors.odoo.sandbox.orm.model import Model
from counterfoil.connectors.odoo.sandbox.orm.store import Row
from counterfoil.connectors.odoo.sandbox.orm.writing import Values


class ProductCategory(Model):
    """product.category."""

    name = "product.category"
    label = "Product Category"
    declared: ClassVar[dict[str, Field]] = {
        "name": char(required=True),
        "parent_id": one("product.category", "Parent Category"),
        "property_account_income_categ_id": one("account.account", "Income Account", company_dependent=True),
        "property_account_expense_categ_id": one("account.account", "Expense Account", company_dependent=True),
    }

    def property_default(self, env: Env, name: str) -> Any:
        """Return the company's default income or expense account."""
        return chart.default_account(env, env.company_id, "income" if "income" in name else "expense")


KINDS = (("consu", "Goods"), ("service", "Service"), ("combo", "Combo"))


class ProductTemplate(Model):
    """product.template: what variants share."""

    name = "product.template"
    label = "Product"
    order = "name, id"
    company_field = "company_id"
    declared: ClassVar[dict[str, Field]] = {
        "name": char("Name", required=True, index=True),
        "default_code": char("Internal Reference", index=True),
        "list_price": float_("Sales Price", default=1.0, digits=2, digits_until=18),
        "type": choice("Product Type", *KINDS, required=True, default="consu"),
        "detailed_type": choice("Product Type", *KINDS[:2], default="consu", until=17),
        "sale_ok": boolean("Sales", default=True),
        "purchase_ok": boolean("Purchase", default=True),
        "active": boolean(default=True),
        "description_sale": text("Sales Description"),
        "uom_id": one("uom.uom", "Unit", required=True, default=1),
        "uom_po_id": one("uom.uom", "Purchase Unit", until=18, default=1),
        "categ_id": one("product.category", "Product Category", default=1),
        "company_id": one("res.company", "Company"),
        "taxes_id": many("account.tax", "Sales Taxes", default=lambda env: chart.default_taxes(env, "account_sale_tax_id")),
        "supplier_taxes_id": many("account.tax", "Purchase Taxes", default=lambda env: chart.default_taxes(env, "account_purchase_tax_id")),
        "property_account_income_id": one("account.account", "Income Account", company_dependent=True),
        "property_account_expense_id": one("account.account", "Expense Account", company_dependent=True),
        "product_variant_ids": lines("product.product", "product_tmpl_id", "Products"),
        "product_variant_id": one(
            "product.product", "Product", compute=lambda env, row: (env.find("product.product", "product_tmpl_id", row["id"]) or [False])[0]
        ),
    }

    def display_name(self, env: Env, row: Row) -> str:
        """Return the name after the code."""
        return f"[{row['default_code']}] {row['name']}" if row["default_code"] else str(row["name"])

    def created(self, env: Env, rows: list[Row], values_list: list[Values]) -> None:
        """Give the template its variant."""
        if not env.context.get("create_product_product", True):
            return
        for row in rows:
            env.model("product.product").insert(env, {"product_tmpl_id": row["id"]})

    def written(self, env: Env, rows: list[Row], values: Values) -> None:
        """Archive variants with their template."""
        if "active" in values:
            for row in rows:
                for i in env.find("product.product", "product_tmpl_id", row["id"]):
                    env.set("product.product", env.rows("product.product")[i], active=row["active"])


def _shared(name: str) -> Any:
    def show(env: Env, row: Row) -> Any:
        template = env.model("product.template")
        return template.value(env, env.rows("product.template")[row["product_tmpl_id"]], name)

    return show


class Product(Model):
    """product.product: a variant; most fields are its template's."""

    name = "product.product"
    label = "Product Variant"
    order = "default_code, name, id"
    declared: ClassVar[dict[str, Field]] = {
        "product_tmpl_id": one("product.template", "Product Template", required=True, ondelete="cascade"),
        "active": boolean(default=True),
        **{
            name: Field(
                f.kind,
                f.label,
                relation=f.relation,
                selection=f.selection,
                stored=False,
                compute=_shared(name),
                since=f.since,
                until=f.until,
            )
            for name, f in ProductTemplate.declared.items()
            if name not in ("active", "product_variant_ids", "product_variant_id")
        },
    }

    def display_name(self, env: Env, row: Row) -> str:
        """Return the name after its code."""
        template = env.rows("product.template")[row["product_tmpl_id"]]
        return f"[{template['default_code']}] {template['name']}" if template["default_code"] else str(template["name"])

    def create(self, env: Env, vals_list: Any) -> list[int]:
        """Create variants with their templates."""
        ids = []
        for values in [vals_list] if isinstance(vals_list, dict) else vals_list:
            for name in values:
                self.field(name)
            template = values.get("product_tmpl_id")
            if not template:
                inner = env.with_context(create_product_product=False)
                template = env.model("product.template").create(inner, [{k: v for k, v in values.items() if k != "product_tmpl_id"}])[0]
            ids.append(self.insert(env, {"product_tmpl_id": template})["id"])
        return ids

    def writing(self, env: Env, rows: list[Row], values: Values) -> Values:
        """Write what the template holds there."""
        shared = {k: v for k, v in values.items() if k not in self.stored}
        for row in rows:
            if shared:
                env.model("product.template").write(env, [row["product_tmpl_id"]], shared)
        return {k: v for k, v in values.items() if k in self.stored}

    def load_named(self, env: Env, xid: str, row_id: int, noupdate: bool) -> None:
        """Name the template, too."""
        super().load_named(env, xid, row_id, noupdate)
        env.db.xids.add(env, f"{xid}_product_template", "product.template", env.rows(self.name)[row_id]["product_tmpl_id"], noupdate)

    def remove(self, env: Env, row: Row) -> None:
        """Delete the template with its last variant."""
        super().remove(env, row)
        template = env.rows("product.template").get(row["product_tmpl_id"])
        if template is not None and not env.find(self.name, "product_tmpl_id", template["id"]):
            env.model("product.template").remove(env, template)

    def unlinking(self, env: Env, rows: list[Row]) -> None:
        """Refuse when used."""
        for row in rows:
            if env.find("account.move.line", "product_id", row["id"]):
                raise ValidationError(
                    "The operation cannot be completed: another model requires the record being deleted. If possible, archive it instead."
                )

    @record_method
    def get_product_multiline_description_sale(self, env: Env, ids: list[int]) -> str:
        """Return the text a line starts with."""
        row = env.row(self.name, self.ensure_one(ids))
        if not row:
            raise PythonError("Expected singleton")
        return self.display_name(env, row)


MODELS: list[type[Model]] = [ProductCategory, ProductTemplate, Product]
