"""Sale orders: from quotation to invoice."""

from __future__ import annotations

from typing import Any, ClassVar

from counterfoil.connectors.odoo.sandbox.books import amounts, posting, taxes
from counterfoil.connectors.odoo.sandbox.models.currencies import rate_on
from counterfoil.connectors.odoo.sandbox.orm.core import record_method
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import UserError
from counterfoil.connectors.odoo.sandbox.orm.fields import Field, char, choice, float_, instant, integer, lines, many, monetary, one, text
from counterfoil.connectors.odoo.sandbox.orm.model import Model
from counterfoil.connectors.odoo.sandbox.orm.rounding import round_half_up
from counterfoil.connectors.odoo.sandbox.orm.store import Row
from counterfoil.connectors.odoo.sandbox.orm.writing import Values

STATES = (("draft", "Quotation"), ("sent", "Quotation Sent"), ("sale", "Sales Order"), ("cancel", "Cancelled"))
INVOICE_STATES = (
    ("upselling", "Upselling Opportunity"),
    ("invoiced", "Fully Invoiced"),
    ("to invoice", "To Invoice"),
    ("no", "Nothing to Invoice"),
)
NOTHING = (
    "Cannot create an invoice. No items are available to invoice.\n\nTo resolve this issue, please ensure that:\n   • The products have"
    " been delivered"
    " before attempting to invoice them.\n   • The invoicing policy of the product is configured correctly.\n\nIf you want to invoice"
    " based on ordered"
    " quantities instead:\n   • For consumable or storable products, open the product, go to the 'General Information' tab and change"
    " the 'Invoicing"
    " Policy' from 'Delivered Quantities' to 'Ordered Quantities'.\n   • For services (and other products), change the 'Invoicing"
    " Policy' to"
    " 'Prepaid/Fixed Price'.\n"
)


def tax_column(env: Env) -> str:
    """Return the name the version has for an order line's taxes."""
    return "tax_ids" if env.version >= 19 else "tax_id"


class Order(Model):
    """sale.order."""

    name = "sale.order"
    label = "Sales Order"
    order = "date_order desc, id desc"
    company_field = "company_id"
    declared: ClassVar[dict[str, Field]] = {
        "name": char("Order Reference", index=True, copied=False),
        "company_id": one("res.company", "Company", required=True, default=lambda env: env.company_id),
        "partner_id": one("res.partner", "Customer", required=True, ondelete="restrict"),
        "client_order_ref": char("Customer Reference", index=True, copied=False),
        "date_order": instant("Order Date", copied=False, default=lambda env: env.now),
        "state": choice("Status", *STATES, default="draft", copied=False),
        "currency_id": one("res.currency", "Currency"),
        "user_id": one("res.users", "Salesperson", default=lambda env: env.uid),
        "note": text("Terms and conditions"),
        "payment_term_id": one("account.payment.term", "Payment Terms"),
        "order_line": lines("sale.order.line", "order_id", "Order Lines"),
        "amount_untaxed": monetary("Untaxed Amount", compute=lambda env, r: _sum(env, r, "price_subtotal")),
        "amount_tax": monetary("Taxes", compute=lambda env, r: _sum(env, r, "price_tax")),
        "amount_total": monetary("Total", compute=lambda env, r: _sum(env, r, "price_total")),
        "invoice_status": choice("Invoice Status", *INVOICE_STATES, compute=lambda env, r: order_status(env, r)),
        "invoice_ids": many("account.move", "Invoices", compute=lambda env, r: invoices(env, r)),
        "invoice_count": integer("Invoice Count", compute=lambda env, r: len(invoices(env, r))),
    }

    def prepare(self, env: Env, values: Values) -> Values:
        """Number the order; take the company's currency."""
        if not values.get("name") or values["name"] == "New":
            values["name"] = f"S{env.store.tables[self.name].next_id:05d}"
        company = env.row("res.company", int(values.get("company_id") or env.company_id))
        values["currency_id"] = values.get("currency_id") or company["currency_id"]
        return values

    def unlinking(self, env: Env, rows: list[Row]) -> None:
        """Refuse deleting confirmed orders."""
        if any(row["state"] not in ("draft", "sent", "cancel") for row in rows):
            raise UserError("You can not delete a sent quotation or a confirmed sales order. You must first cancel it.")

    @record_method
    def action_confirm(self, env: Env, ids: list[int]) -> bool:
        """Confirm quotations; the order date becomes now."""
        rows = self.existing(env, ids)
        wrong = [row for row in rows if row["state"] not in ("draft", "sent")]
        if wrong and env.version == 17:
            raise UserError(f"The following orders are not in a state requiring confirmation: {', '.join(r['name'] for r in wrong)}")
        if wrong:
            raise UserError("Some orders are not in a state requiring confirmation.")
        for row in rows:
            env.set(self.name, row, state="sale", date_order=env.now)
        return True

    @record_method
    def action_cancel(self, env: Env, ids: list[int]) -> Any:
        """Cancel orders and their draft invoices; before 19 a confirmed order asks back by a wizard unless told not to."""
        if (
            env.version < 19
            and not env.context.get("disable_cancel_warning")
            and any(r["state"] != "draft" for r in self.existing(env, ids))
        ):
            return {"type": "ir.actions.act_window", "res_model": "sale.order.cancel", "view_mode": "form", "target": "new"}
        for row in self.existing(env, ids):
            drafts = [i for i in invoices(env, row) if env.rows("account.move")[i]["state"] == "draft"]
            posting.cancel(env, [env.rows("account.move")[i] for i in drafts])
            env.set(self.name, row, state="cancel")
        return True

    @record_method
    def action_draft(self, env: Env, ids: list[int]) -> bool:
        """Take canceled orders back to quotation."""
        for row in self.existing(env, ids):
            if row["state"] in ("cancel", "sent"):
                env.set(self.name, row, state="draft")
        return True


