"""Partners, companies and products."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from counterfoil.connectors.odoo.sandbox.books import chart, locks
from counterfoil.connectors.odoo.sandbox.orm.env import Env
from counterfoil.connectors.odoo.sandbox.orm.errors import UserError, ValidationError
from counterfoil.connectors.odoo.sandbox.orm.fields import Field, boolean, char, choice, day, float_, integer, lines, many, one, text
from counterfoil.connectors.odoo.sandbox.orm.model import Model
from counterfoil.connectors.odoo.sandbox.orm.store import Row
from counterfoil.connectors.odoo.sandbox.orm.writing import Values


def commercial(env: Env, row: Row) -> int:
    """Return the company a contact belongs to (or the partner itself)."""
    rows = env.rows("res.partner")
    while not row["is_company"] and row["parent_id"]:
        row = rows[row["parent_id"]]
    return int(row["id"])


class Partner(Model):
    """res.partner."""

    name = "res.partner"
    label = "Contact"
    order = "complete_name, id desc"
    declared: ClassVar[dict[str, Field]] = {
        "name": char("Name", index=True),
        "complete_name": char("Complete Name", compute=lambda env, row: _complete_name(env, row)),
        "active": boolean(default=True),
        "ref": char("Reference", index=True),
        "lang": choice("Language", default="en_US"),
        "email": char("Email", index=True),
        "phone": char("Phone"),
        "mobile": char("Mobile", until=18),
        "title": char("Title", until=18),
        "street": char("Street"),
        "street2": char("Street2"),
        "city": char("City"),
        "zip": char("Zip"),
        "state_id": one("res.country.state", "State"),
        "country_id": one("res.country", "Country"),
        "country_code": char(
            "Country Code", compute=lambda env, row: env.rows("res.country")[row["country_id"]]["code"] if row["country_id"] else False
        ),
        "vat": char("Tax ID", index=True),
        "is_company": boolean("Is a Company"),
        "company_type": choice(
            "Company Type",
            ("person", "Person"),
            ("company", "Company"),
            compute=lambda env, row: _company_type(row),
            readonly=False,
            until=19,
        ),
        "type": choice(
            "Address Type", ("contact", "Contact"), ("invoice", "Invoice"), ("delivery", "Delivery"), ("other", "Other"), default="contact"
        ),
        "parent_id": one("res.partner", "Related Company"),
        "child_ids": lines("res.partner", "parent_id", "Contact"),
        "commercial_partner_id": one("res.partner", "Commercial Entity", compute=commercial),
        "company_id": one("res.company", "Company"),
        "user_ids": lines("res.users", "partner_id", "Users"),
        "color": integer("Color Index"),
        "comment": text("Notes"),
        "customer_rank": integer("Customer Rank"),
        "supplier_rank": integer("Supplier Rank"),
        "property_account_receivable_id": one("account.account", "Account Receivable", company_dependent=True),
        "property_account_payable_id": one("account.account", "Account Payable", company_dependent=True),
        "property_payment_term_id": one("account.payment.term", "Customer Payment Terms", company_dependent=True),
        "property_account_position_id": one("account.fiscal.position", "Fiscal Position", company_dependent=True),
        "credit": float_("Total Receivable", compute=lambda env, row: chart.open_receivable(env, row)),
    }
    company_field = "company_id"

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.fields["is_company"].readonly = version >= 20

    def options(self, env: Env, declared: Field) -> tuple[tuple[str, str], ...]:
        """Offer the installed languages."""
        if declared.name == "lang":
            return tuple((r["code"], r["name"]) for r in env.rows("res.lang").values() if r["active"])
        return super().options(env, declared)

    def display_name(self, env: Env, row: Row) -> str:
        """Return the name, after its company's for a contact."""
        return _complete_name(env, row) or f"{self.name},{row['id']}"

    def _clean_selection(self, env: Env, declared: Field, value: Any) -> Any:
        if declared.name == "lang" and env.version >= 18:  # create accepts a language that is not installed; only load refuses it
            return value or False
        return super()._clean_selection(env, declared, value)

    def property_default(self, env: Env, name: str) -> Any:
        """Return the company's receivable or payable account."""
        if name in ("property_account_receivable_id", "property_account_payable_id"):
            return chart.default_account(env, env.company_id, "receivable" if "receivable" in name else "payable")
        return False

    def name_find(self, env: Env, name: str, domain: list[Any], operator: str = "ilike", limit: int | None = None) -> list[Row]:
        """Find by complete name, email, reference or VAT."""
        if not name:
            return self.find(env, domain, None, limit)
        terms: list[Any] = [[f, operator, name] for f in ("complete_name", "email", "ref", "vat")]
        return self.find(env, [*domain, "|", "|", "|", *terms], None, limit)

    def prepare(self, env: Env, values: Values) -> Values:
        """Take the company type and check what is required."""
        if values.get("company_type") == "company":
            values["is_company"] = True
        if not values.get("name") and values.get("type", "contact") == "contact":
            raise ValidationError("The operation cannot be completed: Contacts require a name")
        return values

    def writing(self, env: Env, rows: list[Row], values: Values) -> Values:
        """Take the company type; refuse an empty name."""
        if "company_type" in values:
            values["is_company"] = values["company_type"] == "company"
        if "name" in values and not values["name"]:
            raise ValidationError("The operation cannot be completed: Contacts require a name")
        return values

    def created(self, env: Env, rows: list[Row], values_list: list[Values]) -> None:
        """Let contacts and their companies share what they share."""
        for row, values in zip(rows, values_list, strict=True):
            check_vat(env, row, values)
            share(env, row, values)

    def written(self, env: Env, rows: list[Row], values: Values) -> None:
        """Let contacts and their companies share what they share."""
        for row in rows:
            check_vat(env, row, values)
            share(env, row, values)

    def unlinking(self, env: Env, rows: list[Row]) -> None:
        """Refuse deleting a partner with entries or a user."""
        for row in rows:
            if env.find("account.move.line", "partner_id", row["id"]) or env.find("account.move", "partner_id", row["id"]):
                raise UserError("The partner cannot be deleted because it is used in Accounting")
            if any(env.rows("res.users")[i]["active"] for i in env.find("res.users", "partner_id", row["id"])):
                raise ValidationError(
                    "You cannot delete contacts linked to an active user. Ask an administrator to archive their associated user first."
                )