def _sum(env: Env, order: Row, name: str) -> float:
    model = env.model("sale.order.line")
    rows = [env.rows(model.name)[i] for i in env.find(model.name, "order_id", order["id"])]
    return amounts.rounded(env, order["currency_id"], sum(model.value(env, row, name) for row in rows))


def invoices(env: Env, order: Row) -> list[int]:
    """Return the documents made from an order."""
    rows = env.rows("account.move.line")
    lines_ = env.find("sale.order.line", "order_id", order["id"])
    return sorted({rows[i]["move_id"] for line in lines_ for i in env.find("account.move.line", "sale_line_ids", line)})


def order_status(env: Env, order: Row) -> str:
    """Return the invoicing state of an order."""
    if order["state"] != "sale":
        return "no"
    states = [line_status(env, env.rows("sale.order.line")[i]) for i in env.find("sale.order.line", "order_id", order["id"])]
    if "to invoice" in states:
        return "to invoice"
    return "invoiced" if states and all(s == "invoiced" for s in states) else "no"


def invoiced(env: Env, line: Row) -> float:
    """Return the quantity on documents that are not canceled, credit notes counting back."""
    total = 0.0
    for i in env.find("account.move.line", "sale_line_ids", line["id"]):
        item = env.rows("account.move.line")[i]
        move = env.rows("account.move")[item["move_id"]]
        if move["state"] != "cancel":
            total += item["quantity"] * (-1 if move["move_type"] == "out_refund" else 1)
    return total


def to_invoice(env: Env, line: Row) -> float:
    """Return the quantity still to invoice of a confirmed order (negative when too much was invoiced)."""
    order = env.rows("sale.order")[line["order_id"]]
    return line["product_uom_qty"] - invoiced(env, line) if order["state"] == "sale" else 0.0


def line_status(env: Env, line: Row) -> str:
    """Return the invoicing state of a line."""
    if env.rows("sale.order")[line["order_id"]]["state"] != "sale":
        return "no"
    if to_invoice(env, line) != 0:
        return "to invoice"
    return "invoiced"


class OrderLine(Model):
    """sale.order.line."""

    name = "sale.order.line"
    label = "Sales Order Line"
    order = "order_id, sequence, id"
    declared: ClassVar[dict[str, Field]] = {
        "order_id": one("sale.order", "Order Reference", required=True, ondelete="cascade"),
        "sequence": integer(default=10),
        "name": text("Description"),
        "display_type": char("Display Type"),
        "product_id": one("product.product", "Product", ondelete="restrict"),
        "product_uom_qty": float_("Quantity", default=1.0, digits=2),
        "product_uom": one("uom.uom", "Unit of Measure", until=18, default=1),
        "product_uom_id": one("uom.uom", "Unit", since=19, default=1),
        "price_unit": float_("Unit Price", digits=2, digits_until=18),
        "discount": float_("Discount (%)", digits=2),
        "tax_id": many("account.tax", "Taxes", until=18),
        "tax_ids": many("account.tax", "Taxes", since=19),
        "price_subtotal": monetary("Subtotal", compute=lambda env, r: _priced(env, r).untaxed),
        "price_total": monetary("Total", compute=lambda env, r: _priced(env, r).total),
        "price_tax": monetary("Total Tax", compute=lambda env, r: _tax(env, r)),
        "qty_invoiced": float_("Invoiced Quantity", compute=invoiced),
        "qty_to_invoice": float_("Quantity To Invoice", compute=to_invoice),
        "invoice_lines": many(
            "account.move.line", "Invoice Lines", compute=lambda env, r: sorted(env.find("account.move.line", "sale_line_ids", r["id"]))
        ),
        "invoice_status": choice("Invoice Status", *INVOICE_STATES, compute=line_status),
    }

    def prepare(self, env: Env, values: Values) -> Values:
        """Take name, price and taxes from the product."""
        product = env.rows("product.product").get(int(values.get("product_id") or 0))
        if product is not None:
            template = env.rows("product.template")[product["product_tmpl_id"]]
            order = env.row("sale.order", int(values["order_id"]))
            values["name"] = values.get("name") or env.model("product.product").display_name(env, product)
            values.setdefault("price_unit", template["list_price"] * rate_on(env, order["currency_id"], order["company_id"], env.today))
            if tax_column(env) not in values:
                rows = env.rows("account.tax")
                values[tax_column(env)] = [t for t in template["taxes_id"] if rows[t]["company_id"] == order["company_id"]]
        return values