VAT_SHAPES = {
    "AT": r"(AT)?U\d{8}",
    "BE": r"(BE)?[01]\d{9}",
    "DE": r"(DE)?\d{9}",
    "FR": r"(FR)?[0-9A-Z]{2}\d{9}",
    "GB": r"(GB)?\d{9}(\d{3})?",
    "NL": r"(NL)?\d{9}B\d{2}",
}
"""What VAT numbers of some countries look like; the server knows all, and their check digits."""


def check_vat(env: Env, row: Row, values: Values) -> None:
    """Refuse a VAT number of another shape than its prefix's or country's: where base_vat is, and from 20 on; also in a new country."""
    if not row["vat"] or not values.keys() & {"vat", "country_id"}:
        return
    modules = env.rows("ir.module.module")
    is_checked = env.version >= 20 or any(modules[i]["state"] == "installed" for i in env.find("ir.module.module", "name", "base_vat"))
    plain = re.sub(r"[^0-9A-Z]", "", str(row["vat"]).upper())
    country = env.rows("res.country")[row["country_id"]]["code"] if row["country_id"] else plain[:2]
    shapes = [VAT_SHAPES[code] for code in (plain[:2], country) if code in VAT_SHAPES]
    if is_checked and shapes and not any(re.fullmatch(shape, plain) for shape in shapes):
        raise ValidationError(f"The VAT number [{row['vat']}] for partner [{row['name']}] does not seem to be valid.")


ADDRESS = ("street", "street2", "city", "zip", "state_id", "country_id")


def share(env: Env, row: Row, values: Values) -> None:
    """Give a contact its company's VAT id and, if it is a plain contact, address; from 19 on what a contact is given goes up, too."""
    rows = env.rows("res.partner")
    company = rows.get(row["parent_id"]) if row["parent_id"] else None
    names = [*(["vat"] if not row["is_company"] else []), *(ADDRESS if row["type"] == "contact" else ())]
    if company is not None and "parent_id" in values:
        env.set("res.partner", row, **{name: company[name] for name in names})
    elif company is not None and env.version >= 19 and values.keys() & set(names):
        env.set("res.partner", company, **{name: row[name] for name in names if name in values})
    for child in [rows[i] for i in env.find("res.partner", "parent_id", row["id"])]:
        own = [*(["vat"] if not child["is_company"] else []), *(ADDRESS if child["type"] == "contact" else ())]
        env.set("res.partner", child, **{name: row[name] for name in own if name in values})


def _complete_name(env: Env, row: Row) -> str:
    name = row["name"] or ""
    parent = env.rows("res.partner").get(row["parent_id"]) if row["parent_id"] else None
    return f"{parent['name']}, {name}" if parent is not None and not row["is_company"] else str(name)


def _company_type(row: Row) -> str:
    return "company" if row["is_company"] else "person"


def _locked(name: str, label: str, **versions: int) -> Field:
    return day(label, compute=lambda env, row: locks.effective(env, row, name), **versions)


def _lineage(env: Env, row: Row) -> tuple[int, ...]:
    """Return a company and all it belongs to, itself last."""
    parent = row["parent_id"]
    return (*_lineage(env, env.row("res.company", parent)), row["id"]) if parent else (row["id"],)