def _tax(env: Env, line: Row) -> float:
    priced = _priced(env, line)
    difference = priced.total - priced.untaxed
    return round_half_up(difference, 6) if env.version == 17 else difference  # 18 and 19 show the doubles' difference as it is


def _priced(env: Env, line: Row) -> taxes.TaxedLine:
    order = env.rows("sale.order")[line["order_id"]]
    digits = amounts.digits(env, order["currency_id"])
    company = env.rows("res.company")[order["company_id"]]
    globally = company["tax_calculation_rounding_method"] == "round_globally"
    price = line["price_unit"] * (1 - line["discount"] / 100.0) * line["product_uom_qty"]
    result = taxes.TaxedLine(line["id"], price, line["product_uom_qty"])
    taxes.compute(env, result, line[tax_column(env)], taxes.Money(digits, digits, 1.0, globally))
    return result


class AdvancePayment(Model):
    """sale.advance.payment.inv: the wizard that invoices orders."""

    name = "sale.advance.payment.inv"
    label = "Sales Advance Payment Invoice"
    transient = True
    declared: ClassVar[dict[str, Field]] = {
        "advance_payment_method": choice(
            "Create Invoice",
            ("delivered", "Regular invoice"),
            ("percentage", "Down payment (percentage)"),
            ("fixed", "Down payment (fixed amount)"),
            default="delivered",
            required=True,
        ),
        "sale_order_ids": many("sale.order", "Sale Order"),
    }

    def prepare(self, env: Env, values: Values) -> Values:
        """Take the orders of the context."""
        if not values.get("sale_order_ids"):
            values["sale_order_ids"] = [[6, 0, list(env.context.get("active_ids") or [])]]
        return values

    @record_method
    def create_invoices(self, env: Env, ids: list[int]) -> Any:
        """Make draft invoices of what is left to invoice; down payments are not simulated."""
        row = env.row(self.name, self.ensure_one(ids))
        if row["advance_payment_method"] != "delivered":
            raise UserError("Down payments are not part of this sandbox.")
        made = [self._invoice(env, env.rows("sale.order")[i]) for i in row["sale_order_ids"]]
        if not any(made):
            raise UserError(NOTHING)
        shown: Row = {"type": "ir.actions.act_window", "res_model": "account.move", "name": "Invoices"}
        kept = [m for m in made if m]
        return (
            {**shown, "view_mode": "form", "res_id": kept[0]}
            if len(kept) == 1
            else {**shown, "view_mode": "list,form", "domain": [["id", "in", kept]]}
        )

    @staticmethod
    def _invoice(env: Env, order: Row) -> int:
        rows = env.rows("sale.order.line")
        open_lines = [rows[i] for i in sorted(env.find("sale.order.line", "order_id", order["id"])) if to_invoice(env, rows[i])]
        if not open_lines:
            return 0
        values = {
            "move_type": "out_invoice",
            "partner_id": order["partner_id"],
            "currency_id": order["currency_id"],
            "company_id": order["company_id"],
            "invoice_origin": order["name"],
            "ref": order["client_order_ref"] or "",
            "invoice_payment_term_id": order["payment_term_id"],
            "invoice_line_ids": [
                [
                    0,
                    0,
                    {
                        "name": _label(env, ln),
                        "product_id": ln["product_id"],
                        "quantity": to_invoice(env, ln),
                        "price_unit": ln["price_unit"],
                        "discount": ln["discount"],
                        "tax_ids": [[6, 0, list(ln[tax_column(env)])]],
                        "sale_line_ids": [[6, 0, [ln["id"]]]],
                    },
                ]
                for ln in open_lines
            ],
        }
        inner = env.with_context(allowed_company_ids=[order["company_id"]]).sudo()
        return env.model("account.move").create(inner, [values])[0]


def _label(env: Env, line: Row) -> str:
    """Return what an order line is called on an invoice: from 18 on with its product in front."""
    product = env.rows("product.product").get(line["product_id"] or 0)
    shown = env.model("product.product").display_name(env, product) if product is not None else ""
    if env.version == 17 or not shown or shown in str(line["name"]):
        return str(line["name"])
    return f"{shown}{chr(10) if env.version >= 19 else ' '}{line['name']}"


MODELS: list[type[Model]] = [Order, OrderLine, AdvancePayment]