class Company(Model):
    """res.company."""

    name = "res.company"
    label = "Companies"
    order = "sequence, name"
    declared: ClassVar[dict[str, Field]] = {
        "name": char("Company Name", required=True, index=True),
        "active": boolean(default=True),
        "sequence": integer(default=10),
        "parent_id": one("res.company", "Parent Company"),
        "parent_ids": many("res.company", "Parents", compute=lambda env, row: _lineage(env, row)),
        "partner_id": one("res.partner", "Partner"),
        "currency_id": one(
            "res.currency",
            "Currency",
            required=True,
            default=lambda env: env.rows("res.company")[1]["currency_id"] if 1 in env.rows("res.company") else 1,
        ),
        "country_id": one("res.country", "Country"),
        "account_fiscal_country_id": one("res.country", "Fiscal Country"),
        "chart_template": char("Chart Template"),
        "vat": char("Tax ID"),
        "email": char("Email"),
        "user_ids": many("res.users", "Accepted Users", compute=lambda env, row: _users(env, row)),
        "fiscalyear_last_day": integer("Fiscalyear Last Day", required=True, default=31),
        "fiscalyear_last_month": choice("Fiscalyear Last Month", *((str(m), str(m)) for m in range(1, 13)), required=True, default="12"),
        "fiscalyear_lock_date": day("Global Lock Date"),
        "tax_lock_date": day("Tax Return Lock Date"),
        "period_lock_date": day("Journals Entries Lock Date", until=17),
        "sale_lock_date": day("Sales Lock Date", since=18),
        "purchase_lock_date": day("Purchase Lock date", since=18),
        "hard_lock_date": day("Hard Lock Date", since=18),
        "user_fiscalyear_lock_date": _locked("fiscalyear_lock_date", "User Fiscalyear Lock Date", since=18),
        "user_tax_lock_date": _locked("tax_lock_date", "User Tax Lock Date", since=18),
        "user_sale_lock_date": _locked("sale_lock_date", "User Sale Lock Date", since=18),
        "user_purchase_lock_date": _locked("purchase_lock_date", "User Purchase Lock Date", since=18),
        "user_hard_lock_date": _locked("hard_lock_date", "User Hard Lock Date", since=18),
        "tax_calculation_rounding_method": choice(
            "Tax Calculation Rounding Method",
            ("round_per_line", "Round per Line"),
            ("round_globally", "Round Globally"),
            default=lambda env: "round_globally" if env.version >= 19 else "round_per_line",
        ),
        "account_price_include": choice(
            "Default Sales Price Include",
            ("tax_included", "Tax Included"),
            ("tax_excluded", "Tax Excluded"),
            default="tax_excluded",
            since=18,
        ),
        "bank_account_code_prefix": char("Prefix of the bank accounts"),
        "cash_account_code_prefix": char("Prefix of the cash accounts"),
        "transfer_account_id": one("account.account", "Inter-Banks Transfer Account"),
        "account_journal_suspense_account_id": one("account.account", "Journal Suspense Account"),
        "default_cash_difference_income_account_id": one("account.account", "Cash Difference Income"),
        "default_cash_difference_expense_account_id": one("account.account", "Cash Difference Expense"),
        "account_journal_payment_debit_account_id": one("account.account", "Journal Outstanding Receipts", until=17),
        "account_journal_payment_credit_account_id": one("account.account", "Journal Outstanding Payments", until=17),
        "account_sale_tax_id": one("account.tax", "Default Sale Tax"),
        "account_purchase_tax_id": one("account.tax", "Default Purchase Tax"),
        "currency_exchange_journal_id": one("account.journal", "Exchange Gain or Loss Journal"),
        "income_currency_exchange_account_id": one("account.account", "Gain Exchange Rate Account"),
        "expense_currency_exchange_account_id": one("account.account", "Loss Exchange Rate Account"),
    }

    def created(self, env: Env, rows: list[Row], values_list: list[Values]) -> None:
        """Give the company a partner and let its creator use it."""
        for row in rows:
            twins = [i for i in env.find(self.name, "name", row["name"]) if i != row["id"]]
            if twins:
                raise ValidationError("The operation cannot be completed: The company name must be unique!")
            if not row["partner_id"]:
                partner = {
                    "name": row["name"],
                    "is_company": True,
                    "country_id": row["country_id"],
                    "vat": row["vat"],
                    "email": row["email"],
                }
                env.set(self.name, row, partner_id=env.model("res.partner").create(env, [partner])[0])
            user = env.user
            env.set("res.users", user, company_ids=(*user["company_ids"], row["id"]))
            env.set("res.currency", env.rows("res.currency")[row["currency_id"]], active=True)

    def writing(self, env: Env, rows: list[Row], values: Values) -> Values:
        """Guard lock dates and the currency of a company with entries."""
        for row in rows:
            locks.check_change(env, row, values)
            if values.get("currency_id", row["currency_id"]) != row["currency_id"] and chart.has_entries(env, row["id"]):
                raise UserError("You cannot change the currency of the company since some journal items already exist")
        return values


def _users(env: Env, row: Row) -> list[int]:
    return [u["id"] for u in env.rows("res.users").values() if row["id"] in u["company_ids"] and u["active"]]


MODELS: list[type[Model]] = [Partner, Company]
